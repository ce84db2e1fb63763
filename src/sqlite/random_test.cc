// Random statements from two connections, with the stream applied to a model. Invariants: after every read
// the model equals the table; an old row is what the model holds; a snapshot is the model at its H.
#include <random>

#include "base/testing.h"
#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

constexpr const char* kSchema =
    "create table seats(id integer primary key, code text unique, row integer, number integer not null "
    "default 7,"
    " note, unique(row, number));"
    "create table tags(name text collate nocase primary key, slug text unique on conflict replace, hits real)"
    " without rowid;"
    "create table pairs(a text, b integer, word text collate nocase unique, primary key (a, b));"
    "create unique index pairs_partial on pairs(b) where b > 3;"
    "create table audit(id integer primary key, what text);"
    "create trigger seats_audit after update on seats begin"
    " insert into audit(what) values ('seat ' || new.id);"
    " update seats set note = 'touched' where id = new.id + 1; end;";

class Writer {
 public:
  Writer(const std::string& path, std::mt19937& random) : random_(random) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    if (pick(2) == 0) run("pragma recursive_triggers = on");
  }
  ~Writer() { sqlite3_close(database_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  /// Constraint failures are part of the game; anything else is a fault of ours.
  void run(const std::string& sql) {
    const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
    EXPECT_TRUE(code == SQLITE_OK || code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH)
        << sql << ": " << sqlite3_errmsg(database_);
  }

  void transaction() {
    run("begin immediate");
    for (int i = pick(5); i >= 0; --i) {
      const bool savepoint = pick(4) == 0;
      if (savepoint) run("savepoint s");
      run(statement());
      if (savepoint && pick(2) == 0) run("rollback to s");
      if (savepoint) run("release s");
    }
    if (sqlite3_get_autocommit(database_) == 0) run(pick(5) == 0 ? "rollback" : "commit");
  }

  std::string statement() {
    switch (pick(3)) {
      case 0:
        return seats();
      case 1:
        return tags();
      default:
        return pairs();
    }
  }

 private:
  std::string number(int below = 8) { return pick(9) == 0 ? "null" : std::to_string(pick(below)); }
  std::string conflict() {
    static constexpr const char* kWords[] = {"", " or replace", " or ignore", " or fail", " or replace"};
    return kWords[pick(5)];
  }
  std::string word() {
    static constexpr const char* kWords[] = {"'a'", "'A'", "'b'", "'it''s'", "'B'", "'x' || char(0) || 'y'",
                                             "'é'"};
    return kWords[pick(7)];
  }
  std::string value() {
    static constexpr const char* kValues[] = {"null",         "1.5",   "x'00ff'", "9223372036854775807",
                                              "'\"quoted\"'", "-1e300"};
    return kValues[pick(6)];
  }

  std::string seats() {
    switch (pick(6)) {
      case 0:
      case 1:
        return "insert" + conflict() + " into seats values (" + number() + "," + word() + "," + number() +
               "," + number() + "," + value() + ")";
      case 2:
        return "update" + conflict() + " seats set id = id + " + number(3) + ", code = " + word() +
               " where id = " + number();
      case 3:
        return "update" + conflict() + " seats set row = " + number() + ", number = " + number() +
               " where id > " + number();
      case 4:
        return "delete from seats where id = " + number() + (pick(8) == 0 ? " or 1" : "");
      default:
        return "insert into seats values (" + number() + "," + word() +
               ",1,2,null) on conflict do update set row = 3";
    }
  }

  std::string tags() {
    switch (pick(4)) {
      case 0:
        return "insert" + conflict() + " into tags values (" + word() + "," + word() + "," + number() + ")";
      case 1:
        return "update" + conflict() + " tags set name = " + word() + " where slug = " + word();
      case 2:
        return "update" + conflict() + " tags set slug = " + word() + ", hits = " + value() +
               " where hits > " + number();
      default:
        return "delete from tags where name = " + word();
    }
  }

  std::string pairs() {
    switch (pick(4)) {
      case 0:
      case 1:
        return "insert" + conflict() + " into pairs values (" + word() + "," + number() + "," + word() + ")";
      case 2:
        return "update" + conflict() + " pairs set a = " + word() + ", b = " + number() +
               " where b = " + number();
      default:
        return "delete from pairs where b = " + number();
    }
  }

  sqlite3* database_ = nullptr;
  std::mt19937& random_;
};

TEST(RandomStatements, Rule30StreamEqualsTheTablesAfterEveryRead) {
  const unsigned seed = test_seed();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 6; ++round) {
    File file(kSchema);
    Model model;
    file.start(model, {"seats", "tags", "pairs", "audit"});
    Writer one(file.path(), random);
    Writer two(file.path(), random);
    for (int step = 0; step < 150; ++step) {
      for (int i = one.pick(3); i >= 0; --i) {
        auto& writer = one.pick(2) == 0 ? one : two;
        one.pick(2) == 0 ? writer.transaction() : writer.run(writer.statement());
      }
      file.drain(model);
      for (const auto& [name, rows] : model) ASSERT_EQ(rows, file.rows(name)) << name << ", step " << step;
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

TEST(RandomStatements, Rule30SnapshotsBetweenReadsMeetTheStreamExactly) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  File file(kSchema);
  Model ignored;
  file.start(ignored, {"seats", "tags", "pairs", "audit"});
  const auto all = file.query("seats");
  Writer writer(file.path(), random);
  for (int step = 0; step < 150; ++step) {
    for (int i = 0; i < 2; ++i) writer.transaction();
    const auto snapshot = file.snapshot(*all);
    std::map<std::string, query::Row> held;
    for (const auto& row : snapshot.rows) held[key_text(all->table(), row)] = row;
    for (int i = 0; i < 2; ++i) writer.transaction();
    for (const auto& event : file.drain(ignored)) {
      const auto* transaction = std::get_if<source::Transaction>(&event);
      if (transaction == nullptr || snapshot.info.fence.contains(transaction->lsn, transaction->xid))
        continue;
      // The old rows must be what the client holds: else the transaction straddles its H.
      Model model{{"seats", held}};
      source::Transaction mine = *transaction;
      auto changes = transaction->changes.held();
      std::erase_if(changes, [](const source::Change& change) { return change.table->name != "seats"; });
      mine.changes = std::move(changes);
      follow_model(model, mine);
      held = model["seats"];
    }
    ASSERT_EQ(held, file.rows("seats")) << "step " << step;
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace tidegate::sqlite::testing
