#include "sqlite/demo_shop.h"

#include <array>
#include <string_view>
#include <utility>

namespace tidegate::sqlite {
namespace {

constexpr std::int64_t kRowsMin = 30;
constexpr std::int64_t kRowsMax = 60;
constexpr std::size_t kTextMax = 80;

struct Product {
  std::string_view name;
  std::int64_t cents;
};
constexpr std::array<Product, 12> kProducts{{{"Espresso beans, 1 kg", 2490},
                                             {"Pour-over kettle", 5900},
                                             {"Hand grinder", 8450},
                                             {"Paper filters, 100", 650},
                                             {"Ceramic dripper", 2200},
                                             {"Milk jug, 350 ml", 1875},
                                             {"Decaf beans, 500 g", 1390},
                                             {"Cold brew bottle", 2995},
                                             {"Coffee scale", 4200},
                                             {"Cupping spoon", 1150},
                                             {"Moka pot, 3 cups", 3150},
                                             {"Travel mug", 2650}}};
constexpr std::array<std::string_view, 24> kCustomers{
    "Ada Okafor",    "Björn Lind",    "Chiara Rossi",    "Dmitri Volkov", "Elif Yılmaz",    "Farah Haddad",
    "Greta Sommer",  "Hiro Tanaka",   "Inês Carvalho",   "Jonas Weber",   "Kavya Nair",     "Liam O'Brien",
    "Maja Kowalska", "Noah Fischer",  "Oluwaseun Bello", "Priya Sharma",  "Quentin Moreau", "Rosa Jiménez",
    "Sofia Nilsson", "Tomás Herrera", "Uma Krishnan",    "Viktor Novák",  "Wen Li",         "Yara Costa"};
constexpr std::array<std::string_view, 5> kStatuses{"new", "paid", "packed", "shipped", "delivered"};

constexpr const char* kAdvance =
    "UPDATE orders SET status = CASE status WHEN 'new' THEN 'paid' WHEN 'paid' THEN 'packed' WHEN 'packed' "
    "THEN 'shipped' "
    "WHEN 'shipped' THEN 'delivered' ELSE 'new' END WHERE id = ?1";

std::int64_t price_of(std::string_view product) {
  for (const auto& known : kProducts) {
    if (known.name == product) return known.cents;
  }
  return 1000;
}

/// What the shop itself touches: what somebody added by hand stays until somebody changes it.
std::string by_known_customers() {
  std::string names;
  for (const auto name : kCustomers) {
    names += names.empty() ? "'" : ", '";
    for (const char c : name) names += c == '\'' ? std::string("''") : std::string(1, c);
    names += "'";
  }
  return "customer IN (" + names + ")";
}

}  // namespace

Result<std::unique_ptr<DemoShop>> DemoShop::open(const std::string& path, std::uint32_t seed) {
  auto connection = Connection::open(path, std::chrono::seconds(5), true);
  if (!connection) {
    return Error{connection.error().fault, "cannot make " + path + " (" + connection.error().message +
                                               "); name a directory that this user may write to"};
  }
  std::unique_ptr<DemoShop> shop(new DemoShop(std::move(*connection), seed));
  if (auto seeded = shop->seed(); !seeded) return seeded.error();
  return shop;
}

Status DemoShop::seed() {
  std::lock_guard lock(mutex_);
  auto made = connection_->run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
      "CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, customer TEXT NOT NULL, product TEXT NOT "
      "NULL, "
      "quantity INTEGER NOT NULL, total NUMERIC NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT "
      "NULL)");
  if (!made) return made;
  auto count = connection_->integer("SELECT count(*) FROM orders");
  if (!count) return count.error();
  if (*count > 0) return {};
  if (auto begun = connection_->run("BEGIN"); !begun) return begun;
  for (int i = 0; i < 42; ++i) {
    const std::string minutes = "-" + std::to_string((42 - i) * 37) + " minutes";
    const auto& product = kProducts[pick(kProducts.size())];
    auto added = insert(std::string(kCustomers[pick(kCustomers.size())]), std::string(product.name),
                        static_cast<std::int64_t>(1 + pick(4)),
                        std::string(kStatuses[pick(kStatuses.size())]), minutes);
    if (!added) {
      connection_->rollback();
      return added.error();
    }
  }
  return connection_->run("COMMIT");
}

