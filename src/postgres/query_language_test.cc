// Rules 21 and 22, against the real database: over random tables, rows and predicates of every operator and
// type our evaluator chooses the rows that PostgreSQL chooses, both for our canonical SQL and for the
// client's own text; no predicate raises an error over any row; other spellings of it have the same hash.
// TIDEGATE_SEED repeats a run, TIDEGATE_LONG=1 makes it long.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/testing.h"
#include "matcher/predicate_index.h"
#include "postgres/random_predicates.h"
#include "postgres/testing.h"
#include "query/query.h"

namespace tidegate::postgres {
namespace {

constexpr int kRows = 160;
constexpr int kColumnsATable = 9;  // of each two
constexpr std::size_t kPairsMin = 100'000;

using Ids = std::set<std::string>;

class QueryLanguageTest : public DatabaseTest {
 protected:
  QueryLanguageTest() : seed_(seed()), random_(seed_) {}
  static unsigned seed() { return test_seed(); }
  static bool is_long() {
    const char* given = std::getenv("TIDEGATE_LONG");
    return given != nullptr && std::string(given) == "1";
  }

  void SetUp() override {
    DatabaseTest::SetUp();
    sql_->exec("set timezone = 'UTC'; create type mood as enum ('low', 'the \"high\" one', 'it''s')");
    sql_->exec("create publication tidegate");
  }

  /// A table of two columns of each of the kinds, in any order, with rows.
  void make_table(const std::string& name, const std::vector<const Kind*>& kinds) {
    columns_.clear();
    std::vector<std::pair<std::string, const Kind*>> all;
    for (const Kind* kind : kinds) {
      columns_.push_back({kind, kind->name, "other_" + kind->name});
      all.emplace_back(kind->name, kind);
      all.emplace_back("other_" + kind->name, kind);
    }
    std::shuffle(all.begin(), all.end(), random_.engine());
    std::string declared = "id int8 primary key";
    std::string insert = "insert into " + name + " values ($1::int8";
    for (std::size_t i = 0; i < all.size(); ++i) {
      declared += ", " + all[i].first + " " + all[i].second->declared;
      insert += ", $" + std::to_string(i + 2);
    }
    sql_->exec("create table " + name + " (" + declared + "); alter table " + name +
               " replica identity full; alter publication tidegate add table " + name);
    for (int id = 0; id < kRows; ++id) {
      std::vector<std::optional<std::string>> values = {std::to_string(id)};
      for (const auto& [column, kind] : all) values.push_back(cell(*kind));
      sql_->exec(insert + ")", values);
    }
    const auto catalogue =
        std::move(make_source(options(), clock_, metrics_)->open_catalogue()).value()->read();
    ASSERT_TRUE(catalogue.ok());
    catalogue_ = *catalogue;
    table_ = catalogue_.find(name);
    ASSERT_TRUE(table_);
    ASSERT_EQ(table_->refusal, "");
    read_rows();
  }

  std::optional<std::string> cell(const Kind& kind) {
    if (random_.one_in(4)) return std::nullopt;
    std::string value = random_value(kind, random_);
    return value.size() > 20 && kind.name == "label" ? "" : value;
  }

  /// As a snapshot gives them.
  void read_rows() {
    struct Sink final : source::SnapshotSink {
      bool begin(const source::SnapshotInfo&) override { return true; }
      bool row(const query::Row& given) override {
        rows[given[0].value()] = given;
        return true;
      }
      State rows;
    } sink;
    const auto query = query::Query::bind({table_->name, {}, {}}, table_);
    ASSERT_TRUE(query.ok()) << query.error().message;
    auto reader = std::move(make_source(options(), clock_, metrics_)->open_snapshot_reader()).value();
    ASSERT_TRUE(reader->read(**query, sink).ok());
    rows_ = std::move(sink.rows);
    ASSERT_EQ(rows_.size(), static_cast<std::size_t>(kRows));
  }

  Result<std::shared_ptr<const query::Query>> bound(const std::string& predicate) const {
    const auto parsed = query::parse_sql("select id from " + table_->name + " where " + predicate, {});
    if (!parsed) return parsed.error();
    return query::Query::bind(*parsed, table_);
  }

  Ids ours(const query::Query& query) const {
    Ids ids;
    for (const auto& [id, row] : rows_) {
      if (query.matches(row)) ids.insert(id);
    }
    return ids;
  }

  /// What PostgreSQL chooses; an error of its own is the rule's breach.
  Ids theirs(const std::string& sql, const std::vector<std::string>& parameters) {
    Ids ids;
    try {
      for (const auto& row : sql_->exec(sql, {parameters.begin(), parameters.end()}))
        ids.insert(row[0].value());
    } catch (const rig::SqlError& error) {
      ids.insert(std::string("error: ") + error.what());
    }
    return ids;
  }
  Ids canonical(const query::Query& query) {
    const query::SqlText sql = query.to_sql();
    return theirs("select \"id\"" + sql.text.substr(sql.text.find(" FROM \"public\".")), sql.parameters);
  }
  Ids original(const std::string& predicate) {
    return theirs("select id from " + table_->name + " where " + predicate, {});
  }

