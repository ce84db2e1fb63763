// Golden bytes of everything the server says. The first group is the seed's: a change there breaks its
// clients.

#include <gtest/gtest.h>

#include "protocol/messages.h"

namespace tidegate::protocol {
namespace {

QueryHash hash_of(std::uint8_t first) {
  QueryHash hash;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) hash.bytes[i] = static_cast<std::uint8_t>(first + i);
  return hash;
}

Cursor cursor() {
  return {Epoch(0xabc), hash_of(0), Activation(0xffffffffffffffff), Partition(3), Offset(-1), Lsn(12), {}};
}

constexpr std::string_view kCursorMembers =
    R"("epoch":"0000000000000abc","query":"000102030405060708090a0b0c0d0e0f","activation":"ffffffffffffffff",)"
    R"("partition":3,"offset":-1,"lsn":"12"})";

std::string cursor_text(std::string_view fence = "") {
  return "{" + std::string(fence) + std::string(kCursorMembers);
}

TEST(SeedMessages, AreTheSeedsByteForByte) {
  EXPECT_EQ(pong_message(), R"({"op":"pong"})");
  EXPECT_EQ(ack_message("a1"), R"({"op":"ack","hashId":"a1"})");
  EXPECT_EQ(empty_snapshot_message("a1", Lsn(123)),
            R"({"op":"snapshot","hashId":"a1","version":0,"cursor":{"lsn":"123"},"rows":[]})");
  EXPECT_EQ(error_message(ErrorCode::bad_op, ""),
            R"({"op":"error","code":"bad_op","message":"unknown message"})");
  EXPECT_EQ(error_message(ErrorCode::bad_json, ""),
            R"({"op":"error","code":"bad_json","message":"invalid JSON"})");
  EXPECT_EQ(error_message(ErrorCode::overflow, ""),
            R"({"op":"error","code":"overflow","message":"reset-to-snapshot"})");
  EXPECT_EQ(message_head("diffB64", "a1") + diff_base64_tail("one"),
            R"({"op":"diffB64","hashId":"a1","b64":"b25l"})");
}

TEST(SeedMessages, EscapeTheHashIdAsJsonStringifyDoes) {
  EXPECT_EQ(ack_message(std::string_view("\b\f\n\r\t\x01\x1f\0\"\\/\x7f", 12)),
            "{\"op\":\"ack\",\"hashId\":\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\\\"\\\\/\x7f\"}");
  EXPECT_EQ(ack_message("æ漢😀\u2028"), "{\"op\":\"ack\",\"hashId\":\"æ漢😀\u2028\"}");
}

TEST(SeedMessages, HoldTheLargestLsnExactly) {
  EXPECT_EQ(
      empty_snapshot_message("a", Lsn(~0ULL)),
      R"({"op":"snapshot","hashId":"a","version":0,"cursor":{"lsn":"18446744073709551615"},"rows":[]})");
}

TEST(ErrorMessage, PutsHashIdBehindOpAndRetryLast) {
  EXPECT_EQ(error_message(ErrorCode::unavailable, "no \"log\"", "q", 250),
            R"({"op":"error","hashId":"q","code":"unavailable","message":"no \"log\"","retry_ms":250})");
}

TEST(ErrorTable, HasADistinctNameAndASentenceForEveryCode) {
  std::vector<std::string_view> names;
  for (int i = 0; i < kErrorCodes; ++i) {
    const ErrorText& text = error_text(static_cast<ErrorCode>(i));
    EXPECT_FALSE(text.sentence.empty());
    names.push_back(text.name);
  }
  const std::vector<std::string_view> expected{
      "bad_json",     "bad_op",    "bad_query",       "unknown_table",
      "unauthorized", "forbidden", "token_expired",   "too_many_subscriptions",
      "rate_limited", "overflow",  "snapshot_failed", "schema_changed",
      "unavailable"};
  EXPECT_EQ(names, expected);
  EXPECT_TRUE(error_text(ErrorCode::unavailable).retry);
  EXPECT_FALSE(error_text(ErrorCode::bad_query).retry);
}

TEST(ManagedMessages, AckNamesTheQueryAndInV1TheChannel) {
  EXPECT_EQ(ack_message("q", hash_of(16), true, {}),
            R"({"op":"ack","hashId":"q","query":"101112131415161718191a1b1c1d1e1f","resumed":true})");
  EXPECT_EQ(
      ack_message("q", hash_of(16), false, ChannelId(4294967295)),
      R"({"op":"ack","hashId":"q","query":"101112131415161718191a1b1c1d1e1f","resumed":false,"channel":4294967295})");
  EXPECT_EQ(ack_same_as_message("q", hash_of(16), "p\n"),
            R"({"op":"ack","hashId":"q","query":"101112131415161718191a1b1c1d1e1f","same_as":"p\n"})");
}

