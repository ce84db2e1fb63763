// Invariants: nothing is confirmed that is not acknowledged, visible and noted (rules 1, 10); a query's
// activation is stored before its first `active`, which stands before its first diff (rule 14); LSNs of a
// partition never fall.

#include "matcher/reign.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "matcher/reign_testing.h"

namespace tidegate::matcher {
namespace {

using Kinds = std::vector<log::Kind>;
using log::Kind;
using std::chrono::milliseconds;

const std::string kAll = orders_query("{}")->canonical();

class ReignTest : public testing::Test {
 protected:
  void SetUp() override { begin(); }
  void begin() {
    reign_.reset();
    reign_ = std::make_unique<Reign>(world_.parts(), options_);
    const auto started = reign_->start();
    ASSERT_TRUE(started.ok()) << started.error().message;
  }
  void step() {
    auto settled = reign_->settle();
    ASSERT_TRUE(settled.ok()) << settled.error().message;
    auto ticked = reign_->tick();
    ASSERT_TRUE(ticked.ok()) << ticked.error().message;
  }
  void step_after(int ms) {
    world_.clock.advance(ms);
    step();
  }
  /// A progress, its acknowledgement noted in the control topic, and that known.
  void checkpoint() {
    step_after(1'000);
    step();
    step();
  }
  void give(source::StreamEvent event) {
    const auto handled = reign_->handle(std::move(event));
    ASSERT_TRUE(handled.ok()) << handled.error().message;
  }
  void watch(const std::string& key, const std::string& canonical = kAll) {
    world_.wants(1, key, canonical);
    step();  // begins
    step();  // is active
  }
  void sees_all_below(std::uint64_t xid, std::uint64_t inserted = 0) {
    give(source::Visibility{{Xid(xid), Xid(xid), {}}, Lsn(inserted)});
  }
  std::string last_progress() { return world_.logged(true).back().value; }
  std::size_t progress_rounds() { return world_.logged(true).size(); }

  Options options_;
  World world_;
  std::unique_ptr<Reign> reign_;
};

TEST_F(ReignTest, Rule4EveryPartitionBeginsWithAProgressOfItsGeneration) {
  const auto records = world_.logged(Partition(0));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].headers.kind, Kind::progress);
  EXPECT_EQ(records[0].key, "progress");
  EXPECT_EQ(records[0].headers.lsn, Lsn(100));
  EXPECT_EQ(records[0].headers.epoch, reign_->epoch());
  EXPECT_EQ(records[0].headers.generation, reign_->generation());
  EXPECT_EQ(records[0].value, R"({"position":"100","visible":"100","time_us":2000000})");
}

TEST_F(ReignTest, ACommitBecomesADiffOfTheQueriesThatItTouches) {
  watch("t/orders/all");
  watch("t/orders/us", orders_query(R"({"where":[{"column":"region","op":"=","value":"us"}]})")->canonical());
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  const auto records = world_.logged();
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::active, Kind::diff}));
  EXPECT_EQ(records[2].key, "t/orders/all");
  EXPECT_EQ(records[2].headers.lsn, Lsn(200));
  EXPECT_EQ(records[2].headers.xid, Xid(7));
  EXPECT_EQ(records[2].headers.flags, log::kFlagLastPart);
  const auto diff = protocol::decode_diff(records[2].value);
  ASSERT_TRUE(diff);
  EXPECT_EQ(diff->query, orders_query("{}")->hash());
  ASSERT_EQ(diff->changes.size(), 1U);
  EXPECT_EQ(diff->changes[0].row, R"({"id":1,"region":"eu","total":"5","title":"t"})");
}

TEST_F(ReignTest, Rule14AnActivationIsStoredBeforeItsAnswerAndItsAnswerStandsBeforeItsDiffs) {
  world_.registry.hold = true;
  world_.wants(1, "q", kAll);
  step();
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  step();
  EXPECT_EQ(world_.kinds(), Kinds{}) << "not yet stored: neither answered nor matched";
  world_.registry.release();
  step();
  give(transaction(300, 8, {inserted(order(2, "eu", "5"))}));
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff}));
  const auto records = world_.logged();
  EXPECT_EQ(records[0].headers.lsn, Lsn(200));
  EXPECT_NE(records[0].value.find(R"("r":"200")"), std::string::npos) << records[0].value;
  EXPECT_NE(records[0].value.find(R"("query":")" + orders_query("{}")->hash().hex()), std::string::npos);
}

