// Rules 1 and 18: what was streamed may be invisible, for as long as a commit waits for a standby; a
// snapshot's fence says which, through prepared transactions and across a wrap of the 32-bit xids.
#include <atomic>
#include <random>
#include <thread>

#include "base/testing.h"
#include "postgres/testing.h"
#include "query/query.h"

namespace tidegate::postgres {
namespace {

using source::Transaction;
using source::Visibility;

struct Collected final : source::SnapshotSink {
  bool begin(const source::SnapshotInfo& given) override {
    fence = given.fence;
    return true;
  }
  bool row(const query::Row& given) override {
    rows[given[0].value()] = given;
    return true;
  }
  Fence fence;
  State rows;
};

class VisibilityTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    make_orders();
  }
  std::unique_ptr<source::ChangeStream> started() {
    auto stream = stream_of(options());
    const Status status = stream->start();
    EXPECT_TRUE(status.ok()) << (status ? "" : status.error().message);
    return stream;
  }
  Visibility ask(source::ChangeStream& stream) {
    stream.request_visibility();
    return read_next<Visibility>(stream);
  }
  Collected snapshot() {
    const auto source = make_source(options(), clock_, metrics_);
    const auto catalogue = std::move(source->open_catalogue()).value()->read();
    EXPECT_TRUE(catalogue.ok());
    const auto query = query::Query::bind({"orders", {}, {}}, catalogue->find("orders"));
    EXPECT_TRUE(query.ok());
    Collected sink;
    const Status read = std::move(source->open_snapshot_reader()).value()->read(**query, sink);
    EXPECT_TRUE(read.ok()) << (read ? "" : read.error().message);
    return sink;
  }
  /// Commits wait for a standby that is not there from here on. A session sees the setting before the
  /// server's checkpointer, whose word it is that has commits wait: `session` tries until one of its own
  /// does.
  void name_absent_standby(rig::Sql& session) {
    sql_->exec("alter system set synchronous_standby_names = 'absent'");
    sql_->exec("select pg_reload_conf()");
    int tries = 0;
    ASSERT_TRUE(rig::eventually([&] {
      const std::string text =
          "select pg_logical_emit_message(true, 'test', '" + std::to_string(++tries) + "')";
      session.send(text);
      const bool waited = waits(session, text);
      if (waited) cancel(session);
      session.finish();
      return waited;
    })) << "no commit waits";
  }
  /// Whether the statement that `session` was sent waits for a standby, once it waits or is done.
  bool waits(rig::Sql& session, const std::string& text) {
    bool waiting = false;
    EXPECT_TRUE(rig::eventually([&] {
      const auto row = sql_->exec("select query, state, wait_event from pg_stat_activity where pid = " +
                                  std::to_string(session.backend()))[0];
      waiting = row[0] == text && row[2] == "SyncRep";
      return waiting || (row[0] == text && row[1] == "idle");
    }));
    return waiting;
  }
  void cancel(const rig::Sql& session) {
    sql_->exec("select pg_cancel_backend(" + std::to_string(session.backend()) + ")");
  }
};

TEST_F(VisibilityTest, Rule1ACommitThatWaitsForAStandbyIsStreamedAndNotVisible) {
  sql_->exec("insert into orders values (1, 'old', 1)");
  auto stream = started();
  rig::Sql waiting(url_);
  ASSERT_NO_FATAL_FAILURE(name_absent_standby(waiting));
  waiting.send("update orders set status = 'new'");
  const auto streamed = read_next<Transaction>(*stream);
  EXPECT_EQ((*streamed.changes.at(0).new_row)[1], "new");
  EXPECT_FALSE(ask(*stream).snapshot.visible(*streamed.xid));
  EXPECT_GE(ask(*stream).inserted, streamed.lsn) << "an LSN fence would take it for contained";
  const Collected before = snapshot();
  EXPECT_EQ(before.rows.at("1")[1], "old");
  EXPECT_FALSE(before.fence.contains(streamed.lsn, streamed.xid));
  // Our own statements don't wait for the standby, so the stream still moves.
  stream->nudge();
  read_next<source::StreamPosition>(*stream);
  EXPECT_FALSE(ask(*stream).snapshot.visible(*streamed.xid));

  cancel(waiting);
  waiting.finish();
  EXPECT_TRUE(ask(*stream).snapshot.visible(*streamed.xid));
  const Collected after = snapshot();
  EXPECT_EQ(after.rows.at("1")[1], "new");
  EXPECT_TRUE(after.fence.contains(streamed.lsn, streamed.xid));
  sql_->exec("alter system reset synchronous_standby_names");
  sql_->exec("select pg_reload_conf()");
}