Result<std::int64_t> DemoShop::insert(const std::string& customer, const std::string& product,
                                      std::int64_t quantity, const std::string& status,
                                      const std::string& created) {
  auto rows = connection_->prepare(
      "INSERT INTO orders(customer, product, quantity, total, status, created_at) "
      "VALUES (?1, ?2, ?3, ?4 / 100.0, ?5, strftime('%Y-%m-%d %H:%M:%S', 'now', ?6)) RETURNING id");
  if (!rows) return rows.error();
  rows->bind(1, std::string_view(customer));
  rows->bind(2, std::string_view(product));
  rows->bind(3, quantity);
  rows->bind(4, price_of(product) * quantity);
  rows->bind(5, std::string_view(status));
  rows->bind(6, std::string_view(created));
  auto row = rows->step();
  if (!row) return row.error();
  const std::int64_t id = rows->integer(0);
  if (auto done = rows->run(); !done) return done.error();
  return id;
}

Result<std::int64_t> DemoShop::add(const std::string& customer, const std::string& product,
                                   std::int64_t quantity) {
  if (customer.empty() || customer.size() > kTextMax) return Error{Fault::invalid, "customer: 1 to 80 bytes"};
  if (product.empty() || product.size() > kTextMax) return Error{Fault::invalid, "product: 1 to 80 bytes"};
  if (quantity < 1 || quantity > 99) return Error{Fault::invalid, "quantity: 1 to 99"};
  std::lock_guard lock(mutex_);
  return insert(customer, product, quantity, "new", "-0 minutes");
}

Status DemoShop::change(const std::string& sql, std::int64_t id) {
  auto rows = connection_->prepare(sql);
  if (!rows) return rows.error();
  rows->bind(1, id);
  if (auto done = rows->run(); !done) return done;
  if (connection_->changes() == 0) return Error{Fault::not_found, "there is no order " + std::to_string(id)};
  return {};
}

Status DemoShop::advance(std::int64_t id) {
  std::lock_guard lock(mutex_);
  return change(kAdvance, id);
}

Status DemoShop::remove(std::int64_t id) {
  std::lock_guard lock(mutex_);
  return change("DELETE FROM orders WHERE id = ?1", id);
}

/// 0 where there is none.
Result<std::int64_t> DemoShop::random_order(const std::string& where) {
  auto count = connection_->integer("SELECT count(*) FROM orders WHERE " + where);
  if (!count) return count;
  if (*count == 0) return 0;
  const auto place = pick(static_cast<std::size_t>(*count));
  auto rows = connection_->prepare("SELECT id FROM orders WHERE " + where + " ORDER BY id LIMIT 1 OFFSET ?1");
  if (!rows) return rows.error();
  rows->bind(1, static_cast<std::int64_t>(place));
  auto row = rows->step();
  if (!row) return row.error();
  return *row ? rows->integer(0) : 0;
}

Status DemoShop::step() {
  std::lock_guard lock(mutex_);
  auto count = connection_->integer("SELECT count(*) FROM orders");
  if (!count) return count.error();
  const std::size_t what = pick(10);
  const bool adds = *count <= kRowsMin || (what < 2 && *count < kRowsMax);
  if (adds) {
    const auto& product = kProducts[pick(kProducts.size())];
    auto added = insert(std::string(kCustomers[pick(kCustomers.size())]), std::string(product.name),
                        static_cast<std::int64_t>(1 + pick(4)), "new", "-0 minutes");
    return added ? Status() : Status(added.error());
  }
  const bool removes = *count > kRowsMax || what == 9;
  static const std::string own = by_known_customers();
  auto id = random_order(own + (removes ? " AND status = 'delivered'" : " AND status <> 'delivered'"));
  if (id && *id == 0) id = random_order(own);
  if (!id) return id.error();
  return change(removes ? "DELETE FROM orders WHERE id = ?1" : kAdvance, *id);
}

}  // namespace tidegate::sqlite