TEST_F(ReignTest, Rule14AnotherRegistrationOfAQueryIsAnsweredWithTheSameActivationAndANewR) {
  watch("q");
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  world_.wants(2, "q", kAll);
  step();
  const auto records = world_.logged();
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff, Kind::active}));
  const auto id = [](const std::string& value) { return value.substr(0, value.find(",\"r\"")); };
  EXPECT_EQ(id(records[0].value), id(records[2].value));
  EXPECT_EQ(records[2].headers.lsn, Lsn(200));
}

TEST_F(ReignTest, Rule1ACommitThatIsNotVisibleHoldsVAndTheSlot) {
  watch("q");
  checkpoint();
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  give(transaction(300, 8, {inserted(order(2, "eu", "5"))}));
  give(source::StreamPosition{Lsn(400)});
  give(source::Visibility{{Xid(7), Xid(9), {Xid(7)}}, Lsn(400)});
  checkpoint();
  EXPECT_EQ(last_progress(), R"({"position":"400","visible":"199","time_us":2000000})");
  EXPECT_EQ(world_.stream.confirmed_, Lsn(199));
  sees_all_below(9);
  checkpoint();
  EXPECT_EQ(world_.stream.confirmed_, Lsn(400));
  EXPECT_EQ(last_progress(), R"({"position":"400","visible":"400","time_us":2000000})");
  const std::string metrics = world_.metrics.text();
  EXPECT_NE(metrics.find("tidegate_matcher_visible_after_milliseconds_count 1"), std::string::npos);
}

