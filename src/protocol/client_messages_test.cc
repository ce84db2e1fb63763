// What clients send. Invariants:
// 1. in pass-through a message is answered as the seed answers it, except where the seed would die (fault C);
// 2. every fault of a managed message names its field;
// 3. no text crashes the parser.

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "protocol/messages.h"

namespace tidegate::protocol {
namespace {

ClientMessage seed(std::string_view text) {
  return parse_client_message(text, Rules::pass_through);
}
ClientMessage managed(std::string_view text) {
  return parse_client_message(text, Rules::managed);
}

void expect_invalid(const ClientMessage& message, ErrorCode code, std::string_view beginning,
                    std::string_view hash_id = "") {
  const auto* invalid = std::get_if<Invalid>(&message);
  ASSERT_NE(invalid, nullptr) << beginning;
  EXPECT_EQ(invalid->code, code) << invalid->message;
  EXPECT_EQ(invalid->message.substr(0, beginning.size()), beginning);
  EXPECT_EQ(invalid->hash_id, hash_id);
}

Subscribe subscribed(const ClientMessage& message) {
  if (const auto* invalid = std::get_if<Invalid>(&message)) ADD_FAILURE() << invalid->message;
  const auto* subscribe = std::get_if<Subscribe>(&message);
  return subscribe == nullptr ? Subscribe{} : *subscribe;
}

// What is kept of a subscribe, to ask it anew.
TEST(Managed, ASubscribeIsWrittenAsItWasReadWithoutItsPlace) {
  for (
      const std::string text :
      {R"({"op":"subscribe","hashId":"a \"b\" ü","sql":"select 1"})",
       R"({"op":"subscribe","hashId":"a","table":"t","sql":"x = $1","params":["s\"",1.50,1e400,true,false,null,""],"frames":"json"})",
       R"({"op":"subscribe","hashId":"a","query":{"table":"t", "where":[{"value":1.00}]},"frames":"base64","deliver":"latest"})",
       R"({"op":"subscribe","hashId":"a","queryFbB64":"AAEC/w==","junk":[1,2]})"}) {
    const Subscribe read = subscribed(managed(text));
    std::string with_place = text;
    with_place.insert(with_place.size() - 1, R"(,"resumeFromVersion":7,"cursor":{"lsn":"1"})");
    const std::string written = subscribe_message(subscribed(managed(with_place)));
    const Subscribe again = subscribed(managed(written));
    EXPECT_EQ(written.find("resume"), std::string::npos);
    EXPECT_EQ(written.find("cursor"), std::string::npos);
    EXPECT_EQ(again.hash_id, read.hash_id);
    EXPECT_EQ(again.table, read.table);
    EXPECT_EQ(again.sql, read.sql);
    EXPECT_EQ(again.query_json, read.query_json);
    EXPECT_EQ(again.query_flatbuffer, read.query_flatbuffer);
    EXPECT_EQ(again.frames, read.frames);
    EXPECT_EQ(again.latest, read.latest);
    ASSERT_EQ(again.params.size(), read.params.size());
    for (std::size_t i = 0; i < read.params.size(); ++i) {
      EXPECT_EQ(again.params[i].kind, read.params[i].kind);
      EXPECT_EQ(again.params[i].text, read.params[i].text);
    }
  }
}

TEST(PassThrough, PingNeedsNothingButItsOp) {
  EXPECT_TRUE(std::holds_alternative<Ping>(seed(R"({"op":"ping"})")));
  EXPECT_TRUE(std::holds_alternative<Ping>(seed("\t {\"x\":[1,{}], \"op\" : \"ping\"}\r\n")));
  EXPECT_TRUE(std::holds_alternative<Ping>(seed(R"({"op":"dance","op":"ping"})")))
      << "the last of a name counts";
}

