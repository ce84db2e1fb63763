#include "integration/workload.h"

#include <functional>
#include <random>

namespace tidegate::test {
namespace {

using Random = std::mt19937;

constexpr int kIds = 200;
const std::vector<std::string> kStatuses = {"new", "paid", "sent", "done"};

std::string pick(Random& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}
std::string number(Random& random, std::uint32_t below) {
  return std::to_string(random() % below);
}
std::string id(Random& random) {
  return number(random, kIds);
}
std::string total(Random& random) {
  return number(random, 50) + "." + std::to_string(10 + random() % 90);
}

std::string statement(Random& random) {
  switch (random() % 10) {
    case 0:
    case 1:
      return "insert into orders values (" + id(random) + ", '" + pick(random, kStatuses) + "', " +
             number(random, 20) + ", " + total(random) + ", 'it''s') on conflict do nothing";
    case 2:
      return "delete from orders where id = " + id(random);
    case 3:
      return "update orders set id = " + id(random) + " where id = " + id(random);
    case 4:
      return "update orders set note = case when note is null then 'n' end, qty = nullif(qty, 3) where id "
             "= " +
             id(random);
    case 5:
      return "update orders set status = '" + pick(random, kStatuses) + "' where id between " +
             number(random, kIds) + " and " + number(random, kIds);
    default:
      return "update orders set status = '" + pick(random, kStatuses) + "', qty = " + number(random, 20) +
             ", total = " + total(random) + " where id = " + id(random);
  }
}

std::string transaction(Random& random) {
  const std::uint32_t kind = random() % 20;
  if (kind < 8) return statement(random);
  std::string text = "begin; " + statement(random) + ";";
  const std::uint32_t more = random() % 4;
  for (std::uint32_t i = 0; i < more; ++i) text += statement(random) + ";";
  if (kind < 12) {
    text += "savepoint s; " + statement(random) + "; rollback to s; savepoint t; " + statement(random) +
            "; release t;";
  }
  if (kind == 12)
    text += "select pg_sleep(0.05);" + statement(random) + ";";  // the load's own length, nobody waits for it
  return text + "commit";
}

}  // namespace

void Workload::create_table(const std::string& url) {
  rig::Sql sql(url);
  sql.exec(
      "create table orders (id integer primary key, status text not null, qty integer, total numeric(10,2), "
      "note text)");
  sql.exec("alter table orders replica identity full");
}

void Workload::fill_table(const std::string& url) {
  rig::Sql(url).exec("insert into orders select i, 'new', i % 20, i, null from generate_series(0, 199, 2) i");
}

Workload::Workload(std::string url, int writers, int transactions, std::uint32_t seed)
    : url_(std::move(url)), writers_(writers), transactions_(transactions) {
  for (int i = 0; i < writers; ++i)
    threads_.emplace_back([this, seed, i] { write(seed + static_cast<std::uint32_t>(i)); });
}

Workload::~Workload() {
  join();
}

void Workload::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Workload::write(std::uint32_t seed) {
  Random random(seed);
  rig::Sql sql(url_);
  for (int i = 0; i < transactions_; ++i) {
    try {
      sql.exec(transaction(random));
    } catch (
        const rig::SqlError&) {  // a deadlock, or a key that is taken: rolled back, which is part of the load
      sql.exec("rollback");
    }
    ++committed_;
    committed_.notify_all();
  }
}

void Workload::wait_committed(int count) const {
  const int wanted = std::min(count, total());
  for (int seen = committed_; seen < wanted; seen = committed_) committed_.wait(seen);
}

namespace {

struct Atom {
  std::string sql;
  ExpectedResult::Matches matches;
};

std::optional<std::string> cell(const Reference::Cells& row, const std::string& column) {
  const auto found = row.find(column);
  return found == row.end() ? std::nullopt : found->second;
}

Atom random_atom(Random& random) {
  const std::string status = pick(random, kStatuses);
  const std::string other = pick(random, kStatuses);
  const int limit = static_cast<int>(random() % 20);
  const auto qty = [](const Reference::Cells& row) {
    const auto text = cell(row, "qty");
    return text ? std::optional(std::stoi(*text)) : std::nullopt;
  };
  switch (random() % 7) {
    case 0:
      return {"status = '" + status + "'", [=](const auto& row) { return cell(row, "status") == status; }};
    case 1:
      return {"status in ('" + status + "', '" + other + "')",
              [=](const auto& row) { return cell(row, "status") == status || cell(row, "status") == other; }};
    case 2:
      return {"status <> '" + status + "'", [=](const auto& row) { return cell(row, "status") != status; }};
    case 3:
      return {"qty < " + std::to_string(limit),
              [=](const auto& row) { return qty(row) && *qty(row) < limit; }};
    case 4:
      return {"qty >= " + std::to_string(limit),
              [=](const auto& row) { return qty(row) && *qty(row) >= limit; }};
    case 5:
      return {"total > " + std::to_string(limit) + ".5", [=](const auto& row) {
                return cell(row, "total") && std::stod(*cell(row, "total")) > limit + 0.5;
              }};
    default:
      return {"note is null", [](const auto& row) { return !cell(row, "note"); }};
  }
}

}  // namespace

RandomQuery random_query(std::uint32_t seed) {
  Random random(seed);
  const Atom first = random_atom(random);
  const std::string select = "select id, status, qty, total, note from orders where ";
  if (random() % 2 == 0) return {select + first.sql, first.matches};
  const Atom second = random_atom(random);
  return {select + first.sql + " and " + second.sql,
          [first, second](const Reference::Cells& row) { return first.matches(row) && second.matches(row); }};
}

std::string render_order(const Reference::Cells& row) {
  const auto or_null = [&](const std::string& column, const std::string& quote) {
    const auto text = cell(row, column);
    return "\"" + column + "\":" + (text ? quote + *text + quote : "null");
  };
  return "{" + or_null("id", "") + "," + or_null("status", "\"") + "," + or_null("qty", "") + "," +
         or_null("total", "\"") + "," + or_null("note", "\"") + "}";
}

}  // namespace tidegate::test
