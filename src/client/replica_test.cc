#include "client/replica.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "client/json_slice.h"
#include "protocol/diff.h"
#include "protocol/frames.h"
#include "protocol/messages.h"

namespace tidegate::client {
namespace {

using protocol::ChangeKind;

const QueryHash kQuery = sha256_128("orders");
const std::string kColumns =
    R"([{"name":"id","type":"bigint","key":true},{"name":"note","type":"text","key":false}])";

protocol::Cursor cursor_at(std::uint64_t lsn) {
  return {Epoch(7), kQuery, Activation(9), Partition(2), Offset(40), Lsn(lsn), {}};
}

std::string snapshot(std::string_view rows, std::uint64_t lsn, std::uint32_t part = 0, bool last = true) {
  return protocol::message_head("snapshot", "q") +
         protocol::snapshot_tail(Lsn(lsn), cursor_at(lsn), kColumns, rows, part, last);
}

std::string ack(bool resumed = false, std::uint32_t channel = 5) {
  return protocol::ack_message("q", kQuery, resumed, ChannelId(channel));
}

protocol::Diff diff(std::uint64_t lsn, std::vector<protocol::RowChange> changes) {
  return {kQuery, Lsn(lsn), Xid(100), 0, std::move(changes)};
}

std::string v1_frame(std::string_view value, std::uint64_t lsn, std::uint32_t part = 0, bool last = true,
                     std::uint32_t channel = 5) {
  std::string frame;
  protocol::append_data_header(
      frame, {ChannelId(channel), last ? protocol::kDataFlagLast : 0, Lsn(lsn), Offset(77), part});
  return frame + std::string(value);
}

Replica started(bool v1 = true) {
  Replica replica("q", v1);
  replica.on_text(ack());
  replica.on_text(snapshot(R"({"id":"1","note":"a"},{"id":"2","note":"b"})", 10));
  return replica;
}

TEST(JsonSlice, ValuesComeOutAsTheyWereWritten) {
  constexpr std::string_view text =
      R"({"a": 1.50 ,"b":{"a":[1,{"x":"]}"}]},"c":"q\"}","d":[ ],"e":[1,"a,b",[2,3],{"k":"]"}]})";
  EXPECT_EQ(json_member(text, "a"), "1.50");
  EXPECT_EQ(json_member(text, "b"), R"({"a":[1,{"x":"]}"}]})");
  EXPECT_EQ(json_text(*json_member(text, "c")), "q\"}");
  EXPECT_TRUE(json_elements(*json_member(text, "d")).empty());
  const auto elements = json_elements(*json_member(text, "e"));
  ASSERT_EQ(elements.size(), 4u);
  EXPECT_EQ(elements[1], R"("a,b")");
  EXPECT_EQ(elements[3], R"({"k":"]"})");
  EXPECT_FALSE(json_member(text, "x"));
}

TEST(JsonSlice, TextThatIsCutOffIsNeverReadBeyondItsEnd) {
  constexpr std::string_view text = R"({"a":[1,{"x":"]}\""}],"b":"\\"})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string cut(text.substr(0, size));
    (void)json_member(cut, "b");
    if (const auto a = json_member(cut, "a")) (void)json_elements(*a);
  }
}

TEST(Replica, ASnapshotBecomesRowsUnderTheEncodersKeys) {
  const auto replica = started();
  EXPECT_TRUE(replica.whole());
  ASSERT_EQ(replica.rows().size(), 2u);
  EXPECT_EQ(replica.rows().at(R"(["1"])"), R"({"id":"1","note":"a"})");
  EXPECT_EQ(replica.version(), Lsn(10));
  EXPECT_EQ(replica.query(), kQuery.hex());
  EXPECT_EQ(replica.channel(), 5u);
}

TEST(Replica, IsNotWholeBeforeASnapshotsLastPart) {
  Replica replica("q", true);
  replica.on_text(ack());
  EXPECT_FALSE(replica.whole());
  replica.on_text(snapshot(R"({"id":"1"})", 10, 0, false));
  EXPECT_FALSE(replica.whole());
  EXPECT_TRUE(replica.rows().empty());
  replica.on_text(snapshot(R"({"id":"2"})", 10, 1, true));
  EXPECT_TRUE(replica.whole());
  EXPECT_EQ(replica.rows().size(), 2u);
}