TEST(PassThrough, TextThatIsNoJsonIsBadJson) {
  for (const char* text : {"", " ", "{nope", "{\"op\":\"ping\"", "{\"op\":\"ping\"}}", "{'op':'ping'}", "nul",
                           "[1,]", "01", "\"a\nb\"", "\xef\xbb\xbf{\"op\":\"ping\"}", "{\"op\":\"\xff\"}",
                           "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "/*c*/7"}) {
    expect_invalid(seed(text), ErrorCode::bad_json, "invalid JSON");
  }
}

TEST(PassThrough, JsonThatIsNoMessageIsBadOp) {
  for (const char* text : {"7", "[]", "null", "true", "\"ping\"", "{}", R"({"op":"dance"})", R"({"op":7})",
                           R"({"op":null})", R"({"op":"PING"})", R"({"op":"auth","token":"x"})"}) {
    expect_invalid(seed(text), ErrorCode::bad_op, "unknown message");
  }
}

TEST(PassThrough, SubscribeKeepsItsFieldsAsTheyAre) {
  const auto message = subscribed(seed(
      R"({"op":"subscribe","table":"t\u00e6\"","hashId":"a\u0000\ud83d\ude00","queryFbB64":"not base64!"})"));
  EXPECT_EQ(message.table, "tæ\"");
  EXPECT_EQ(message.hash_id, std::string("a\0😀", 6));
  EXPECT_EQ(message.query_flatbuffer, "not base64!");
  EXPECT_FALSE(message.resume_from || message.frames || message.cursor || message.sql || message.query_json);
}

TEST(PassThrough, IncompleteSubscribesAreBadOp) {
  for (const char* rest :
       {R"("table":"t","hashId":"a")", R"("table":"","hashId":"a","queryFbB64":"AA==")",
        R"("table":"t","hashId":"","queryFbB64":"AA==")", R"("table":"t","hashId":"a","queryFbB64":"")",
        R"("table":7,"hashId":"a","queryFbB64":"AA==")", R"("table":"t","hashId":"a","queryFbB64":null)",
        R"("table":"t","queryFbB64":"AA==")"}) {
    expect_invalid(seed(std::string(R"({"op":"subscribe",)") + rest + "}"), ErrorCode::bad_op,
                   "unknown message");
  }
}

ClientMessage resume(std::string_view value, Rules rules) {
  const std::string text =
      R"({"op":"subscribe","table":"t","hashId":"a","queryFbB64":"AA==","resumeFromVersion":)" +
      std::string(value) + "}";
  return parse_client_message(text, rules);
}

TEST(ResumeFromVersion, IsAnIntegerInAnySpellingOrADecimalString) {
  const std::vector<std::pair<const char*, std::uint64_t>> good{{"0", 0},
                                                                {"7", 7},
                                                                {"-0", 0},
                                                                {"7.0", 7},
                                                                {"1e3", 1000},
                                                                {"\"12\"", 12},
                                                                {"9007199254740993", 9007199254740993},
                                                                {"18446744073709551615", ~0ULL},
                                                                {"\"18446744073709551615\"", ~0ULL}};
  for (const auto& [text, lsn] : good) {
    EXPECT_EQ(subscribed(resume(text, Rules::pass_through)).resume_from, Lsn(lsn)) << text;
    EXPECT_EQ(subscribed(resume(text, Rules::managed)).resume_from, Lsn(lsn)) << text;
  }
}

TEST(ResumeFromVersion, RefusesAnythingElse) {
  for (const char* text : {"-1", "1.5", "null", "true", "{}", "[]", "\"\"", "\"+1\"", "\" 1\"", "\"1.0\"",
                           "\"-1\"", "\"18446744073709551616\"", "18446744073709551616", "1e40"}) {
    expect_invalid(resume(text, Rules::pass_through), ErrorCode::bad_op, "unknown message");
    expect_invalid(resume(text, Rules::managed), ErrorCode::bad_query, "resumeFromVersion: ", "a");
  }
}

TEST(PassThrough, TheCursorOfItsSnapshotResumesAndAnyOtherIsPassedOver) {
  const auto with = [](std::string_view rest) {
    return subscribed(
        seed(R"({"op":"subscribe","table":"t","hashId":"a","queryFbB64":"AA==",)" + std::string(rest) + "}"));
  };
  EXPECT_EQ(with(R"("cursor":{"lsn":"55"})").resume_from, Lsn(55));
  EXPECT_EQ(with(R"("cursor":{"lsn":"55"},"resumeFromVersion":7)").resume_from, Lsn(7));
  for (const char* cursor : {"7", "null", "[]", "{}", R"({"lsn":"x"})", R"("55")"}) {
    EXPECT_EQ(with(R"("cursor":)" + std::string(cursor)).resume_from, std::nullopt) << cursor;
  }
  EXPECT_EQ(with(R"("frames":"base64")").frames, Encoding::base64);
  EXPECT_EQ(with(R"("frames":"json")").frames, std::nullopt) << "the value is opaque";
}

TEST(PassThrough, UnsubscribeNeedsTableAndHashId) {
  const auto message = seed(R"({"op":"unsubscribe","table":"t","hashId":"a"})");
  ASSERT_TRUE(std::holds_alternative<Unsubscribe>(message));
  EXPECT_EQ(std::get<Unsubscribe>(message).table, "t");
  EXPECT_EQ(std::get<Unsubscribe>(message).hash_id, "a");
  expect_invalid(seed(R"({"op":"unsubscribe","hashId":"a"})"), ErrorCode::bad_op, "unknown message");
  expect_invalid(seed(R"({"op":"unsubscribe","table":"t","hashId":""})"), ErrorCode::bad_op,
                 "unknown message");
}

TEST(Managed, ReadsEachFormOfQuery) {
  const auto json =
      subscribed(managed(R"({"op":"subscribe","hashId":"a","query": {"n":1.10, "b":[1,{"c":"}"}]} })"));
  EXPECT_EQ(json.query_json, R"({"n":1.10, "b":[1,{"c":"}"}]})")
      << "as it was sent: numbers keep their digits";
  EXPECT_EQ(json.table, "");
  const auto flatbuffer =
      subscribed(managed(R"({"op":"subscribe","table":"t","hashId":"a","queryFbB64":"b25l"})"));
  EXPECT_EQ(flatbuffer.query_flatbuffer, "one");
  EXPECT_EQ(flatbuffer.table, "t");
  const auto sql = subscribed(managed(R"({"op":"subscribe","hashId":"a","sql":"select 1"})"));
  EXPECT_EQ(sql.sql, "select 1");
  EXPECT_TRUE(sql.params.empty());
}

