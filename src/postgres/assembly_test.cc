// Invariants: a transaction is given whole or not at all; a change never lacks a value; what can't be is
// `fatal`.
#include "postgres/assembly.h"

#include <gtest/gtest.h>

#include "postgres/relations.h"

namespace tidegate::postgres {
namespace {

using query::Row;

std::shared_ptr<const query::TableSchema> table_of(std::string refusal = "") {
  query::TableSchema table;
  table.schema = "public";
  table.name = "t";
  table.columns.resize(2);
  table.columns[0].name = "id";
  table.columns[1].name = "body";
  table.key = {0};
  table.refusal = std::move(refusal);
  return std::make_shared<const query::TableSchema>(table);
}

const Tuple kOne = {{CellKind::text, "1"}, {CellKind::text, "body"}};
const Tuple kUnchanged = {{CellKind::text, "2"}, {CellKind::unchanged, {}}};

class AssemblyTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(assembly_.begin({100, 5, 7}, Xid(7)).ok()); }
  void expect_fatal(const Status& status) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fault, Fault::fatal);
    EXPECT_EQ(status.error().message.find("body of"), std::string::npos) << "no values in errors";
  }
  Assembly assembly_;
  std::shared_ptr<const query::TableSchema> table_ = table_of();
};

TEST_F(AssemblyTest, TakesUnchangedValuesFromTheOldRow) {
  ASSERT_TRUE(assembly_.update(table_, {1, OldKind::whole, kOne, kUnchanged}).ok());
  const auto transaction = assembly_.commit({100, 120, 5});
  ASSERT_TRUE(transaction.ok());
  EXPECT_EQ(*transaction->changes.at(0).new_row, (Row{"2", "body"}));
  EXPECT_EQ(transaction->lsn, Lsn(100));
  EXPECT_EQ(transaction->xid, Xid(7));
  EXPECT_FALSE(assembly_.open());
}

TEST_F(AssemblyTest, RefusesARowThatLacksAValue) {
  expect_fatal(assembly_.insert(table_, kUnchanged));
  expect_fatal(assembly_.update(table_, {1, OldKind::none, {}, kOne}));
  expect_fatal(assembly_.update(table_, {1, OldKind::key, kOne, kOne}));
  expect_fatal(assembly_.remove(table_, {1, OldKind::key, kOne}));
  expect_fatal(assembly_.insert(table_, {kOne[0]}));
  expect_fatal(assembly_.insert(table_, {kOne[0], kOne[0], kOne[0]}));
}

TEST_F(AssemblyTest, RefusesWhatIsOutOfOrder) {
  expect_fatal(assembly_.begin({200, 5, 8}, Xid(8)));
  EXPECT_FALSE(assembly_.commit({101, 120, 5}).ok()) << "another transaction's commit";
  EXPECT_TRUE(assembly_.commit({100, 120, 5}).ok());
  EXPECT_FALSE(assembly_.commit({100, 120, 5}).ok());
  expect_fatal(assembly_.insert(table_, kOne));
  expect_fatal(assembly_.truncate(table_));
}

TEST_F(AssemblyTest, DropsAndCountsChangesOfRefusedTables) {
  const auto refused = table_of("no key");
  ASSERT_TRUE(assembly_.insert(refused, kOne).ok());
  ASSERT_TRUE(assembly_.update(refused, {1, OldKind::none, {}, kUnchanged}).ok());
  ASSERT_TRUE(assembly_.remove(refused, {1, OldKind::key, kOne}).ok());
  ASSERT_TRUE(assembly_.truncate(refused).ok());
  EXPECT_EQ(assembly_.refused(), 4u);
  EXPECT_TRUE(assembly_.commit({100, 120, 5})->changes.empty());
}

TEST_F(AssemblyTest, ForgetsWhatABrokenConnectionBegan) {
  ASSERT_TRUE(assembly_.insert(table_, kOne).ok());
  assembly_.abandon();
  ASSERT_TRUE(assembly_.begin({100, 5, 7}, Xid(7)).ok());
  EXPECT_TRUE(assembly_.commit({100, 120, 5})->changes.empty());
}

Relation streamed() {
  return {9, "public", "t", 'f', {{true, "id", 20, -1}, {true, "body", 25, -1}}};
}
TableDescription current() {
  TableDescription now;
  now.table = *table_of();
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
  EXPECT_NE(merge(other, current(), kTypes).refusal.find("is nothing, not full"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::postgres