TEST(Replica, APartThatDoesNotFollowIsADisorder) {
  Replica replica("q", true);
  replica.on_text(ack());
  replica.on_text(snapshot("", 10, 1, true));
  EXPECT_EQ(replica.counts().disorders, 1u);
  EXPECT_FALSE(replica.whole());
}

TEST(Replica, BinaryFramesChangeRowsAndMoveTheCursor) {
  auto replica = started();
  const auto value =
      protocol::encode_diff(diff(12, {{ChangeKind::insert, R"(["3"])", R"({"id":"3"})"},
                                      {ChangeKind::update, R"(["1"])", R"({"id":"1","note":"z"})"},
                                      {ChangeKind::remove, R"(["2"])", ""}}));
  EXPECT_TRUE(replica.on_binary(v1_frame(value, 12)));
  EXPECT_EQ(replica.rows().size(), 2u);
  EXPECT_EQ(replica.rows().at(R"(["1"])"), R"({"id":"1","note":"z"})");
  EXPECT_EQ(replica.counts().contradictions, 0u);
  EXPECT_EQ(replica.cursor()->lsn, Lsn(12));
  EXPECT_EQ(replica.cursor()->offset, Offset(77));
  EXPECT_EQ(replica.cursor()->activation, Activation(9));
  EXPECT_EQ(protocol::parse_cursor(replica.cursor_json()), replica.cursor());
}

TEST(Replica, PartsAreAppliedTogetherAtTheLast) {
  auto replica = started();
  const auto value = protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}}));
  replica.on_binary(v1_frame(value.substr(0, 20), 12, 0, false));
  EXPECT_FALSE(replica.whole());
  EXPECT_EQ(replica.cursor()->lsn, Lsn(10));
  replica.on_binary(v1_frame(value.substr(20), 12, 1, true));
  EXPECT_TRUE(replica.whole());
  EXPECT_EQ(replica.rows().size(), 1u);
}

TEST(Replica, PartZeroDiscardsAnUnfinishedTransaction) {
  auto replica = started();
  replica.on_binary(v1_frame("half of something", 11, 0, false));
  replica.on_binary(v1_frame(protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}})), 12));
  EXPECT_TRUE(replica.whole());
  EXPECT_EQ(replica.rows().size(), 1u);
  EXPECT_EQ(replica.counts().unreadable, 0u);
}

TEST(Replica, CountsContradictions) {
  auto replica = started();
  const auto value = protocol::encode_diff(diff(12, {{ChangeKind::insert, R"(["1"])", "{}"},
                                                     {ChangeKind::update, R"(["8"])", "{}"},
                                                     {ChangeKind::remove, R"(["9"])", ""}}));
  replica.on_binary(v1_frame(value, 12));
  EXPECT_EQ(replica.counts().contradictions, 3u);
}

TEST(Replica, ADiffThatIsNotAboveTheLastIsADisorderAndIsNotApplied) {
  auto replica = started();
  const auto value = protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}}));
  replica.on_binary(v1_frame(value, 12));
  replica.on_binary(v1_frame(value, 12));
  EXPECT_EQ(replica.counts().disorders, 1u);
  EXPECT_EQ(replica.counts().contradictions, 0u);
}

TEST(Replica, ADiffBelowTheSnapshotsVersionIsTakenOnceTheFenceLetItThrough) {
  auto replica = started();
  replica.on_binary(v1_frame(protocol::encode_diff(diff(9, {{ChangeKind::remove, R"(["1"])", ""}})), 9));
  EXPECT_EQ(replica.rows().size(), 1u);
  EXPECT_EQ(replica.version(), Lsn(10));
  EXPECT_EQ(replica.cursor()->lsn, Lsn(9));
  EXPECT_EQ(replica.counts().disorders, 0u);
}

TEST(Replica, FramesOfOtherChannelsAreNotItsOwn) {
  auto replica = started();
  const auto value = protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}}));
  EXPECT_FALSE(replica.on_binary(v1_frame(value, 12, 0, true, 6)));
  EXPECT_FALSE(replica.on_text(R"({"op":"snapshot","hashId":"other","rows":[]})"));
  EXPECT_EQ(replica.rows().size(), 2u);
}