TEST_F(ReignTest, Rule1WhatTheLogHasNotAcknowledgedIsNotConfirmed) {
  watch("q");
  checkpoint();
  world_.log.acknowledged_max = 5;
  for (std::uint64_t lsn = 200; lsn <= 1'000; lsn += 100) {
    give(transaction(lsn, {}, {inserted(order(static_cast<int>(lsn), "eu", "5"))}));
  }
  checkpoint();
  EXPECT_LT(world_.stream.confirmed_, Lsn(1'000));
  world_.log.acknowledged_max.reset();
  step();
  EXPECT_EQ(world_.stream.confirmed_, Lsn(1'000));
}

TEST_F(ReignTest, Rule10TheSlotIsNeverConfirmedAboveTheStoredCheckpoints) {
  checkpoint();
  give(source::StreamPosition{Lsn(500)});
  world_.registry.hold = true;
  checkpoint();
  EXPECT_LT(world_.stream.confirmed_, Lsn(500))
      << "acknowledged in the log, not yet noted in the control topic";
  world_.registry.release();
  step();
  EXPECT_EQ(world_.stream.confirmed_, Lsn(500));
}

TEST_F(ReignTest, Rule3ARegistrationThatWaitsForVIsToldAtOnce) {
  give(transaction(200, 7, {}));
  watch("q");
  EXPECT_GE(world_.stream.asked_, 1);
  const auto before = progress_rounds();
  step_after(50);
  EXPECT_EQ(progress_rounds(), before) << "V has not reached R";
  sees_all_below(8);
  EXPECT_EQ(reign_->patience(), milliseconds(0));
  step();
  EXPECT_EQ(progress_rounds(), before + 1);
  EXPECT_EQ(last_progress(), R"({"position":"200","visible":"200","time_us":2000000})");
  step_after(50);
  EXPECT_EQ(progress_rounds(), before + 1) << "told once";
}

TEST_F(ReignTest, TheDatabaseIsAskedWhileAnythingIsDoubtfulButOneQuestionAtATime) {
  give(transaction(200, 7, {}));
  step_after(20);
  EXPECT_EQ(world_.stream.asked_, 1);
  step_after(20);
  EXPECT_EQ(world_.stream.asked_, 1);
  sees_all_below(7);
  step_after(20);
  EXPECT_EQ(world_.stream.asked_, 2);
  sees_all_below(8);
  step_after(20);
  EXPECT_EQ(world_.stream.asked_, 2);
}

TEST_F(ReignTest, Rule3AStreamThatStandsStillBelowTheServersLogIsPushed) {
  watch("q");
  sees_all_below(1, 900);
  step_after(1'000);
  EXPECT_EQ(world_.stream.nudged_, 1);
}

TEST_F(ReignTest, Rule3NoProgressSaysThatAllIsWellWhileTheDatabaseIsOutOfReach) {
  const auto before = progress_rounds();
  reign_->out_of_reach();
  step_after(5'000);
  EXPECT_EQ(progress_rounds(), before);
  give(source::Idle{});
  step_after(1'000);
  EXPECT_EQ(progress_rounds(), before + 1);
}

TEST_F(ReignTest, Rule5ALargeDiffIsCutIntoPartsOfOneEncodedDiff) {
  watch("q");
  give(transaction(200, 7, {inserted(order(1, "eu", "5", std::string(2'000'000, 'x')))}));
  auto records = world_.logged();
  ASSERT_EQ(records.size(), 4U);
  std::string whole;
  for (std::uint32_t part = 0; part < 3; ++part) {
    const auto& record = records[part + 1];
    EXPECT_EQ(record.headers.part, part);
    EXPECT_EQ(record.headers.flags, part == 2 ? log::kFlagLastPart : 0U);
    EXPECT_EQ(record.headers.lsn, Lsn(200));
    EXPECT_LE(record.value.size(), protocol::kPartBytesMax);
    whole += record.value;
  }
  const auto diff = protocol::decode_diff(whole);
  ASSERT_TRUE(diff);
  EXPECT_GT(diff->changes[0].row.size(), 2'000'000U);
}

TEST_F(ReignTest, Rule5ADiffAboveTheLimitIsAReset) {
  options_.diff_bytes_max = 1'000;
  begin();
  watch("q");
  give(transaction(200, 7, {inserted(order(1, "eu", "5", std::string(1'000, 'x')))}));
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::reset}));
  EXPECT_EQ(world_.logged().back().headers.lsn, Lsn(200));
}

TEST_F(ReignTest, Rule13TruncateIsAStateThatHoldsWhatFollowedInTheTransaction) {
  watch("q");
  give(transaction(200, 7, {truncated(), inserted(order(1, "eu", "5"))}));
  give(transaction(300, 8, {truncated()}));
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::state, Kind::state}));
  const auto records = world_.logged();
  EXPECT_EQ(protocol::decode_diff(records[1].value)->changes.size(), 1U);
  EXPECT_TRUE(protocol::decode_diff(records[2].value)->changes.empty());
}

TEST_F(ReignTest, Rule14AQueryThatNobodyWantsAnyMoreEndsInOrder) {
  watch("q");
  world_.leaves(1, "q");
  step();
  world_.registry.hold = true;
  // The lease clock takes a second a look at most.
  for (int second = 0; second < 11; ++second) step_after(1'000);
  give(transaction(200, {}, {inserted(order(1, "eu", "5"))}));
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff})) << "matched until its end is stored";
  world_.registry.release();
  step();
  give(transaction(300, {}, {inserted(order(2, "eu", "5"))}));
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff, Kind::closed}));
  const auto records = world_.logged();
  const std::string id = records[0].value.substr(0, records[0].value.find(','));
  EXPECT_EQ(records[2].value, id + "}");
}

TEST_F(ReignTest, AQueryThatDoesNotBindIsRefusedWithTheReason) {
  world_.clock.advance(2'000);
  watch("q", "nonsense");
  auto other = orders_schema();
  other->name = "gone";
  world_.wants(1, "r", R"({"v":1,"schema":"public","table":"gone","columns":[["id","integer"]],"where":[]})");
  step();
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::schema, Kind::schema}));
  const auto records = world_.logged();
  EXPECT_NE(records[0].value.find(R"("code":"bad_query")"), std::string::npos) << records[0].value;
  EXPECT_NE(records[1].value.find(R"("code":"schema_changed")"), std::string::npos) << records[1].value;
  EXPECT_NE(records[1].value.find("gone"), std::string::npos) << records[1].value;
}

TEST_F(ReignTest, ATableThatCameLaterIsFoundByReadingTheCatalogueAgain) {
  auto later = orders_schema();
  later->name = "later";
  later->relation = 8;
  world_.catalogue.tables_.push_back(later);
  world_.clock.advance(2'000);
  watch("q", R"({"v":1,"schema":"public","table":"later","columns":[["id","integer"]],"where":[]})");
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active}));
}

