// The second way in: bytes are verified before they are read, and what they say is checked like any client's
// input.
#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "query/testing.h"
#include "schemas/query_generated.h"

namespace tidegate::query {
namespace {

std::string finished(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<fb::Query> query) {
  builder.Finish(query);
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

std::string example() {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector literals = {fb::CreateLiteralDirect(builder, fb::LiteralKind::string, "open"),
                                fb::CreateLiteralDirect(builder, fb::LiteralKind::number, "1.50"),
                                fb::CreateLiteralDirect(builder, fb::LiteralKind::boolean, "true"),
                                fb::CreateLiteral(builder)};
  const std::vector conditions = {fb::CreateConditionDirect(builder, "status", fb::Op::in, &literals),
                                  fb::CreateConditionDirect(builder, "gone", fb::Op::is_null)};
  const std::vector columns = {builder.CreateString("id"), builder.CreateString("title")};
  return finished(builder, fb::CreateQueryDirect(builder, "shop.orders", &columns, &conditions));
}

std::string with_condition(const char* column, fb::Op op, fb::LiteralKind kind, const char* text) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector literals = {fb::CreateLiteralDirect(builder, kind, text)};
  const std::vector conditions = {fb::CreateConditionDirect(builder, column, op, &literals)};
  return finished(builder, fb::CreateQueryDirect(builder, "t", nullptr, &conditions));
}

/// `small + 1 <op> count::bigint`.
std::string with_arithmetic(fb::Arithmetic kind, fb::NumberType type) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector operands = {
      fb::CreateExpressionDirect(builder, fb::Arithmetic::column, "small"),
      fb::CreateExpressionDirect(builder, fb::Arithmetic::constant, nullptr,
                                 fb::CreateLiteralDirect(builder, fb::LiteralKind::number, "1"))};
  const auto left =
      fb::CreateExpressionDirect(builder, kind, nullptr, 0, fb::NumberType::smallint, &operands);
  const std::vector inside = {fb::CreateExpressionDirect(builder, fb::Arithmetic::column, "count")};
  const auto right = fb::CreateExpressionDirect(builder, fb::Arithmetic::cast, nullptr, 0, type, &inside);
  const std::vector conditions = {fb::CreateConditionDirect(builder, nullptr, fb::Op::gt, nullptr, nullptr,
                                                            nullptr, nullptr, false, left, right)};
  const std::vector columns = {builder.CreateString("id")};
  return finished(builder, fb::CreateQueryDirect(builder, "things", &columns, &conditions));
}

std::string fault(const std::string& bytes) {
  const auto query = parse_flatbuffer(bytes);
  return query ? "no error" : query.error().message;
}

TEST(ParseFlatbufferTest, arithmetic_means_what_its_sql_means) {
  const auto read = parse_flatbuffer(with_arithmetic(fb::Arithmetic::add, fb::NumberType::bigint));
  ASSERT_TRUE(read.ok()) << read.error().message;
  const auto query = bind_things(*read);
  ASSERT_TRUE(query.ok()) << query.error().message;
  const auto sql = parse_sql("select id from things where 1 + small > count::bigint", {});
  ASSERT_TRUE(sql.ok()) << sql.error().message;
  EXPECT_EQ((*query)->canonical(), (*bind_things(*sql))->canonical());
  EXPECT_EQ(fault(with_arithmetic(static_cast<fb::Arithmetic>(9), fb::NumberType::bigint)),
            "query.where[0].left: its kind or type is not known");
  EXPECT_EQ(fault(with_arithmetic(fb::Arithmetic::add, static_cast<fb::NumberType>(4))),
            "query.where[0].right: its kind or type is not known");
}

TEST(ParseFlatbufferTest, reads_every_field) {
  const auto query = parse_flatbuffer(example());
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->table, "shop.orders");
  EXPECT_EQ(query->columns, (std::vector<std::string>{"id", "title"}));
  ASSERT_EQ(query->where.size(), 2u);
  const ParsedCondition& in = query->where[0];
  EXPECT_EQ(in.column, "status");
  EXPECT_EQ(in.op, Op::in);
  ASSERT_EQ(in.values.size(), 4u);
  EXPECT_EQ(in.values[0].kind, ParsedLiteral::Kind::string);
  EXPECT_EQ(in.values[0].text, "open");
  EXPECT_EQ(in.values[1].kind, ParsedLiteral::Kind::number);
  EXPECT_EQ(in.values[1].text, "1.50");
  EXPECT_EQ(in.values[2].kind, ParsedLiteral::Kind::boolean);
  EXPECT_EQ(in.values[3].kind, ParsedLiteral::Kind::null);
  EXPECT_EQ(query->where[1].op, Op::is_null);
  EXPECT_TRUE(query->where[1].values.empty());
}