TEST(Managed, TheLastQueryOfSeveralIsTaken) {
  const auto message = subscribed(managed(
      R"({"op":"subscribe","hashId":"a","query":{"a":"\\"},"x":"\"query\":{}","\u0071uery":{"b":2}})"));
  EXPECT_EQ(message.query_json, R"({"b":2})");
}

TEST(Managed, ParamsKeepTheDigitsOfNumbers) {
  const auto message = subscribed(managed(
      R"({"op":"subscribe","hashId":"a","sql":"s","params":[ null,true, 1.10 ,-12345678901234567890123,"a\u0041,]", false ]})"));
  ASSERT_EQ(message.params.size(), 6U);
  EXPECT_EQ(message.params[0].kind, Scalar::Kind::null);
  EXPECT_EQ(message.params[1].text, "true");
  EXPECT_EQ(message.params[2].kind, Scalar::Kind::number);
  EXPECT_EQ(message.params[2].text, "1.10");
  EXPECT_EQ(message.params[3].text, "-12345678901234567890123");
  EXPECT_EQ(message.params[4].kind, Scalar::Kind::string);
  EXPECT_EQ(message.params[4].text, "aA,]");
  EXPECT_EQ(message.params[5].kind, Scalar::Kind::boolean);
  EXPECT_EQ(message.params[5].text, "false");
  EXPECT_TRUE(
      subscribed(managed(R"({"op":"subscribe","hashId":"a","sql":"s","params":[ ]})")).params.empty());
}

TEST(Managed, FaultsNameTheFieldAndTheSubscription) {
  const std::vector<std::pair<const char*, const char*>> faults{
      {R"("query":{},"table":"")", "table: "},
      {R"("query":{},"table":5)", "table: "},
      {R"("table":"t")", "query: needs exactly one"},
      {R"("query":{},"sql":"x")", "query: needs exactly one"},
      {R"("query":{},"queryFbB64":"AA==")", "query: needs exactly one"},
      {R"("query":"x")", "query: must be an object"},
      {R"("sql":"")", "sql: "},
      {R"("sql":7)", "sql: "},
      {R"("queryFbB64":"A")", "queryFbB64: "},
      {R"("queryFbB64":"")", "queryFbB64: "},
      {R"("queryFbB64":null)", "queryFbB64: "},
      {R"("sql":"x","params":{})", "params: must be an array"},
      {R"("sql":"x","params":[1,[2]])", "params: $2"},
      {R"("query":{},"params":[])", "params: belong to sql"},
      {R"("query":{},"frames":"xml")", "frames: "},
      {R"("query":{},"frames":1)", "frames: "},
      {R"("query":{},"deliver":"newest")", "deliver: "},
      {R"("query":{},"deliver":true)", "deliver: "},
  };
  for (const auto& [rest, message] : faults) {
    expect_invalid(managed(std::string(R"({"op":"subscribe","hashId":"a",)") + rest + "}"),
                   ErrorCode::bad_query, message, "a");
  }
  expect_invalid(managed(R"({"op":"subscribe","query":{}})"), ErrorCode::bad_query, "hashId: ");
  expect_invalid(managed(R"({"op":"subscribe","hashId":"","query":{}})"), ErrorCode::bad_query, "hashId: ");
  const std::string longest(1024, 'x');
  EXPECT_EQ(subscribed(managed(R"({"op":"subscribe","query":{},"hashId":")" + longest + "\"}")).hash_id,
            longest);
  expect_invalid(managed(R"({"op":"subscribe","query":{},"hashId":"y)" + longest + "\"}"),
                 ErrorCode::bad_query, "hashId: longer than 1024");
}

