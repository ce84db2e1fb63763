// Invariants: the net changes of a transaction, applied to a query's result before it, give the result after
// it; each key stands once; an insert's key was absent, an update's and a remove's present; an update changes
// something (rule 25).

#include "matcher/roster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/testing.h"
#include "matcher/testing.h"

namespace tidegate::matcher {
namespace {

using protocol::ChangeKind;
using Held = std::map<std::string, std::string>;  // key JSON -> row JSON

Matched matched(const std::string& key, std::shared_ptr<const query::Query> query) {
  return {.key = key, .partition = Partition(0), .activation = Activation(1), .query = query};
}

constexpr std::string_view kEu =
    R"({"columns":["id","region"],"where":[{"column":"region","op":"=","value":"eu"}]})";

Held result(const query::Query& query, const std::vector<query::Row>& table) {
  Held result;
  for (const auto& row : table) {
    if (!query.matches(row)) continue;
    std::string key, json;
    query.append_key_json(key, row);
    query.append_row_json(json, row);
    result[key] = json;
  }
  return result;
}

/// Applies strictly: what does not fit fails the test. Where old values are not told an update may change
/// nothing.
void apply(const Net& net, Held& result, bool told = true) {
  if (net.replaces()) result.clear();
  std::map<std::string, int> seen;
  for (const auto& change : net.changes()) {
    EXPECT_EQ(++seen[change.key], 1) << "key twice: " << change.key;
    switch (change.kind) {
      case ChangeKind::insert:
        EXPECT_FALSE(result.contains(change.key)) << change.key;
        result[change.key] = change.row;
        break;
      case ChangeKind::update:
        EXPECT_TRUE(result.contains(change.key)) << change.key;
        EXPECT_TRUE(!told || result[change.key] != change.row);
        result[change.key] = change.row;
        break;
      case ChangeKind::remove:
        EXPECT_EQ(result.erase(change.key), 1U) << change.key;
        EXPECT_TRUE(change.row.empty());
        break;
    }
  }
}

/// A table and random statements on it, which tell the changes that they make.
struct Table {
  std::vector<query::Row> rows;
  std::mt19937_64& random;
  bool deferrable = true;

  int free_id() {
    for (;;) {
      const int id = static_cast<int>(pick(random, 12));
      const auto taken = [&](const query::Row& row) { return row[0] == std::to_string(id); };
      if (std::none_of(rows.begin(), rows.end(), taken)) return id;
    }
  }
  query::Row& any() { return rows[pick(random, rows.size())]; }

  void replace(query::Row& row, query::Row with, std::vector<source::Change>& changes) {
    changes.push_back(updated(row, with));
    row = std::move(with);
  }
  void statement(std::vector<source::Change>& changes) {
    const auto what = pick(random, 40);
    if (what == 0) {
      changes.push_back(truncated());
      rows.clear();
    } else if (rows.size() < 3 || (what < 10 && rows.size() < 9)) {
      rows.push_back(random_order(random, free_id()));
      changes.push_back(inserted(rows.back()));
    } else if (what < 18) {
      auto victim = rows.begin() + static_cast<std::ptrdiff_t>(pick(random, rows.size()));
      changes.push_back(removed(*victim));
      rows.erase(victim);
    } else if (what < 30) {
      query::Row& row = any();
      replace(row, random_order(random, std::stoi(*row[0])), changes);
    } else if (what < 36) {
      replace(any(), random_order(random, free_id()), changes);
    } else if (deferrable) {
      swap_keys(any(), any(), changes);
    }
  }
  /// As a deferrable key allows: for a moment two rows have one key.
  void swap_keys(query::Row& a, query::Row& b, std::vector<source::Change>& changes) {
    if (&a == &b) return;
    query::Row new_a = a, new_b = b;
    std::swap(new_a[0], new_b[0]);
    replace(a, new_a, changes);
    replace(b, new_b, changes);
  }
};

/// Gives its changes one by one, each anew: what is not kept by its pointer is gone.
class Stored final : public source::StoredChanges {
 public:
  explicit Stored(std::vector<source::Change> changes) : changes_(std::move(changes)) {}
  [[nodiscard]] std::size_t size() const override { return changes_.size(); }
  Status each(const source::VisitChange& visit) const override {
    for (const auto& change : changes_) visit(std::make_shared<const source::Change>(change));
    return {};
  }