TEST_F(VisibilityTest, APreparedTransactionIsOutsideOfASnapshotUntilItCommits) {
  auto stream = started();
  sql_->exec("begin; insert into orders values (1)");
  const Xid xid(std::stoull(sql_->value("select pg_current_xact_id()")));
  sql_->exec("prepare transaction 'across'");
  sql_->exec("insert into orders values (2)");
  const Collected during = snapshot();
  EXPECT_FALSE(during.rows.contains("1"));
  EXPECT_TRUE(during.rows.contains("2"));
  EXPECT_FALSE(during.fence.snapshot->visible(xid));
  sql_->exec("commit prepared 'across'");
  const Collected after = snapshot();
  EXPECT_TRUE(after.rows.contains("1"));
  const auto other = read_next<Transaction>(*stream);
  const auto prepared = read_next<Transaction>(*stream);
  EXPECT_EQ(prepared.xid, xid);
  EXPECT_LT(*prepared.xid, *other.xid) << "the order of xids is not the order of commits";
  EXPECT_TRUE(during.fence.contains(other.lsn, other.xid));
  EXPECT_FALSE(during.fence.contains(prepared.lsn, prepared.xid));
  EXPECT_TRUE(after.fence.contains(prepared.lsn, prepared.xid));
}

/// A server of its own, a few hundred transactions before its 32-bit xids begin anew.
class WrapTest : public VisibilityTest {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<rig::PostgresServer>(rig::PostgresServer::Settings{{"autovacuum", "off"}});
    server_->restart_at_xid(4'294'967'000U);
  }
};

TEST_F(WrapTest, FencesAreRightAcrossAWrapOfTheXids) {
  auto stream = started();
  constexpr std::uint64_t kWrap = 1ULL << 32;
  ASSERT_LT(std::stoull(sql_->value("select pg_current_xact_id()")), kWrap);
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<bool> wrapped{false};
  std::vector<std::thread> writers;
  for (unsigned writer = 0; writer < 3; ++writer) {
    writers.emplace_back([&, writer] {
      std::mt19937 random(seed + writer);
      rig::Sql sql(url_);
      for (int i = 0, after = 0; after < 60; ++i) {
        const std::string upsert = "insert into orders values (" + std::to_string(random() % 10) + ", 'w" +
                                   std::to_string(writer) + "', " + std::to_string(i) +
                                   ") on conflict (id) do update set status = excluded.status, total = "
                                   "excluded.total";
        sql.exec(random() % 3 == 0 ? "begin; " + upsert + "; select pg_sleep(0.003); commit" : upsert);
        if (std::stoull(sql.value("select pg_snapshot_xmax(pg_current_snapshot())")) > kWrap) wrapped = true;
        if (wrapped) ++after;
      }
    });
  }
  std::vector<Collected> snapshots;
  for (int after = 0; after < 15; after += wrapped ? 1 : 0) snapshots.push_back(snapshot());
  for (std::thread& writer : writers) writer.join();
  sql_->exec("insert into orders values (1000, 'end', 0)");
  std::vector<Transaction> transactions;
  read_until(*stream, [&](const source::StreamEvent& event) {
    const auto* transaction = std::get_if<Transaction>(&event);
    if (transaction == nullptr) return false;
    transactions.push_back(*transaction);
    return (*transaction->changes.back().new_row)[0] == "1000";
  });
  EXPECT_LT(transactions.front().xid->value(), kWrap);
  EXPECT_GT(transactions.back().xid->value(), kWrap);
  for (const Collected& snapshot : snapshots) {
    State reference;
    for (const Transaction& transaction : transactions) {
      if (!snapshot.fence.contains(transaction.lsn, transaction.xid)) continue;
      for (const auto& change : transaction.changes) apply(reference, change);
    }
    EXPECT_EQ(snapshot.rows, reference) << "as of " << snapshot.fence.snapshot->text();
  }
}

}  // namespace
}  // namespace tidegate::postgres