TEST(Managed, OtherFaultsAreBadOpOrBadJson) {
  expect_invalid(managed("{"), ErrorCode::bad_json, "invalid JSON");
  for (const char* text : {"7", "[]", "null"})
    expect_invalid(managed(text), ErrorCode::bad_op, "a message must be");
  expect_invalid(managed("{}"), ErrorCode::bad_op, "op: ");
  expect_invalid(managed(R"({"op":"dance"})"), ErrorCode::bad_op, "op: ");
  expect_invalid(managed(R"({"op":"unsubscribe"})"), ErrorCode::bad_op, "hashId: ");
  expect_invalid(managed(R"({"op":"auth","token":1})"), ErrorCode::bad_op, "token: ");
}

TEST(Managed, UnsubscribeAuthAndFrames) {
  const auto unsubscribe = managed(R"({"op":"unsubscribe","hashId":"a"})");
  ASSERT_TRUE(std::holds_alternative<Unsubscribe>(unsubscribe));
  EXPECT_EQ(std::get<Unsubscribe>(unsubscribe).hash_id, "a");
  const auto auth = managed(R"({"op":"auth","token":"abc"})");
  ASSERT_TRUE(std::holds_alternative<Auth>(auth));
  EXPECT_EQ(std::get<Auth>(auth).token, "abc");
  const auto frames = [](std::string_view value) {
    return subscribed(managed(R"({"op":"subscribe","hashId":"a","query":{},"frames":")" + std::string(value) +
                              "\"}"))
        .frames;
  };
  EXPECT_EQ(frames("json"), Encoding::json);
  EXPECT_EQ(frames("base64"), Encoding::base64);
  EXPECT_EQ(frames("binary"), std::nullopt);
  const auto latest = [](std::string_view more) {
    return subscribed(managed(R"({"op":"subscribe","hashId":"a","query":{})" + std::string(more) + "}"))
        .latest;
  };
  EXPECT_TRUE(latest(R"(,"deliver":"latest")"));
  EXPECT_FALSE(latest(R"(,"deliver":"all")"));
  EXPECT_FALSE(latest(""));
}

TEST(Managed, AMalformedCursorIsNone) {
  const auto with = [](std::string_view cursor) {
    return subscribed(
               managed(R"({"op":"subscribe","hashId":"a","query":{},"cursor":)" + std::string(cursor) + "}"))
        .cursor;
  };
  std::string good;
  const Cursor cursor{Epoch(1), {}, Activation(2), Partition(3), Offset(4), Lsn(5), Fence{Lsn(6), {}}};
  append_cursor(good, cursor);
  EXPECT_EQ(with(good), cursor);
  for (const char* bad : {"null", "7", "{}", R"({"lsn":"5"})", "[]"})
    EXPECT_EQ(with(bad), std::nullopt) << bad;
}

TEST(ClientMessages, NestingIsBounded) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  for (Rules rules : {Rules::pass_through, Rules::managed}) {
    expect_invalid(parse_client_message(deep, rules), ErrorCode::bad_json, "invalid JSON");
  }
}

// Valid messages with bytes changed, cut and doubled reach deeper than random bytes do.
TEST(ClientMessages, NoTextCrashesTheParser) {
  const auto number = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << number);
  RecordProperty("seed", std::to_string(number));
  std::mt19937 random(number);
  const std::vector<std::string> valid{
      R"({"op":"subscribe","table":"t","hashId":"a","queryFbB64":"AA==","resumeFromVersion":7})",
      R"({"op":"subscribe","hashId":"a","sql":"s","params":[1,"x\\\"",null,[{"a":"]"}]],"frames":"json"})",
      R"({"op":"subscribe","hashId":"\u00e6","query":{"a":{"b":["}"]}},"cursor":{"epoch":"0000000000000001","query":)"
      R"("000102030405060708090a0b0c0d0e0f","activation":"0000000000000002","partition":1,"offset":-1,"lsn":"5",)"
      R"("until":"9","snapshot":"1:2:"}})"};
  constexpr std::string_view kBytes = "{}[]\",:\\u0eE-.12\x80\xff\x01 tn";
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  for (int round = 0; round < 100'000; ++round) {
    std::string text = valid[below(valid.size())];
    for (std::size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = kBytes[below(kBytes.size())];
          break;
        case 1:
          text.erase(at, 1 + below(5));
          break;
        case 2:
          text.insert(at, 1, kBytes[below(kBytes.size())]);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(20)));
      }
    }
    for (Rules rules : {Rules::pass_through, Rules::managed}) {
      const auto message = parse_client_message(text, rules);
      const auto* invalid = std::get_if<Invalid>(&message);
      ASSERT_TRUE(invalid == nullptr || !invalid->message.empty()) << text;
    }
  }
}

}  // namespace
}  // namespace tidegate::protocol
