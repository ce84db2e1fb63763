// Rule 24: two texts of one meaning have one canonical form and hash; a canonical form binds again to itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <vector>

#include "base/testing.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

std::shared_ptr<const Query> bound(std::vector<std::string> columns, std::vector<ParsedCondition> where) {
  auto query = bind_things({"things", std::move(columns), std::move(where)});
  EXPECT_TRUE(query.ok()) << (query ? "" : query.error().message);
  return query ? *query : nullptr;
}

TEST(CanonicalTest, is_this_text) {
  const auto query =
      bound({"title", "id"}, {compare("title", Op::is_null), compare("small", Op::gt, {number("007")})});
  EXPECT_EQ(query->canonical(),
            R"({"v":1,"schema":"public","table":"things","columns":[["id","bigint"],["title","text"]],)"
            R"("where":[["small","smallint",">",["7"]],["title","text","is null",[]]]})");
  EXPECT_EQ(query->hash().hex(), "8ca00f74c5d1f75496b79caaf096893c");
}

TEST(CanonicalTest, names_and_strings_are_escaped) {
  TableSchema table = things();
  table.columns[3].name = "ti\"t\\le";
  const auto query =
      Query::bind({"things", {"id"}, {compare("ti\"t\\le", Op::eq, {string("a\"\n\x01ü")})}}, shared(table));
  ASSERT_TRUE(query.ok());
  const Catalogue catalogue({shared(table)});
  const auto again = Query::from_canonical((*query)->canonical(), catalogue);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ((*again)->where().front().values.front(), "a\"\n\x01ü");
  EXPECT_EQ((*again)->hash(), (*query)->hash());
}

TEST(CanonicalTest, rule_24_spellings_of_one_meaning_are_one) {
  const auto reference = bound(
      {"id", "title"}, {compare("count", Op::in, {number("1"), number("2")}),
                        compare("total", Op::ge, {number("1.5")}), compare("title", Op::ne, {string("x")})});
  const auto other =
      bound({"title", "title"},
            {compare("title", Op::ne, {string("x")}), compare("total", Op::ge, {string("+01.50e0")}),
             compare("count", Op::in, {string("2"), number("1.0"), number("10e-1")}),
             compare("total", Op::ge, {number("15e-1")})});
  EXPECT_EQ(reference->canonical(), other->canonical());
  EXPECT_EQ(reference->hash(), other->hash());
}

TEST(CanonicalTest, in_with_one_value_is_equality) {
  EXPECT_EQ(bound({}, {compare("count", Op::in, {number("1"), number("01")})})->hash(),
            bound({}, {compare("count", Op::eq, {number("1")})})->hash());
}

TEST(CanonicalTest, rule_24_different_meanings_differ) {
  const std::vector<std::shared_ptr<const Query>> queries = {
      bound({}, {}),
      bound({"id"}, {}),
      bound({"id"}, {compare("count", Op::eq, {number("1")})}),
      bound({"id"}, {compare("count", Op::ne, {number("1")})}),
      bound({"id"}, {compare("count", Op::eq, {number("2")})}),
      bound({"id"}, {compare("small", Op::eq, {number("1")})}),
      bound({"id"}, {compare("title", Op::eq, {string("1")})}),
      bound({"id"}, {compare("title", Op::eq, {string("1.0")})}),
      bound({"id"}, {compare("title", Op::eq, {string("")})}),
      bound({"id"}, {compare("title", Op::is_null)}),
      bound({"id"}, {compare("title", Op::in, {string("a"), string("b")})}),
      bound({"id"}, {compare("title", Op::in, {string("a\",\"b"), string("c")})}),
  };
  for (std::size_t i = 0; i < queries.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(queries[i]->hash(), queries[j]->hash()) << i << " " << j;
  }
}

TEST(CanonicalTest, schema_and_table_do_not_run_together) {
  TableSchema left = things();
  left.schema = "a.b";
  left.name = "c";
  TableSchema right = things();
  right.schema = "a";
  right.name = "b.c";
  const auto one = Query::bind({"", {}, {}}, shared(left));
  const auto two = Query::bind({"", {}, {}}, shared(right));
  EXPECT_NE((*one)->hash(), (*two)->hash());
}