  /// Empty where all agree; what differs else.
  std::string disagreement(const Node& node) {
    const std::string predicate = spell(node, random_, true);
    const auto query = bound(predicate);
    if (!query) return "";
    const Ids mine = ours(**query);
    for (const auto& [witness, ids] : {std::pair("canonical SQL", canonical(**query)),
                                       std::pair("the client's SQL", original(predicate))}) {
      if (ids == mine) continue;
      std::vector<std::string> differ;
      std::set_symmetric_difference(mine.begin(), mine.end(), ids.begin(), ids.end(),
                                    std::back_inserter(differ));
      std::string row;
      if (rows_.contains(differ.front())) (*whole_row())->append_row_json(row, rows_.at(differ.front()));
      return fmt::format("select … from {} where {}\n{} says {} of {}{}\ncanonical: {}", table_->name,
                         predicate, witness, ids.contains(differ.front()) ? "yes" : "no", row,
                         row.empty() ? differ.front() : "",
                         (*query)->to_sql().text.substr((*query)->to_sql().text.find(" WHERE ")));
    }
    return "";
  }
  Result<std::shared_ptr<const query::Query>> whole_row() const {
    return query::Query::bind({table_->name, {}, {}}, table_);
  }

  /// The smallest part of the tree that still disagrees.
  std::string shrunk(const Node& node, std::string found) {
    for (const Node& child : node.children) {
      if (std::string smaller = disagreement(child); !smaller.empty())
        return shrunk(child, std::move(smaller));
    }
    for (std::size_t i = 0; node.children.size() > 2 && i < node.children.size(); ++i) {
      Node fewer = node;
      fewer.children.erase(fewer.children.begin() + static_cast<std::ptrdiff_t>(i));
      if (std::string smaller = disagreement(fewer); !smaller.empty())
        return shrunk(fewer, std::move(smaller));
    }
    return found;
  }

  /// An index that holds the query alone gives it for its rows and for no others.
  void check_index(const std::shared_ptr<const query::Query>& query, const Ids& ids) {
    matcher::PredicateIndex index;
    index.add(matcher::QueryNumber(1), query);
    std::vector<matcher::Hit> hits;
    for (const auto& [id, row] : rows_) {
      index.probe(table_->relation, nullptr, &row, hits);
      ASSERT_EQ(hits.size(), ids.count(id)) << query->canonical() << " " << id;
    }
  }

  void check(const Columns& columns, const std::string& op) {
    const Node tree = random_tree(random_leaf(columns, op, random_), columns_, random_);
    const std::string predicate = spell(tree, random_, true);
    const auto query = bound(predicate);
    if (!query) {
      ASSERT_LT(++refused_, 200 + static_cast<int>(pairs_ / 1'000))
          << "many are refused, the last one: " << query.error().message << "\n"
          << predicate;
      return;
    }
    if (std::string found = disagreement(tree); !found.empty()) {
      FAIL() << columns.kind->name << " " << op << "\n" << shrunk(tree, std::move(found));
    }
    pairs_ += rows_.size();
    ++covered_[columns.kind->name + " " + op];
    const Ids ids = ours(**query);
    chosen_ += ids.size();
    check_index(*query, ids);
    const auto again = query::Query::from_canonical((*query)->canonical(), catalogue_);
    ASSERT_TRUE(again.ok()) << again.error().message << "\n" << (*query)->canonical();
    EXPECT_EQ((*again)->hash(), (*query)->hash());
    EXPECT_EQ((*again)->where(), (*query)->where());
    const std::string other = spell(tree, random_, false);
    const auto respelled = bound(other);
    ASSERT_TRUE(respelled.ok()) << respelled.error().message << "\n" << other;
    EXPECT_EQ((*respelled)->canonical(), (*query)->canonical()) << predicate << "\n" << other;
  }

  const unsigned seed_;
  Random random_;
  query::Catalogue catalogue_;
  std::shared_ptr<const query::TableSchema> table_;
  std::vector<Columns> columns_;
  State rows_;
  std::size_t pairs_ = 0;
  std::size_t chosen_ = 0;
  int refused_ = 0;
  std::map<std::string, int> covered_;
};

TEST_F(QueryLanguageTest, Rule21And22EveryOperatorOnEveryTypeMeansWhatPostgresMeans) {
  SCOPED_TRACE("TIDEGATE_SEED=" + std::to_string(seed_));
  const std::size_t wanted = is_long() ? 15 * kPairsMin : kPairsMin;
  for (int round = 0; pairs_ < wanted; ++round) {
    std::vector<const Kind*> dealt;
    for (const Kind& kind : kinds()) dealt.push_back(&kind);
    std::shuffle(dealt.begin(), dealt.end(), random_.engine());
    for (std::size_t from = 0; from < dealt.size(); from += kColumnsATable) {
      const auto end = std::min(from + kColumnsATable, dealt.size());
      const auto at = [&](std::size_t i) { return dealt.begin() + static_cast<std::ptrdiff_t>(i); };
      make_table(fmt::format("t{}_{}", round, from), {at(from), at(end)});
      for (const Columns& columns : columns_) {
        for (const std::string& op : columns.kind->ops) {
          // A tree may be refused for what was joined to the leaf.
          const int before = covered_[columns.kind->name + " " + op];
          for (int tries = 0; tries < 10 && covered_[columns.kind->name + " " + op] == before; ++tries) {
            check(columns, op);
            ASSERT_FALSE(HasFailure());
          }
        }
      }
    }
  }
  for (const Kind& kind : kinds()) {
    for (const std::string& op : kind.ops)
      EXPECT_GT(covered_[kind.name + " " + op], 0) << kind.name << " " << op;
  }
  EXPECT_GT(chosen_, pairs_ / 10) << "predicates that choose nothing say little";
  RecordProperty("pairs", std::to_string(pairs_));
  RecordProperty("covered", std::to_string(covered_.size()));
  fmt::print("seed {}: {} pairs of a predicate and a row, {} chosen, {} operators on types, {} refused\n",
             seed_, pairs_, chosen_, covered_.size(), refused_);
}

}  // namespace
}  // namespace tidegate::postgres