 private:
  std::vector<source::Change> changes_;
};

TEST(Roster, Rule25NetChangesTurnTheResultBeforeIntoTheResultAfter) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Roster roster;
  std::map<std::string, std::shared_ptr<const query::Query>> queries;
  for (int i = 0; i < 30; ++i) {
    const std::string key = "q" + std::to_string(i);
    queries[key] = random_query(random);
    roster.add(matched(key, queries[key]));
  }
  Table table{{}, random};
  for (std::uint64_t lsn = 1; lsn < 1'500; ++lsn) {
    std::map<std::string, Held> results;
    for (const auto& [key, query] : queries) results[key] = result(*query, table.rows);
    std::vector<source::Change> changes;
    for (auto count = 1 + pick(random, 8); count > 0; --count) table.statement(changes);
    auto committed = transaction(lsn, lsn, {});
    if (lsn % 2 == 0) {
      committed.changes = std::move(changes);
    } else {
      committed.changes = source::Changes(std::make_shared<Stored>(std::move(changes)));
    }
    Roster::Tally tally;
    std::vector<Reshaped> reshaped;
    const auto effects = roster.match(committed, tally, reshaped);
    ASSERT_TRUE(effects.ok());
    for (const auto& effect : *effects) {
      apply(effect.net, results[effect.matched->key]);
    }
    for (const auto& [key, query] : queries) {
      ASSERT_EQ(results[key], result(*query, table.rows)) << query->canonical() << " at " << lsn;
    }
    ASSERT_TRUE(reshaped.empty());
  }
}

/// `orders` where changes tell id and region of old rows alone.
const std::shared_ptr<const query::TableSchema>& orders_in_part() {
  static const std::shared_ptr<const query::TableSchema> table = [] {
    auto part = orders_schema();
    for (auto& column : part->columns) column.old_told = column.name == "id" || column.name == "region";
    part->key_immediate = true;
    return part;
  }();
  return table;
}

std::shared_ptr<const query::Query> query_in_part(std::string_view json) {
  auto bound = query::Query::bind(*query::parse_json(json), orders_in_part());
  EXPECT_TRUE(bound.ok()) << (bound ? "" : bound.error().message);
  return *bound;
}

source::Change in_part(source::Change change) {
  change.table = orders_in_part();
  if (change.old_row) (*change.old_row)[2] = (*change.old_row)[3] = std::nullopt;
  return change;
}

TEST(Roster, rule_25_net_changes_are_exact_where_old_rows_are_told_in_part) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Roster roster;
  std::map<std::string, std::shared_ptr<const query::Query>> queries;
  for (const std::string where :
       {"", R"({"column":"region","op":"=","value":"eu"})", R"({"column":"id","op":">","value":5})",
        R"({"column":"region","op":"<>","value":"us"})", R"({"column":"id","op":"=","value":3})"}) {
    const std::string key = "q" + std::to_string(queries.size());
    queries[key] = query_in_part(R"({"columns":["total"],"where":[)" + where + "]}");
    roster.add(matched(key, queries[key]));
  }
  Table table{{}, random, false};
  for (std::uint64_t lsn = 1; lsn < 1'500; ++lsn) {
    std::map<std::string, Held> results;
    for (const auto& [key, query] : queries) results[key] = result(*query, table.rows);
    std::vector<source::Change> changes;
    for (auto count = 1 + pick(random, 8); count > 0; --count) table.statement(changes);
    for (auto& change : changes) change = in_part(std::move(change));
    const auto committed = transaction(lsn, lsn, std::move(changes));
    Roster::Tally tally;
    std::vector<Reshaped> reshaped;
    const auto effects = roster.match(committed, tally, reshaped);
    ASSERT_TRUE(effects.ok());
    for (const auto& effect : *effects) apply(effect.net, results[effect.matched->key], false);
    for (const auto& [key, query] : queries) {
      ASSERT_EQ(results[key], result(*query, table.rows)) << query->canonical() << " at " << lsn;
    }
    ASSERT_TRUE(reshaped.empty());
  }
}

TEST(Roster, rule_25_a_value_that_is_not_told_resets_who_names_it_and_nobody_else) {
  Roster roster;
  roster.add(matched("titles", query_in_part(R"({"columns":["title"]})")));
  roster.add(matched("totals", query_in_part(R"({"columns":["total"]})")));
  source::Change change = in_part(updated(order(1, "eu", "1"), order(1, "eu", "2", std::nullopt)));
  change.left_out = {3};
  const auto committed = transaction(10, 1, {change});
  Roster::Tally tally;
  std::vector<Reshaped> reshaped;
  const auto effects = roster.match(committed, tally, reshaped);
  ASSERT_TRUE(effects.ok());
  ASSERT_EQ(effects->size(), 2u);
  for (const Effect& effect : *effects) {
    EXPECT_EQ(effect.reset.empty(), effect.matched->key == "totals");
    EXPECT_EQ(effect.net.changes().size(), effect.matched->key == "totals" ? 1u : 0u);
  }
}