TEST(CanonicalTest, a_changed_type_is_lost) {
  const auto query = bound({"id", "title"}, {compare("count", Op::eq, {number("1")})});
  TableSchema table = things();
  table.columns[3].type = Type::varchar;
  EXPECT_EQ(Query::from_canonical(query->canonical(), Catalogue({shared(table)})).error().fault, Fault::lost);
  table = things();
  table.columns[2].type = Type::int8;
  EXPECT_EQ(Query::from_canonical(query->canonical(), Catalogue({shared(table)})).error().fault, Fault::lost);
  table = things();
  table.columns[4].type = Type::text;  // not in the query
  EXPECT_TRUE(Query::from_canonical(query->canonical(), Catalogue({shared(table)})).ok());
}

TEST(CanonicalTest, a_vanished_table_is_not_found) {
  const auto query = bound({"id"}, {});
  EXPECT_EQ(Query::from_canonical(query->canonical(), Catalogue()).error().fault, Fault::not_found);
}

TEST(CanonicalTest, a_new_key_column_is_lost) {
  const auto query = bound({"id"}, {});
  TableSchema table = things();
  table.key = {0, 1};
  EXPECT_EQ(Query::from_canonical(query->canonical(), Catalogue({shared(table)})).error().fault, Fault::lost);
}

TEST(CanonicalTest, what_is_no_canonical_form_is_an_error) {
  const Catalogue catalogue({shared(things())});
  const std::string good = bound({"id"}, {compare("count", Op::eq, {number("1")})})->canonical();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Query::from_canonical(std::string_view(good).substr(0, size), catalogue).ok());
  }
  std::mt19937 random(7);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = good;
    text[random() % text.size()] = static_cast<char>(random());
    const auto query = Query::from_canonical(text, catalogue);
    EXPECT_TRUE(!query || (*query)->canonical() == text) << text;
  }
  for (const std::string text :
       {"[]", "{}", "null", R"({"a":1,"b":"","c":"","d":[],"e":[]})",
        R"({"v":1,"schema":"public","table":"things","columns":[1],"where":[]})",
        R"({"v":1,"schema":"public","table":"things","columns":[["id","bigint"]],"where":[[1]]})"}) {
    EXPECT_FALSE(Query::from_canonical(text, catalogue).ok()) << text;
  }
}

// ---- two spellings of one meaning, at random ----

class Spellings {
 public:
  explicit Spellings(unsigned seed) : random_(seed) {}

  std::vector<ParsedCondition> meaning() {
    std::vector<ParsedCondition> where;
    for (int count = pick(5); count >= 0; --count) where.push_back(comparison());
    return where;
  }

  /// The same, written otherwise.
  std::vector<ParsedCondition> respell(std::vector<ParsedCondition> where) {
    for (int count = pick(3); count > 0; --count) {
      where.push_back(where[static_cast<std::size_t>(pick(static_cast<int>(where.size())))]);
    }
    std::shuffle(where.begin(), where.end(), random_);
    for (ParsedCondition& comparison : where) {
      if (comparison.op == Op::eq && pick(2) == 0) comparison.op = Op::in;
      if (comparison.op == Op::in) {
        for (int count = pick(3); count > 0; --count) comparison.values.push_back(comparison.values.front());
        std::shuffle(comparison.values.begin(), comparison.values.end(), random_);
      }
      for (ParsedLiteral& literal : comparison.values) respell(comparison.column, literal);
    }
    return where;
  }

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

