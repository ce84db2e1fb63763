#include "sqlite/demo_shop.h"

#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

TEST(DemoShop, StaysBetweenThirtyAndSixtyRowsAndKeepsItsTypes) {
  rig::TemporaryDirectory directory;
  const std::string path = directory.path() + "/demo.db";
  auto shop = DemoShop::open(path);
  ASSERT_TRUE(shop.ok()) << shop.error().message;
  auto reader = Connection::open(path, 1s);
  ASSERT_TRUE(reader.ok());
  for (int i = 0; i < 400; ++i) {
    auto done = (*shop)->step();
    ASSERT_TRUE(done.ok()) << done.error().message;
    auto count = (*reader)->integer("SELECT count(*) FROM orders");
    ASSERT_TRUE(count.ok());
    EXPECT_GE(*count, 30);
    EXPECT_LE(*count, 60);
  }
  SystemClock clock;
  metrics::Registry metrics;
  Options options;
  options.path = path;
  auto source = make_source(options, clock, metrics);
  auto catalogue = (*source->open_catalogue())->read();
  ASSERT_TRUE(catalogue.ok());
  const auto orders = catalogue->find("orders");
  ASSERT_NE(orders, nullptr);
  EXPECT_EQ(orders->refusal, "");
  EXPECT_EQ(orders->columns[static_cast<std::size_t>(orders->find("total"))].type, query::Type::numeric);
  EXPECT_EQ(orders->columns[static_cast<std::size_t>(orders->find("created_at"))].type,
            query::Type::timestamp);
}

TEST(DemoShop, LeavesAloneWhatSomebodyAdded) {
  rig::TemporaryDirectory directory;
  const std::string path = directory.path() + "/demo.db";
  auto shop = std::move(*DemoShop::open(path));
  auto id = shop->add("Grace Hopper", "Travel mug", 2);
  ASSERT_TRUE(id.ok());
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(shop->step().ok());
  EXPECT_EQ(rig::run({"sqlite3", path, "select status from orders where id = " + std::to_string(*id)}),
            "new\n");
  EXPECT_NE(rig::run({"sqlite3", path, "select count(*) from orders where id < 20"}), "19\n");
}

TEST(DemoShop, OpenedAgainItKeepsWhatIsThere) {
  rig::TemporaryDirectory directory;
  const std::string path = directory.path() + "/demo.db";
  {
    ASSERT_TRUE((*DemoShop::open(path))->remove(7).ok());
  }
  auto again = DemoShop::open(path);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(rig::run({"sqlite3", path, "select count(*), count(*) filter (where id = 7) from orders"}),
            "41|0\n");
}

TEST(DemoShop, ButtonsDoWhatTheySayAndNameWhatIsWrong) {
  rig::TemporaryDirectory directory;
  const std::string path = directory.path() + "/demo.db";
  auto shop = std::move(*DemoShop::open(path));
  auto id = shop->add("Grace Hopper", "Travel mug", 2);
  ASSERT_TRUE(id.ok());
  const auto order = [&] {
    return rig::run({"sqlite3", path, "select total, status from orders where id = " + std::to_string(*id)});
  };
  EXPECT_EQ(order(), "53|new\n");
  EXPECT_TRUE(shop->advance(*id).ok());
  EXPECT_EQ(order(), "53|paid\n");
  EXPECT_TRUE(shop->remove(*id).ok());
  EXPECT_EQ(order(), "");
  EXPECT_EQ(shop->advance(*id).error().fault, Fault::not_found);
  EXPECT_EQ(shop->remove(*id).error().fault, Fault::not_found);
  EXPECT_EQ(shop->add("", "Travel mug", 1).error().fault, Fault::invalid);
  EXPECT_EQ(shop->add("x", std::string(81, 'p'), 1).error().fault, Fault::invalid);
  EXPECT_EQ(shop->add("x", "Travel mug", 0).error().message, "quantity: 1 to 99");
}

TEST(DemoShop, ADirectoryThatIsNotThereIsNamed) {
  auto shop = DemoShop::open("/nonexistent/demo.db");
  ASSERT_FALSE(shop.ok());
  EXPECT_NE(shop.error().message.find("/nonexistent/demo.db"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::sqlite::testing
