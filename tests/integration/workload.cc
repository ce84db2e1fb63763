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

/// In one session: prepared, then something else that must not wait for its locks, then its end.
void prepared_transaction(rig::Sql& sql, Random& random, const std::string& name) {
  const std::string gid = "'" + name + "'";
  sql.exec("begin; " + statement(random) + "; " + statement(random) + "; prepare transaction " + gid);
  try {
    if (random() % 2 == 0) sql.exec(statement(random));
  } catch (const rig::SqlError&) {  // it met a lock of the prepared one
    sql.exec("rollback");
  }
  sql.exec((random() % 4 == 0 ? "rollback prepared " : "commit prepared ") + gid);
}

void truncation(rig::Sql& sql, std::uint32_t kind, Random& random) {
  const std::string refill =
      "insert into orders select i, 'new', i % 20, i, null from generate_series(0, 199, 3) i";
  switch (kind % 4) {
    case 0:
      sql.exec("truncate orders");
      sql.exec(refill);
      break;
    case 1:
      sql.exec("begin; " + statement(random) + "; savepoint s; truncate orders; rollback to s; " +
               statement(random) + "; commit");
      break;
    default:
      sql.exec("begin; " + statement(random) + "; truncate orders; " + refill + "; " + statement(random) +
               "; commit");
  }
}

void rewriting(rig::Sql& sql, Random& random) {
  switch (random() % 4) {
    case 0:
      sql.exec("vacuum full orders");
      break;
    case 1:
      sql.exec("cluster orders using orders_pkey");
      break;
    case 2:
      sql.exec("alter table orders alter column note type text using note || ''");
      break;
    default:
      sql.exec("begin; " + statement(random) +
               "; alter table orders alter column total type numeric(10,2) using total + 0; " +
               statement(random) + "; commit");
  }
}

/// Several parts for the queries that see such rows, which are few: text costs what it weighs.
void large_transaction(rig::Sql& sql, Random& random) {
  const std::uint32_t first = random() % (kIds - 15);
  const std::string where =
      " where id between " + std::to_string(first) + " and " + std::to_string(first + 14);
  sql.exec(
      "update orders set status = 'huge', qty = null, total = null, note = (select string_agg(md5(g::text), "
      "'') from generate_series(id, id + 4000) g)" +
      where);
  sql.exec("update orders set total = 0.1" + where);  // the large values stay where they are
  sql.exec("update orders set status = 'new', note = null" + where);
}

}  // namespace

void name_absent_standby(rig::Sql& sql, bool absent) {
  sql.exec("alter system set synchronous_standby_names = '" + std::string(absent ? "absent" : "") + "'");
  sql.exec("select pg_reload_conf()");
}

StandbyOutages::StandbyOutages(const std::string& url, std::uint32_t seed)
    : thread_([this, url, seed] {
        Random random(seed);
        rig::Sql sql(url);
        for (bool absent = false; !over_;) {
          absent = !absent;
          name_absent_standby(sql, absent);
          // The load's own pace, nobody waits for it.
          sql.exec("select pg_sleep(0.0" + std::to_string(10 + random() % 90) + ")");
        }
        name_absent_standby(sql, false);
      }) {}

StandbyOutages::~StandbyOutages() {
  over_ = true;
  thread_.join();
}

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

Workload::Workload(std::string url, int writers, int transactions, std::uint32_t seed, Hardships hardships)
    : url_(std::move(url)), writers_(writers), transactions_(transactions), hardships_(hardships) {
  if (hardships_.standby) outages_ = std::make_unique<StandbyOutages>(url_, seed);
  for (int i = 0; i < writers; ++i)
    threads_.emplace_back([this, seed, i] { write(seed + static_cast<std::uint32_t>(i)); });
}

Workload::~Workload() {
  join();
}

void Workload::join() {
  allow(std::numeric_limits<int>::max());
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  outages_.reset();
}

namespace {

/// False where the server is gone.
bool rolled_back(rig::Sql& sql) {
  try {
    sql.exec("rollback");
    return true;
  } catch (const rig::SqlError&) {
    return false;
  }
}

}  // namespace