TEST(Roster, rule_7_another_column_of_the_same_name_replaces_what_names_it) {
  auto before = orders_schema();
  for (std::size_t i = 0; i < before->columns.size(); ++i)
    before->columns[i].number = static_cast<std::uint32_t>(i + 1);
  auto after = std::make_shared<query::TableSchema>(*before);
  after->columns[2].number = 9;  // total
  Roster roster;
  for (const std::string column : {"total", "title"}) {
    auto parsed = query::parse_json(R"({"columns":["id",")" + column + R"("]})");
    roster.add(matched(column, *query::Query::bind(*parsed, before)));
  }
  const Reshaped reshaped = roster.reshape(after);
  ASSERT_EQ(reshaped.replaced.size(), 1u);
  EXPECT_EQ(reshaped.replaced[0].key, "total");
  EXPECT_TRUE(reshaped.unbound.empty());
  EXPECT_TRUE(roster.reshape(after).replaced.empty());
}

TEST(Roster, rule_25_an_identity_that_tells_less_ends_the_queries_that_need_more) {
  Roster roster;
  roster.add(matched("totals", orders_query(R"({"where":[{"column":"total","op":">","value":1}]})")));
  roster.add(matched("regions", orders_query(kEu)));
  const auto committed = transaction(10, 1,
                                     {updated(order(1, "eu", "1"), order(1, "eu", "2")),
                                      in_part(updated(order(1, "eu", "2"), order(1, "us", "3")))});
  Roster::Tally tally;
  std::vector<Reshaped> reshaped;
  const auto effects = roster.match(committed, tally, reshaped);
  ASSERT_TRUE(effects.ok());
  ASSERT_EQ(reshaped.size(), 1u);
  ASSERT_EQ(reshaped[0].unbound.size(), 1u);
  EXPECT_EQ(reshaped[0].unbound[0].key, "totals");
  EXPECT_NE(reshaped[0].unbound[0].message.find("\"total\""), std::string::npos)
      << reshaped[0].unbound[0].message;
  ASSERT_EQ(effects->size(), 1u);
  EXPECT_EQ(effects->front().matched->key, "regions");
}

class OneQuery : public testing::Test {
 protected:
  std::vector<Effect> match(std::vector<source::Change> changes) {
    committed_ = transaction(10, 1, std::move(changes));
    reshaped_.clear();
    auto effects = roster_.match(committed_, tally_, reshaped_);
    EXPECT_TRUE(effects.ok());
    return std::move(*effects);
  }
  std::vector<protocol::RowChange> changes(std::vector<source::Change> of) {
    auto effects = match(std::move(of));
    return effects.empty() ? std::vector<protocol::RowChange>{} : effects.front().net.changes();
  }
  void watch(std::string_view json) { roster_.add(matched("q", orders_query(json))); }

  Roster roster_;
  Roster::Tally tally_;
  std::vector<Reshaped> reshaped_;
  source::Transaction committed_;
};

TEST_F(OneQuery, Rule25ARowThatLeavesTheResultShowsItsKeyOnly) {
  watch(kEu);
  const auto net = changes({updated(order(1, "eu", "1"), order(1, "us", "2", "secret"))});
  ASSERT_EQ(net.size(), 1U);
  EXPECT_EQ(net[0].kind, ChangeKind::remove);
  EXPECT_EQ(net[0].key, "[1]");
  EXPECT_TRUE(net[0].row.empty());
}

TEST_F(OneQuery, Rule25ARowThatEntersIsAnInsertOfTheWholeRow) {
  watch(kEu);
  const auto net = changes({updated(order(1, "us", "1"), order(1, "eu", "2"))});
  ASSERT_EQ(net.size(), 1U);
  EXPECT_EQ(net[0].kind, ChangeKind::insert);
  EXPECT_EQ(net[0].row, R"({"id":1,"region":"eu"})");
}

TEST_F(OneQuery, Rule25AChangedKeyIsARemoveAndAnInsert) {
  watch(kEu);
  const auto net = changes({updated(order(1, "eu", "1"), order(2, "eu", "1"))});
  ASSERT_EQ(net.size(), 2U);
  EXPECT_EQ(net[0].kind, ChangeKind::remove);
  EXPECT_EQ(net[1].kind, ChangeKind::insert);
  EXPECT_EQ(net[1].key, "[2]");
}