TEST(Replica, FramesWithoutHeaderAreKnownByTheirQuery) {
  auto replica = started(false);
  auto foreign = diff(12, {{ChangeKind::remove, R"(["1"])", ""}});
  foreign.query = sha256_128("others");
  EXPECT_FALSE(replica.on_binary(protocol::encode_diff(foreign)));
  EXPECT_TRUE(replica.on_binary(protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}}))));
  EXPECT_EQ(replica.rows().size(), 1u);
  EXPECT_EQ(replica.cursor()->lsn, Lsn(12));
}

TEST(Replica, JsonAndBase64DiffsDoTheSame) {
  auto json = started();
  const auto one = diff(
      12, {{ChangeKind::insert, R"(["3"])", R"({"id":"3","n":1.50})"}, {ChangeKind::remove, R"(["1"])", ""}});
  auto place = cursor_at(12);
  json.on_text(protocol::message_head("diff", "q") + protocol::diff_tail(one, 0, 1, place, false));
  EXPECT_FALSE(json.whole());
  json.on_text(protocol::message_head("diff", "q") + protocol::diff_tail(one, 1, 1, place, true));
  EXPECT_TRUE(json.whole());
  auto base64 = started();
  base64.on_text(protocol::message_head("diffB64", "q") +
                 protocol::diff_base64_tail(protocol::encode_diff(one)));
  EXPECT_EQ(json.rows(), base64.rows());
  EXPECT_EQ(json.rows().at(R"(["3"])"), R"({"id":"3","n":1.50})");
  EXPECT_EQ(json.counts().diffs, 1u);
  EXPECT_EQ(json.cursor()->lsn, Lsn(12));
}

TEST(Replica, AResumeKeepsRowsAndGoesOn) {
  auto replica = started();
  replica.resubscribed();
  EXPECT_FALSE(replica.whole());
  const auto value = protocol::encode_diff(diff(12, {{ChangeKind::remove, R"(["1"])", ""}}));
  EXPECT_FALSE(replica.on_binary(v1_frame(value, 12)));
  replica.on_text(ack(true, 8));
  EXPECT_TRUE(replica.whole());
  replica.on_binary(v1_frame(value, 12, 0, true, 8));
  EXPECT_EQ(replica.rows().size(), 1u);
}

TEST(Replica, OverflowAndAnUnsolicitedAckMeanThatASnapshotFollows) {
  auto replica = started();
  replica.on_text(protocol::error_message(protocol::ErrorCode::overflow, "reset-to-snapshot", "q"));
  EXPECT_FALSE(replica.whole());
  EXPECT_EQ(replica.error_code(), "overflow");
  replica.on_text(ack());
  replica.on_text(snapshot(R"({"id":"7"})", 20));
  EXPECT_TRUE(replica.whole());
  EXPECT_EQ(replica.rows().size(), 1u);
  EXPECT_EQ(replica.counts().snapshots, 2u);
}

TEST(Replica, ProgressMovesTheCursorOfItsPartitionAndEpochOnly) {
  auto replica = started();
  replica.on_text(protocol::progress_message(Epoch(8), {{Partition(2), Offset(90), Lsn(50)}}));
  EXPECT_EQ(replica.cursor()->lsn, Lsn(10));
  replica.on_text(protocol::progress_message(
      Epoch(7), {{Partition(1), Offset(80), Lsn(60)}, {Partition(2), Offset(90), Lsn(50)}}));
  EXPECT_EQ(replica.cursor()->lsn, Lsn(50));
  EXPECT_EQ(replica.cursor()->offset, Offset(90));
}

TEST(Replica, GarbageIsCountedAndChangesNothing) {
  auto replica = started();
  replica.on_binary(v1_frame("no diff at all", 12));
  EXPECT_EQ(replica.counts().unreadable, 1u);
  EXPECT_FALSE(replica.on_binary("short"));
  EXPECT_FALSE(replica.on_text("{nope"));
  EXPECT_EQ(replica.rows().size(), 2u);
}

}  // namespace
}  // namespace tidegate::client