void Workload::write(std::uint32_t seed) {
  Random random(seed);
  rig::Sql sql(url_);
  // Nobody sees a deadlock that goes through a prepared transaction.
  if (hardships_.prepared) sql.exec("set lock_timeout = '50ms'");
  const std::string name = "load " + std::to_string(seed) + " ";
  for (int i = 0; i < transactions_; ++i) {
    for (int allowed = allowed_; committed_ >= allowed; allowed = allowed_) allowed_.wait(allowed);
    try {
      write_one(sql, random, name + std::to_string(i), 2 * i == transactions_);
    } catch (
        const rig::SqlError&) {  // a deadlock, or a key that is taken: rolled back, which is part of the load
      if (!rolled_back(sql)) {   // nobody waits for what will not be
        committed_ += transactions_ - i;
        committed_.notify_all();
        return;
      }
    }
    ++committed_;
    committed_.notify_all();
  }
}

/// In the middle of its load each writer does once what else comes by chance, and now and then not at all.
void Workload::write_one(rig::Sql& sql, Random& random, const std::string& name, bool middle) const {
  if (hardships_.standby)
    sql.exec(random() % 3 == 0 ? "set synchronous_commit = on" : "set synchronous_commit = local");
  const std::uint32_t dice = random() % 200;
  if (hardships_.truncate && middle) truncation(sql, 2, random);
  if (hardships_.truncate && dice < 2) return truncation(sql, random(), random);
  if (hardships_.rewrites && dice >= 2 && dice < 6) return rewriting(sql, random);
  if (hardships_.large && middle) large_transaction(sql, random);
  if (hardships_.large && dice == 6) return large_transaction(sql, random);
  if (hardships_.prepared && dice >= 7 && dice < 40) return prepared_transaction(sql, random, name);
  sql.exec(transaction(random));
}

void Workload::allow(int count) {
  allowed_ = count;
  allowed_.notify_all();
}

void Workload::wait_committed(int count) const {
  const int wanted = std::min(count, total());
  for (int seen = committed_; seen < wanted; seen = committed_) committed_.wait(seen);
}

namespace {

/// What a writer waits for between two transactions, in the server.
constexpr const char* kPause = "select pg_sleep(0.05)";
/// Of a status that few queries want, since each gets its own copy; a diff of it is two parts.
constexpr const char* kLargeRow =
    "insert into orders values (9999, 'big', null, null, repeat('x', 1000000)) on conflict do nothing";
constexpr int kLargeEvery = 16;

}  // namespace

Traffic::Traffic(std::string url, int writers, std::uint32_t seed) : url_(std::move(url)) {
  for (int i = 0; i < writers; ++i)
    threads_.emplace_back([this, seed, i] { write(seed + static_cast<std::uint32_t>(i), i == 0); });
}

Traffic::~Traffic() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Traffic::write(std::uint32_t seed, bool large) {
  Random random(seed);
  std::optional<rig::Sql> sql;
  for (int i = 0; !stopping_; ++i) {
    try {
      if (!sql) sql.emplace(url_);
      const bool now = large && i % kLargeEvery == 0;
      sql->exec(!now                         ? transaction(random)
                : i % (2 * kLargeEvery) != 0 ? "delete from orders where id = 9999"
                                             : kLargeRow);
      sql->exec(kPause);
    } catch (const rig::SqlError& error) {
      sql.reset();  // what it had begun is undone
      if (error.sqlstate().starts_with("40") || error.sqlstate().starts_with("23")) continue;
      rig::look_again();  // the server has gone; whether it committed the last one it knows itself
    }
  }
}

namespace {

struct Atom {
  std::string sql;
  Matches matches;
};

const std::optional<std::string>& cell(const Reference::Cells& row, const std::string& column) {
  static const std::optional<std::string> null;
  const auto found = row.find(column);
  return found == row.end() ? null : found->second;
}

Atom random_atom(Random& random) {
  const std::string status = pick(random, kStatuses);
  const std::string other = pick(random, kStatuses);
  const int limit = static_cast<int>(random() % 20);
  const auto qty = [](const Reference::Cells& row) {
    const auto& text = cell(row, "qty");
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
    const auto& text = cell(row, column);
    return "\"" + column + "\":" + (text ? quote + *text + quote : "null");
  };
  return "{" + or_null("id", "") + "," + or_null("status", "\"") + "," + or_null("qty", "") + "," +
         or_null("total", "\"") + "," + or_null("note", "\"") + "}";
}

}  // namespace tidegate::test