TEST_F(OneQuery, WhatTheProjectionDoesNotShowIsNoChange) {
  watch(kEu);
  EXPECT_TRUE(changes({updated(order(1, "eu", "1", "a"), order(1, "eu", "2", "b"))}).empty());
  EXPECT_TRUE(changes({inserted(order(3, "eu", "1")), removed(order(3, "eu", "1"))}).empty());
  EXPECT_TRUE(changes({removed(order(4, "eu", "1")), inserted(order(4, "eu", "9"))}).empty());
}

TEST_F(OneQuery, Rule13TruncateReplacesTheResultByWhatFollowsIt) {
  watch(kEu);
  const auto effects =
      match({inserted(order(1, "eu", "1")), truncated(), inserted(order(2, "eu", "1")),
             inserted(order(3, "us", "1")), inserted(order(4, "eu", "1")), removed(order(4, "eu", "1"))});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(effects[0].net.replaces());
  const auto net = effects[0].net.changes();
  ASSERT_EQ(net.size(), 1U);
  EXPECT_EQ(net[0].key, "[2]");
  EXPECT_EQ(net[0].kind, ChangeKind::insert);
}

TEST_F(OneQuery, Rule25AChangeWithoutItsOldRowResetsInsteadOfGuessing) {
  watch(kEu);
  source::Change change{orders(), source::ChangeKind::update, {}, order(1, "eu", "1")};
  const auto effects = match({change});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_FALSE(effects[0].reset.empty());
}

source::Change reshaped_insert(const std::shared_ptr<query::TableSchema>& shape, query::Row row) {
  return {shape, source::ChangeKind::insert, {}, std::move(row)};
}

TEST_F(OneQuery, GoesOnUnderANewShapeThatLeavesItsColumnsAlone) {
  watch(kEu);
  auto shape = orders_schema();
  shape->columns.insert(shape->columns.begin() + 1, shape->columns[3]);
  shape->columns[1].name = "note";
  const auto effects = match({reshaped_insert(shape, {"1", "n", "eu", "2", "t"})});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(effects[0].net.changes()[0].row, R"({"id":1,"region":"eu"})");
  ASSERT_EQ(reshaped_.size(), 1U);
  EXPECT_TRUE(reshaped_[0].unbound.empty());
  EXPECT_EQ(effects[0].reset, "");
}

TEST_F(OneQuery, IsResetWhereTheShapeChangesInsideItsTransaction) {
  watch(kEu);
  auto shape = orders_schema();
  shape->columns.push_back(shape->columns[3]);
  shape->columns[4].name = "note";
  const auto effects =
      match({inserted(order(1, "eu", "1")), reshaped_insert(shape, {"2", "eu", "2", "t", "n"})});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_FALSE(effects[0].reset.empty());
}

TEST_F(OneQuery, IsUnboundByAShapeThatLacksItsColumn) {
  watch(kEu);
  auto shape = orders_schema();
  shape->columns[1].name = "area";
  EXPECT_TRUE(match({inserted(order(1, "eu", "1")), reshaped_insert(shape, {"2", "eu", "2", "t"})}).empty());
  ASSERT_EQ(reshaped_.size(), 1U);
  ASSERT_EQ(reshaped_[0].unbound.size(), 1U);
  EXPECT_EQ(reshaped_[0].unbound[0].key, "q");
  EXPECT_EQ(roster_.size(), 0U);
}

TEST_F(OneQuery, rule_22_a_numeric_that_loses_its_precision_ends_the_query_that_computes_with_it) {
  auto before = orders_schema();
  before->columns[2].declared = "numeric(10,2)";
  const auto parsed = query::parse_json(R"({"where":[{"column":["*","total",2],"op":">","value":1}]})");
  const auto query = query::Query::bind(*parsed, before);
  ASSERT_TRUE(query.ok()) << query.error().message;
  roster_.add(matched("q", *query));
  EXPECT_TRUE(match({reshaped_insert(orders_schema(), {"2", "eu", "2", "t"})}).empty());
  ASSERT_EQ(reshaped_.size(), 1U);
  ASSERT_EQ(reshaped_[0].unbound.size(), 1U);
  EXPECT_EQ(reshaped_[0].unbound[0].key, "q");
}

TEST_F(OneQuery, IsToldWhenItsRowsAreToldApartByOtherColumns) {
  roster_.add(matched("q", orders_query(R"({"columns":["id","region"]})")));
  auto shape = orders_schema();
  shape->key = {1};
  const auto reshaped = roster_.reshape(shape);
  ASSERT_EQ(reshaped.replaced.size(), 1U);
}

