// More servers than one: a standby refuses to be taken for its primary, a url may name both, and everything
// that belongs to one stream asks one server.
#include "base/encoding.h"
#include "postgres/testing.h"
#include "query/query.h"

namespace tidegate::postgres {
namespace {

class StandbyTest : public DatabaseTest {
 protected:
  static void TearDownTestSuite() {
    standby_.reset();
    DatabaseTest::TearDownTestSuite();
  }
  void SetUp() override {
    DatabaseTest::SetUp();
    make_orders();
    if (!standby_) standby_ = rig::PostgresServer::standby_of(*server_);
    standby_->await_replay(*server_);
    name_ = url_.substr(url_.rfind('/') + 1);
  }
  [[nodiscard]] Options at(const std::string& url) const {
    Options options;
    options.url = url;
    return options;
  }
  [[nodiscard]] std::string url_of(const rig::PostgresServer& first, const rig::PostgresServer& second,
                                   const std::string& attributes) const {
    return "postgres://postgres@127.0.0.1:" + std::to_string(first.port()) +
           ",127.0.0.1:" + std::to_string(second.port()) + "/" + name_ + attributes;
  }
  Status read_snapshot(const Options& options) {
    struct Nothing final : source::SnapshotSink {
      bool begin(const source::SnapshotInfo&) override { return true; }
      bool row(const query::Row&) override { return true; }
    } sink;
    const auto catalogue =
        std::move(make_source(at(url_), clock_, metrics_)->open_catalogue()).value()->read();
    EXPECT_TRUE(catalogue.ok());
    const auto query = query::Query::bind({"orders", {}, {}}, catalogue->find("orders"));
    EXPECT_TRUE(query.ok());
    const auto source = make_source(options, clock_, metrics_);
    return std::move(source->open_snapshot_reader()).value()->read(**query, sink);
  }

  static inline std::unique_ptr<rig::PostgresServer> standby_;
  std::string name_;
};

TEST_F(StandbyTest, Rule17ASnapshotOfAStandbyIsRefused) {
  const Status read = read_snapshot(at(standby_->url(name_)));
  ASSERT_FALSE(read.ok()) << "what it shows is not what the stream's fence is about";
  EXPECT_EQ(read.error().fault, Fault::unavailable);
  EXPECT_NE(read.error().message.find("primary"), std::string::npos) << read.error().message;
}

TEST_F(StandbyTest, AStandbyHasNoStream) {
  const auto stream = stream_of(at(standby_->url(name_)));
  const Status started = stream->start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("give the address of the primary"), std::string::npos)
      << started.error().message;
}

TEST_F(StandbyTest, AUrlMayNameBothAndFindsWhicheverTakesWrites) {
  const Options options = at(url_of(*standby_, *server_, "?target_session_attrs=read-write"));
  EXPECT_TRUE(read_snapshot(options).ok());
  const auto stream = stream_of(options);
  const Status started = stream->start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  sql_->exec("insert into orders values (1)");
  EXPECT_EQ(read_next<source::Transaction>(*stream).changes.size(), 1u);
}

TEST_F(StandbyTest, Rule1VisibilityIsAskedOfTheStreamsOwnServer) {
  rig::PostgresServer elsewhere;  // of its own, and away when the stream begins
  elsewhere.create_database(name_);
  elsewhere.stop();
  const auto stream = stream_of(at(url_of(elsewhere, *server_, "")));
  const Status started = stream->start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  for (int i = 0; i < 100; ++i) sql_->exec("select pg_current_xact_id()");
  sql_->exec("insert into orders values (1)");
  const auto streamed = read_next<source::Transaction>(*stream);
  elsewhere.start();
  stream->request_visibility();
  const auto seen = read_next<source::Visibility>(*stream);
  EXPECT_TRUE(seen.snapshot.visible(*streamed.xid)) << seen.snapshot.text();
}

}  // namespace
}  // namespace tidegate::postgres
