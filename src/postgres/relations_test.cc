// Invariants: a table has the stream's columns and the catalogue's knowledge of them; what is not known is
// not promised.
#include "postgres/relations.h"

#include <gtest/gtest.h>

namespace tidegate::postgres {
namespace {

query::TableSchema table() {
  query::TableSchema table;
  table.schema = "public";
  table.name = "t";
  table.columns.resize(2);
  table.columns[0].name = "id";
  table.columns[1].name = "body";
  table.key = {0};
  return table;
}

Relation streamed() {
  return {9, "public", "t", 'f', {{true, "id", 20, -1}, {true, "body", 25, -1}}};
}
TableDescription current() {
  TableDescription now;
  now.table = table();
  now.table.relation = 9;
  now.table.columns[0].type = query::Type::int8;
  now.table.columns[1].type = query::Type::text;
  now.table.columns[1].bytewise = true;
  now.types = {20, 25};
  return now;
}
const std::map<std::uint32_t, TypeInfo> kTypes = {{20, {query::Type::int8, query::Type::other, "bigint"}},
                                                  {25, {query::Type::text, query::Type::other, "text"}}};

TEST(Merge, TakesColumnsFromTheStreamAndTheirKnowledgeFromTheCatalogue) {
  TableDescription now = current();
  now.table.columns.emplace_back();  // added after the change
  now.table.columns[2].name = "later";
  now.types.push_back(25);
  const query::TableSchema table = merge(streamed(), now, kTypes);
  ASSERT_EQ(table.columns.size(), 2u);
  EXPECT_TRUE(table.columns[1].bytewise);
  EXPECT_EQ(table.key, std::vector<int>{0});
  EXPECT_EQ(table.refusal, "");
}

TEST(Merge, PromisesNothingOfAColumnThatChangedItsType) {
  TableDescription now = current();
  now.types[1] = 1700;
  const query::TableSchema table = merge(streamed(), now, kTypes);
  EXPECT_EQ(table.columns[1].type, query::Type::text);
  EXPECT_FALSE(table.columns[1].bytewise);
  EXPECT_FALSE(table.columns[1].deterministic);
}

TEST(Merge, RefusesATableThatIsGoneOrWhoseKeyMoves) {
  EXPECT_NE(merge(streamed(), std::nullopt, kTypes).refusal, "");
  TableDescription now = current();
  now.table.columns[0].name = "renamed";
  EXPECT_NE(merge(streamed(), now, kTypes).refusal, "");
  Relation other = streamed();
  other.replica_identity = 'n';
  for (RelationColumn& column : other.columns) column.identity = false;
  EXPECT_NE(merge(other, current(), kTypes).refusal.find("is nothing"), std::string::npos);
}

TEST(Merge, rule_25_TakesWhatIsToldOfOldRowsFromTheStream) {
  Relation then = streamed();
  then.replica_identity = 'd';
  then.columns[1].identity = false;
  const query::TableSchema table = merge(then, current(), kTypes);
  EXPECT_EQ(table.refusal, "") << "the key is told";
  EXPECT_TRUE(table.columns[0].old_told);
  EXPECT_FALSE(table.columns[1].old_told) << "whatever the catalogue says now";
  EXPECT_EQ(table.identity_remedy, "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL");
  TableDescription later = current();
  later.table.columns[1].old_told = false;
  EXPECT_TRUE(merge(streamed(), later, kTypes).columns[1].old_told);
  later.partitioned = true;
  EXPECT_FALSE(merge(streamed(), later, kTypes).columns[1].old_told)
      << "a partition tells less than its root";
}

}  // namespace
}  // namespace tidegate::postgres