TEST_F(ReignTest, ASchemaChangeEndsTheQueriesThatItBreaksAndLeavesTheOthers) {
  watch("total", orders_query(R"({"columns":["total"]})")->canonical());
  watch("region", orders_query(R"({"columns":["region"]})")->canonical());
  auto shape = orders_schema();
  shape->columns[2].name = "sum";
  world_.catalogue.tables_ = {shape};
  give(source::SchemaChanged{shape});
  step();
  give({transaction(200, 7, {{shape, source::ChangeKind::insert, {}, order(1, "eu", "5")}})});
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::active, Kind::schema, Kind::diff}));
  const auto records = world_.logged();
  EXPECT_EQ(records[2].key, "total");
  EXPECT_NE(records[2].value.find("schema_changed"), std::string::npos);
  EXPECT_EQ(records[3].key, "region");
}

TEST_F(ReignTest, ADroppedTableEndsItsQueries) {
  watch("q");
  world_.catalogue.tables_.clear();
  give(source::SchemaChanged{orders()});
  step();
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema}));
}

TEST_F(ReignTest, rule_7_a_name_that_is_another_table_s_is_never_bound_to_the_one_of_before) {
  auto anew = orders_schema();
  anew->relation = 8;
  // Nobody asks for it when it is made anew.
  auto ddl = transaction(200, 7, {});
  ddl.altered.push_back({8, "public.orders", false, {}});
  give(std::move(ddl));
  give(source::Visibility{{Xid(7), Xid(7), {}}, Lsn(200)});
  step();
  watch("early");  // while whoever looks may still see the table of before
  world_.catalogue.tables_ = {anew};
  give(source::Visibility{{Xid(8), Xid(8), {}}, Lsn(200)});
  step();
  watch("late");
  give({transaction(300, 9, {{anew, source::ChangeKind::insert, {}, order(1, "eu", "5")}})});
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema, Kind::active, Kind::diff}));
  EXPECT_EQ(world_.logged()[1].key, "early");
  EXPECT_EQ(world_.logged()[3].key, "late");
}

TEST_F(ReignTest, rule_7_without_word_of_the_ddl_the_first_change_of_the_table_of_that_name_tells) {
  watch("q");
  auto before = orders_schema();
  before->name = "orders_old";
  auto anew = orders_schema();
  anew->relation = 8;
  world_.catalogue.tables_ = {before, anew};
  give(source::SchemaChanged{anew});
  give({transaction(200, 7, {{anew, source::ChangeKind::insert, {}, order(1, "eu", "5")}})});
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema}));
  watch("q2");
  give({transaction(300, 8, {{anew, source::ChangeKind::insert, {}, order(2, "eu", "5")}})});
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema, Kind::active, Kind::diff}));
}

TEST_F(ReignTest, rule_7_what_fits_the_table_as_it_will_be_is_not_refused_for_good) {
  watch("q");
  auto wider = orders_schema();
  wider->columns.push_back(wider->columns.back());
  wider->columns.back().name = "note";
  wider->columns.back().number = 99;
  world_.catalogue.tables_ = {wider};
  world_.clock.advance(2'000);
  watch(
      "note",
      R"({"v":1,"schema":"public","table":"orders","columns":[["id","integer"],["note","text"]],"where":[]})");
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema}));
  EXPECT_NE(world_.logged()[1].value.find("schema_changed"), std::string::npos) << world_.logged()[1].value;
}

TEST_F(ReignTest, rule_7_a_rewrite_resets_in_its_place_the_queries_that_name_the_column) {
  world_.wants(1, "total", orders_query(R"({"columns":["id","total"]})")->canonical());
  world_.wants(
      1, "asks",
      orders_query(R"({"columns":["id"],"where":[{"column":"total","op":"=","value":1}]})")->canonical());
  world_.wants(1, "region", orders_query(R"({"columns":["id","region"]})")->canonical());
  step();
  step();
  auto rewrite = transaction(200, 7, {inserted(order(1, "eu", "1"))});
  rewrite.altered.push_back({7, "public.orders", true, {"total"}});
  give(std::move(rewrite));
  std::map<std::string, Kind> kinds;
  for (const auto& record : world_.logged()) {
    if (record.headers.kind == Kind::active) continue;
    EXPECT_FALSE(kinds.contains(record.key)) << "one record a query";
    kinds[record.key] = record.headers.kind;
    EXPECT_EQ(record.headers.lsn, Lsn(200));
    EXPECT_EQ(record.headers.xid, Xid(7));
  }
  EXPECT_EQ(kinds, (std::map<std::string, Kind>{
                       {"total", Kind::reset}, {"asks", Kind::reset}, {"region", Kind::diff}}));
  auto all = transaction(300, 8, {});
  all.altered.push_back({7, "public.orders", true, {}});
  give(std::move(all));
  EXPECT_EQ(metric(world_, "tidegate_matcher_resets_total"), 2U + 3U);
  auto other = transaction(400, 9, {});
  other.altered.push_back({8, "public.other", true, {}});
  give(std::move(other));
  EXPECT_EQ(metric(world_, "tidegate_matcher_resets_total"), 2U + 3U);
}