TEST(ManagedMessages, OfOneMemberEach) {
  EXPECT_EQ(unsubscribed_message("q"), R"({"op":"unsubscribed","hashId":"q"})");
  EXPECT_EQ(authed_message(1700000000), R"({"op":"authed","expires":1700000000})");
  EXPECT_EQ(expiring_message(1700000000), R"({"op":"expiring","expires":1700000000})");
  EXPECT_EQ(status_waiting_message("q", "visibility"),
            R"({"op":"status","hashId":"q","waiting":"visibility"})");
  EXPECT_EQ(status_lagging_message("q"), R"({"op":"status","hashId":"q","lagging":true})");
  EXPECT_EQ(status_stale_message(1700000000123), R"({"op":"status","stale_since":1700000000123})");
}

TEST(ManagedMessages, ProgressListsPartitions) {
  EXPECT_EQ(progress_message(Epoch(1), {}), R"({"op":"progress","epoch":"0000000000000001","positions":[]})");
  EXPECT_EQ(
      progress_message(Epoch(1), {{Partition(0), Offset(5), Lsn(6)}, {Partition(1), Offset(-1), Lsn(0)}}),
      R"({"op":"progress","epoch":"0000000000000001","positions":[{"partition":0,"offset":5,"lsn":"6"},)"
      R"({"partition":1,"offset":-1,"lsn":"0"}]})");
}

TEST(SnapshotTail, HasColumnsInTheFirstPartOnly) {
  EXPECT_EQ(snapshot_tail(Lsn(12), cursor(), R"([{"name":"id"}])", R"({"id":1},{"id":2})", 0, false),
            R"(,"version":12,"cursor":)" + cursor_text() +
                R"(,"columns":[{"name":"id"}],"rows":[{"id":1},{"id":2}],"part":0,"last":false})");
  EXPECT_EQ(snapshot_tail(Lsn(12), cursor(), R"([{"name":"id"}])", "", 1, true),
            R"(,"version":12,"cursor":)" + cursor_text() + R"(,"rows":[],"part":1,"last":true})");
}

TEST(DiffTail, WritesARangeOfChangesAndNoRowOfARemovedOne) {
  Diff diff;
  diff.lsn = Lsn(9);
  diff.changes = {{ChangeKind::insert, "[1]", R"({"id":1})"},
                  {ChangeKind::update, "[2]", R"({"id":2})"},
                  {ChangeKind::remove, "[3]", "ignored"}};
  const std::string place = R"(,"version":9,"cursor":)" + cursor_text();
  EXPECT_EQ(diff_tail(diff, 0, 1, cursor(), false),
            place + R"(,"changes":[{"kind":"insert","key":[1],"row":{"id":1}}],"last":false})");
  EXPECT_EQ(
      diff_tail(diff, 1, 2, cursor(), true),
      place +
          R"(,"changes":[{"kind":"update","key":[2],"row":{"id":2}},{"kind":"delete","key":[3]}],"last":true})");
}

TEST(SpliceFence, PutsTheFenceFirstInTheCursorAndNowhereElse) {
  Diff diff;
  diff.lsn = Lsn(9);
  diff.changes = {{ChangeKind::insert, R"(["\"cursor\":{"])", R"({"cursor":{}})"}};
  const std::string tail = diff_tail(diff, 0, 1, cursor(), true);
  const Fence fence{Lsn(77), XidSnapshot{Xid(10), Xid(20), {Xid(11), Xid(15)}}};
  Cursor fenced = cursor();
  fenced.fence = fence;
  EXPECT_EQ(splice_fence(tail, fence), diff_tail(diff, 0, 1, fenced, true));
  EXPECT_NE(splice_fence(tail, fence).find(R"("cursor":{"snapshot":"10:20:11,15","until":"77","epoch":)"),
            std::string::npos);
}

TEST(SpliceFence, OfSqliteHasNoSnapshot) {
  std::string out;
  append_cursor_fence(out, Fence{Lsn(77), {}});
  EXPECT_EQ(out, R"("until":"77",)");
}

}  // namespace
}  // namespace tidegate::protocol
