// Rule 21: no client's text is ever part of a statement. Whatever was written, the SQL that the database gets
// is made of a few words of ours, names out of the catalogue, and parameters.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <random>
#include <set>

#include "base/testing.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

using Words = std::vector<std::string>;

/// Cuts a statement into names in quotes, parameters, words and signs; a name's quotes are undone.
struct Pieces {
  std::set<std::string> names;
  std::set<std::string> words;
  std::set<std::string> signs;
  std::set<std::size_t> parameters;
  bool whole = true;
};

std::size_t end_of_name(std::string_view sql, std::size_t at, std::string& name) {
  for (++at; at < sql.size(); ++at) {
    if (sql[at] != '"') {
      name += sql[at];
    } else if (at + 1 < sql.size() && sql[at + 1] == '"') {
      name += sql[++at];
    } else {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

Pieces cut(std::string_view sql) {
  Pieces pieces;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t at = 0; at < sql.size();) {
    const char c = sql[at];
    const std::size_t begin = at;
    if (c == '"') {
      std::string name;
      at = end_of_name(sql, at, name);
      if (at == std::string_view::npos) return pieces.whole = false, pieces;
      pieces.names.insert(name);
    } else if (c == '$') {
      while (++at < sql.size() && std::isdigit(static_cast<unsigned char>(sql[at])) != 0) {
      }
      pieces.parameters.insert(std::stoul(std::string(sql.substr(begin + 1, at - begin - 1))));
    } else if (is_word(c)) {
      while (at < sql.size() && is_word(sql[at])) ++at;
      pieces.words.insert(std::string(sql.substr(begin, at - begin)));
    } else {
      pieces.signs.insert(std::string(1, c));
      ++at;
    }
  }
  return pieces;
}

/// A table whose names are as bad as Postgres lets them be.
TableSchema hostile_table() {
  TableSchema table = things();
  table.schema = R"(pub"lic; drop schema public; --)";
  table.name = R"(things"" where 1=1 --)";
  table.columns[3].name = R"(title"; select '$1' --)";
  table.columns[5].name = R"(" OR ""="")";
  return table;
}

std::string random_text(std::mt19937& random) {
  static const Words kEvil{"'",  "\"", ";", "--",       "/*",      "*/",          "$1",     "$$",
                           "\\", ")",  "(", " or 1=1 ", "select ", "pg_catalog.", "::text", "%",
                           "_",  "\n", "λ", "E'",       "U&\"",    "OPERATOR(",   "null",   "\x01"};
  std::string text;
  for (auto n = random() % 6; n > 0; --n) text += kEvil[random() % kEvil.size()];
  return text;
}

ParsedCondition random_leaf(const TableSchema& table, std::mt19937& random) {
  ParsedCondition leaf;
  // Mostly what binds: text, compared as text is.
  static constexpr std::array<std::size_t, 5> kTexts{3, 4, 5, 16, 17};
  static constexpr std::array kOfTexts{Op::eq, Op::ne, Op::in, Op::not_in, Op::like, Op::starts_with};
  const bool text = random() % 4 != 0;
  leaf.column = table.columns[text ? kTexts[random() % kTexts.size()] : random() % table.columns.size()].name;
  if (random() % 50 == 0) leaf.column = random_text(random);
  leaf.op = text ? kOfTexts[random() % kOfTexts.size()]
                 : static_cast<Op>(random() % (static_cast<int>(Op::has) + 1));
  for (auto n = leaf.op == Op::is_null || leaf.op == Op::is_not_null ? 0 : 1 + random() % 2; n > 0; --n) {
    const bool digits = random() % 3 == 0;
    leaf.values.push_back(
        {digits && random() % 2 == 0 ? ParsedLiteral::Kind::number : ParsedLiteral::Kind::string,
         digits ? std::to_string(random() % 1'000) : random_text(random)});
  }
  if (random() % 8 == 0) leaf.path = {{random_text(random), false}, {"1", true}};
  leaf.as_text = !leaf.path.empty() && random() % 2 == 0;
  if (random() % 20 == 0) leaf.other = table.columns[random() % table.columns.size()].name;
  return leaf;
}

ParsedCondition random_condition(const TableSchema& table, std::mt19937& random, int depth) {
  if (depth == 0 || random() % 3 == 0) return random_leaf(table, random);
  static constexpr std::array kGroups{Op::all_of,  Op::any_of,   Op::negation,
                                      Op::is_true, Op::is_false, Op::is_unknown};
  ParsedCondition group;
  group.op = kGroups[random() % kGroups.size()];
  for (auto n = group.op == Op::all_of || group.op == Op::any_of ? 2 : 1; n > 0; --n)
    group.children.push_back(random_condition(table, random, depth - 1));
  return group;
}

TEST(InjectionTest, rule_21_a_statement_is_made_of_our_words_the_catalogue_s_names_and_parameters) {
  const std::uint32_t seed = test_seed();
  std::mt19937 random(seed);
  const TableSchema table = hostile_table();
  std::set<std::string> names{table.schema, table.name, "C"};
  for (const ColumnSchema& column : table.columns) names.insert(column.name);
  const std::set<std::string> words{
      "SELECT", "FROM",      "WHERE",       "AND",      "OR",      "NOT",      "IS",         "NULL", "TRUE",
      "FALSE",  "ANY",       "ALL",         "ARRAY",    "COLLATE", "OPERATOR", "pg_catalog", "bool", "int2",
      "int4",   "int8",      "numeric",     "float4",   "float8",  "text",     "bpchar",     "uuid", "date",
      "time",   "timestamp", "timestamptz", "interval", "bytea",   "jsonb"};
  const std::set<std::string> signs{" ", ",", ".", "(", ")", "[", "]", ":", "=", "<", ">",
                                    "~", "*", "^", "@", "&", "?", "-", "+", "/", "%"};
  const auto shared_table = shared(table);
  int bound = 0;
  std::size_t parameters = 0;
  for (int i = 0; i < 50'000; ++i) {
    ParsedQuery parsed{"t", {}, {random_condition(table, random, static_cast<int>(random() % 4))}};
    parsed.columns = {table.columns[random() % 4].name};
    const auto query = Query::bind(parsed, shared_table);
    if (!query) continue;
    ++bound;
    const SqlText sql = (*query)->to_sql();
    const Pieces pieces = cut(sql.text);
    ASSERT_TRUE(pieces.whole) << sql.text;
    ASSERT_TRUE(std::includes(names.begin(), names.end(), pieces.names.begin(), pieces.names.end()))
        << sql.text;
    ASSERT_TRUE(std::includes(words.begin(), words.end(), pieces.words.begin(), pieces.words.end()))
        << sql.text;
    ASSERT_TRUE(std::includes(signs.begin(), signs.end(), pieces.signs.begin(), pieces.signs.end()))
        << sql.text;
    ASSERT_EQ(pieces.parameters.size(), sql.parameters.size()) << sql.text;
    ASSERT_TRUE(pieces.parameters.empty() || *pieces.parameters.rbegin() == sql.parameters.size())
        << sql.text;
    parameters += sql.parameters.size();
  }
  std::printf("seed %u: %d statements, %zu parameters\n", seed, bound, parameters);
  EXPECT_GT(bound, 5'000);
  EXPECT_GT(parameters, 5'000u);
}

}  // namespace
}  // namespace tidegate::query