TEST_F(ReignTest, rule_7_a_table_that_is_altered_is_looked_at_when_the_transaction_is_visible) {
  watch("q");
  auto dropped = transaction(200, 7, {});
  dropped.altered.push_back({7, "public.orders", false, {}});
  give(std::move(dropped));
  world_.catalogue.tables_.clear();
  give(source::Visibility{{Xid(7), Xid(7), {}}, Lsn(200)});
  step();
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active})) << "whoever looks now may see the table of before";
  give(source::Visibility{{Xid(8), Xid(8), {}}, Lsn(200)});
  step();
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::schema}));
  EXPECT_NE(world_.logged()[1].value.find("schema_changed"), std::string::npos);
}

TEST_F(ReignTest, rule_7_a_column_more_resets_nobody) {
  watch("q");
  auto wider = orders_schema();
  wider->columns.emplace_back().name = "note";
  world_.catalogue.tables_ = {wider};
  auto added = transaction(200, 7, {});
  added.altered.push_back({7, "public.orders", false, {}});
  give(std::move(added));
  give(source::Visibility{{Xid(8), Xid(8), {}}, Lsn(200)});
  step();
  auto row = order(1, "eu", "5");
  row.emplace_back("n");
  give(transaction(300, 9, {{wider, source::ChangeKind::insert, {}, row}}));
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff}));
}

TEST_F(ReignTest, OneChangeCostsItsOwnQueries) {
  for (int i = 0; i < 10'000; ++i) {
    world_.wants(1, "q" + std::to_string(i),
                 orders_query(R"({"where":[{"column":"id","op":"=","value":)" + std::to_string(i) + "}]}")
                     ->canonical());
  }
  step();
  step();
  give(transaction(200, 7, {updated(order(5, "eu", "1"), order(5, "us", "1"))}));
  EXPECT_EQ(metric(world_, "tidegate_matcher_evaluations_total"), 2U);
  EXPECT_EQ(metric(world_, "tidegate_matcher_diffs_total"), 1U);
}

TEST_F(ReignTest, WhatTheAdapterStreamsAgainIsNotAppendedAgain) {
  watch("q");
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff}));
}

TEST_F(ReignTest, LsnsOfAPartitionNeverFall) {
  watch("q");
  give(transaction(200, 7, {inserted(order(1, "eu", "5"))}));
  give(source::StreamPosition{Lsn(250)});
  step_after(1'000);
  watch("r");
  world_.leaves(1, "r");
  for (int second = 0; second < 12; ++second) step_after(1'000);
  give(transaction(300, 8, {inserted(order(2, "eu", "5"))}));
  Lsn last;
  for (const auto& each : world_.logged(Partition(0))) {
    ASSERT_TRUE(each.headers.lsn);
    EXPECT_GE(*each.headers.lsn, last);
    last = *each.headers.lsn;
  }
  EXPECT_EQ(last, Lsn(300));
}

TEST_F(ReignTest, Rule15ALeaseThatRanOutEndsTheQueriesOfItsGateway) {
  watch("q");
  for (int second = 0; second < 22; ++second) step_after(1'000);
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::closed}));
}

TEST_F(ReignTest, Rule4AnotherMatcherEndsThisOne) {
  Reign other(world_.parts(), options_);
  ASSERT_TRUE(other.start().ok());
  EXPECT_GT(other.generation(), reign_->generation());
  const auto settled = reign_->settle();
  ASSERT_FALSE(settled.ok());
  EXPECT_EQ(settled.error().fault, Fault::fatal);
  EXPECT_EQ(settled.error().message, "another matcher has taken over");
  EXPECT_TRUE(other.settle().ok());
}

TEST_F(ReignTest, Rule4AFailedDeliveryEndsTheReign) {
  world_.log.broken = Error{Fault::unavailable, "broker said no"};
  const auto ticked = reign_->tick();
  ASSERT_FALSE(ticked.ok());
  EXPECT_EQ(ticked.error().fault, Fault::fatal);
  EXPECT_NE(ticked.error().message.find("broker said no"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::matcher