TEST(ParseFlatbufferTest, reads_trees_paths_and_columns_on_the_right) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector one = {fb::CreateLiteralDirect(builder, fb::LiteralKind::json, "{}")};
  const std::vector steps = {fb::CreateStepDirect(builder, "a"), fb::CreateStepDirect(builder, nullptr, -1)};
  const std::vector leaves = {
      fb::CreateConditionDirect(builder, "doc", fb::Op::contains, &one, nullptr, nullptr, &steps, true),
      fb::CreateConditionDirect(builder, "a", fb::Op::lt, nullptr, nullptr, "b")};
  const std::vector either = {fb::CreateConditionDirect(builder, nullptr, fb::Op::or_, nullptr, &leaves)};
  const std::vector where = {fb::CreateConditionDirect(builder, nullptr, fb::Op::not_, nullptr, &either)};
  const auto query =
      parse_flatbuffer(finished(builder, fb::CreateQueryDirect(builder, "t", nullptr, &where)));
  ASSERT_TRUE(query.ok()) << query.error().message;
  ASSERT_EQ(query->where.at(0).op, Op::negation);
  const ParsedCondition& group = query->where[0].children.at(0);
  ASSERT_EQ(group.op, Op::any_of);
  EXPECT_EQ(group.children.at(0).path, (std::vector<PathStep>{{"a", false}, {"-1", true}}));
  EXPECT_TRUE(group.children[0].as_text);
  EXPECT_EQ(group.children[0].values.at(0).kind, ParsedLiteral::Kind::json);
  EXPECT_EQ(group.children.at(1).other, "b");
}

TEST(ParseFlatbufferTest, an_empty_query_means_all) {
  flatbuffers::FlatBufferBuilder builder;
  const auto query = parse_flatbuffer(finished(builder, fb::CreateQuery(builder)));
  ASSERT_TRUE(query.ok());
  EXPECT_TRUE(query->table.empty() && query->columns.empty() && query->where.empty());
}

TEST(ParseFlatbufferTest, the_bytes_need_no_alignment) {
  const std::string bytes = example();
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string moved = std::string(shift, 'x') + bytes;
    EXPECT_TRUE(parse_flatbuffer(std::string_view(moved).substr(shift)).ok()) << shift;
  }
}

TEST(ParseFlatbufferTest, wrong_contents_are_named) {
  using Kind = fb::LiteralKind;
  EXPECT_EQ(fault(with_condition("a", static_cast<fb::Op>(25), Kind::number, "1")),
            "query.where[0].op: 25 is not known");
  EXPECT_EQ(fault(with_condition("a", fb::Op::eq, static_cast<Kind>(5), "1")),
            "query.where[0].values[0]: kind 5 is not known");
  EXPECT_EQ(fault(with_condition("a", fb::Op::eq, Kind::boolean, "yes")),
            "query.where[0].values[0].text: must be true or false");
  EXPECT_EQ(fault(with_condition("a", fb::Op::eq, Kind::number, nullptr)),
            "query.where[0].values[0]: needs `text`");
  EXPECT_EQ(fault(with_condition("a\xff", fb::Op::eq, Kind::number, "1")),
            "query.where[0].column: is not UTF-8, or holds a NUL");
  EXPECT_EQ(fault(with_condition("a", fb::Op::eq, Kind::string, "\xc0\x80")),
            "query.where[0].values[0].text: is not UTF-8, or holds a NUL");
}

TEST(ParseFlatbufferTest, a_table_that_is_used_too_often_is_refused) {
  flatbuffers::FlatBufferBuilder builder;
  const auto literal = fb::CreateLiteralDirect(builder, fb::LiteralKind::number, "1");
  const std::vector literals(30'000, literal);  // one table, many offsets
  const std::vector conditions = {fb::CreateConditionDirect(builder, "a", fb::Op::in, &literals)};
  EXPECT_FALSE(
      parse_flatbuffer(finished(builder, fb::CreateQueryDirect(builder, "t", nullptr, &conditions))).ok());
}

TEST(ParseFlatbufferTest, other_bytes_are_refused_and_never_crash) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  EXPECT_EQ(fault(""), "query: the bytes are no FlatBuffer of schemas/query.fbs");
  EXPECT_EQ(fault("{\"table\":\"t\"}"), "query: the bytes are no FlatBuffer of schemas/query.fbs");
  const std::string good = example();
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto query = parse_flatbuffer(std::string_view(good).substr(0, size));
    EXPECT_TRUE(query.ok() || query.error().fault == Fault::invalid);
  }
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = good;
    for (int count = static_cast<int>(random() % 4); count >= 0; --count) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto query = parse_flatbuffer(bytes);
    EXPECT_TRUE(query.ok() || query.error().fault == Fault::invalid);
  }
}

TEST(ParseFlatBufferTest, trust_texts_that_are_shared_count_each_time) {
  flatbuffers::FlatBufferBuilder builder;
  const auto large = builder.CreateString(std::string(100'000, 'x'));
  const std::vector columns(2'000, large);
  const std::string bomb = finished(builder, fb::CreateQueryDirect(builder, "t", &columns));
  ASSERT_LT(bomb.size(), 400'000u);
  EXPECT_EQ(fault(bomb), "query.columns[4]: the query's texts are together larger than 400 KiB");
  builder.Clear();
  const auto literal =
      fb::CreateLiteral(builder, fb::LiteralKind::string, builder.CreateString(std::string(100'000, 'x')));
  const std::vector literals(2'000, literal);
  const std::vector conditions = {fb::CreateConditionDirect(builder, "a", fb::Op::in, &literals)};
  EXPECT_EQ(fault(finished(builder, fb::CreateQueryDirect(builder, "t", nullptr, &conditions))),
            "query.where[0].values[4].text: the query's texts are together larger than 400 KiB");
}

}  // namespace
}  // namespace tidegate::query