TEST_F(OneQuery, ANewQueryIsBoundToTheShapeThatTheStreamHas) {
  watch(kEu);
  auto shape = orders_schema();
  shape->columns.push_back(shape->columns[3]);
  shape->columns[4].name = "note";
  ASSERT_TRUE(match({reshaped_insert(shape, {"2", "us", "2", "t", "n"})}).empty());
  // The catalogue is behind the stream here, or ahead of it: what counts is what the rows look like.
  auto bound = roster_.bind(orders_query(R"({"columns":["id"]})")->canonical(), query::Catalogue({orders()}));
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ((*bound)->table().columns.size(), 5U);
}

/// Inserts of many rows, those of `eu` rare, made as they are read.
class Flood final : public source::StoredChanges {
 public:
  explicit Flood(int rows) : rows_(rows) {}
  [[nodiscard]] std::size_t size() const override { return static_cast<std::size_t>(rows_); }
  Status each(const source::VisitChange& visit) const override {
    for (int id = 0; id < rows_; ++id) {
      visit(std::make_shared<const source::Change>(inserted(order(id, id % 1'000 == 0 ? "eu" : "us", "1"))));
    }
    return {};
  }

 private:
  int rows_;
};

TEST(Roster, rule_6_a_million_changes_are_netted_within_the_bound_and_only_the_large_nets_are_given_up) {
  constexpr std::size_t kBound = std::size_t{8} << 20;
  Roster roster(kBound);
  roster.add(matched("all", orders_query("{}")));
  roster.add(matched("us", orders_query(R"({"where":[{"column":"region","op":"=","value":"us"}]})")));
  roster.add(matched("eu", orders_query(R"({"where":[{"column":"region","op":"=","value":"eu"}]})")));
  source::Transaction flood = transaction(10, 1, {});
  flood.changes = source::Changes(std::make_shared<Flood>(1'000'000));
  Roster::Tally tally;
  std::vector<Reshaped> reshaped;
  const auto effects = roster.match(flood, tally, reshaped);
  ASSERT_TRUE(effects.ok());
  ASSERT_EQ(effects->size(), 3U);
  for (const auto& effect : *effects) {
    EXPECT_EQ(effect.reset.empty(), effect.matched->key == "eu") << effect.matched->key;
    EXPECT_EQ(effect.net.changes().size(), effect.matched->key == "eu" ? 1'000U : 0U) << effect.matched->key;
  }
  EXPECT_EQ(tally.given_up, 2U);
  EXPECT_LT(tally.netting_bytes, kBound + 10'000);
}

TEST(Roster, rule_6_a_row_written_a_hundred_thousand_times_is_one_change_and_holds_one_row) {
  class Counting final : public source::StoredChanges {
   public:
    [[nodiscard]] std::size_t size() const override { return 100'000; }
    Status each(const source::VisitChange& visit) const override {
      for (int i = 0; i < 100'000; ++i) {
        visit(std::make_shared<const source::Change>(
            updated(order(1, "eu", std::to_string(i)), order(1, "eu", std::to_string(i + 1)))));
      }
      return {};
    }
  };
  Roster roster(std::size_t{64} << 10);
  roster.add(matched("q", orders_query("{}")));
  source::Transaction counted = transaction(10, 1, {});
  counted.changes = source::Changes(std::make_shared<Counting>());
  Roster::Tally tally;
  std::vector<Reshaped> reshaped;
  const auto effects = roster.match(counted, tally, reshaped);
  ASSERT_TRUE(effects.ok());
  const auto changes = effects->at(0).net.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].row, R"({"id":1,"region":"eu","total":"100000","title":"t"})");
  EXPECT_LT(tally.netting_bytes, 10'000U);
}

TEST(Roster, rule_6_changes_that_can_not_be_read_back_are_an_error_and_no_effect) {
  class Broken final : public source::StoredChanges {
   public:
    [[nodiscard]] std::size_t size() const override { return 2; }
    Status each(const source::VisitChange& visit) const override {
      visit(std::make_shared<const source::Change>(inserted(order(1, "eu", "1"))));
      return Error{Fault::fatal, "the disk"};
    }
  };
  Roster roster;
  roster.add(matched("q", orders_query("{}")));
  source::Transaction broken = transaction(10, 1, {});
  broken.changes = source::Changes(std::make_shared<Broken>());
  Roster::Tally tally;
  std::vector<Reshaped> reshaped;
  EXPECT_FALSE(roster.match(broken, tally, reshaped).ok());
}

}  // namespace
}  // namespace tidegate::matcher