 private:
  ParsedCondition comparison() {
    static const std::vector<std::string> kColumns = {"id",  "count", "title", "total", "done",
                                                      "ref", "day",   "made",  "at"};
    ParsedCondition comparison;
    comparison.column = kColumns[static_cast<std::size_t>(pick(static_cast<int>(kColumns.size())))];
    const std::vector<Op> ops =
        comparison.column == "title"
            ? std::vector{Op::eq, Op::ne, Op::in, Op::is_null}
            : std::vector{Op::eq, Op::ne, Op::lt, Op::le, Op::gt, Op::ge, Op::in, Op::is_not_null};
    comparison.op = ops[static_cast<std::size_t>(pick(static_cast<int>(ops.size())))];
    if (comparison.op == Op::is_null || comparison.op == Op::is_not_null) return comparison;
    for (int count = comparison.op == Op::in ? pick(4) + 1 : 1; count > 0; --count) {
      comparison.values.push_back(literal(comparison.column));
    }
    return comparison;
  }

  ParsedLiteral literal(const std::string& column) {
    const auto two = [&](int below, int from) {
      const std::string digits = std::to_string(pick(below) + from);
      return digits.size() < 2 ? "0" + digits : digits;
    };
    if (column == "id" || column == "count") return number(std::to_string(pick(40) - 20));
    if (column == "total") return number(std::to_string(pick(40) - 20) + "." + std::to_string(pick(100)));
    if (column == "title") return string(std::string(static_cast<std::size_t>(pick(3)), 'a'));
    if (column == "done") return boolean(pick(2) == 0);
    if (column == "ref") return string("123e4567-e89b-12d3-a456-4266141740" + two(90, 10));
    const std::string day = "20" + two(90, 10) + "-" + two(12, 1) + "-" + two(28, 1);
    if (column == "day") return string(day);
    const std::string time = day + " " + two(24, 0) + ":" + two(60, 0) + ":" + two(60, 0) + "." + two(99, 1);
    return string(column == "made" ? time + "+00" : time);
  }

  void respell(const std::string& column, ParsedLiteral& literal) {
    std::string& text = literal.text;
    if (column == "id" || column == "count" || column == "total") {
      const bool minus = text.front() == '-';
      std::string digits = text.substr(minus ? 1 : 0);
      if (pick(2) == 0) digits += digits.find('.') == std::string::npos ? ".00" : "00";
      if (pick(2) == 0) digits.insert(0, "00");
      if (pick(2) == 0) digits += "e0";
      text = (minus ? "-" : "") + digits;
      if (pick(2) == 0) literal.kind = ParsedLiteral::Kind::string;
    } else if (column == "done" && pick(2) == 0) {
      literal = string(text.substr(0, 1));
    } else if (column == "ref" && pick(2) == 0) {
      std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
      if (pick(2) == 0) text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
    } else if (column == "made" && pick(2) == 0) {
      text[10] = 'T';
      text.replace(text.size() - 3, 3, pick(2) == 0 ? "Z" : "00-00:00");
    } else if (column == "at" && pick(2) == 0) {
      text += "00";
    }
  }

  std::mt19937 random_;
};

TEST(CanonicalTest, rule_24_two_spellings_of_one_meaning_hash_equally) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Spellings spellings(seed);
  const Catalogue catalogue({shared(things())});
  for (int round = 0; round < 3'000; ++round) {
    const auto where = spellings.meaning();
    const auto one = bound({}, where);
    const auto two = bound({}, spellings.respell(where));
    ASSERT_TRUE(one && two);
    ASSERT_EQ(one->canonical(), two->canonical());
    ASSERT_EQ(one->hash(), two->hash());
    const auto again = Query::from_canonical(one->canonical(), catalogue);
    ASSERT_TRUE(again.ok()) << again.error().message;
    ASSERT_EQ((*again)->hash(), one->hash());
    ASSERT_EQ((*again)->where(), one->where());
  }
}

TEST(RoutingKeyTest, rule_24_parts_are_percent_encoded) {
  const auto query = bound({"id"}, {});
  EXPECT_EQ(routing_key("", *query), "/public.things/" + query->hash().hex());
  EXPECT_EQ(routing_key("a/b ü", *query), "a%2Fb%20%C3%BC/public.things/" + query->hash().hex());
}

}  // namespace
}  // namespace tidegate::query
