// Rules 21 and 23, against the real database: over random rows and random conjunctions our evaluator chooses
// the rows that PostgreSQL chooses for the query's SQL; a row's JSON is the same from a snapshot's text and
// from the stream's, and says what PostgreSQL says. TIDEGATE_SEED repeats a run.
#include <cstdlib>
#include <random>
#include <set>

#include "base/testing.h"
#include "matcher/predicate_index.h"
#include "postgres/testing.h"
#include "query/query.h"

namespace tidegate::postgres {
namespace {

using query::Op;
using query::ParsedLiteral;
using source::Transaction;

constexpr int kRows = 150;
constexpr int kQueries = 150;  // 22,500 pairs

struct Kind {
  std::string column;
  std::string declared;  // for CREATE TABLE and for casts
  bool json_native;      // to_jsonb gives what we give; else our JSON is the text as a string
  std::vector<std::string> pool;
};

/// The columns that can be compared, and values at the edges of their types. Each is a literal of ours too.
std::vector<Kind> compared() {
  return {
      {"small", "int2", true, {"-32768", "-1", "0", "1", "9", "10", "32767"}},
      {"count", "int4", true, {"-2147483648", "-10", "0", "2", "10", "2147483647"}},
      {"big", "int8", false, {"-9223372036854775808", "0", "9007199254740993", "9223372036854775807"}},
      {"total",
       "numeric",
       false,
       {"0", "-0.000", "1", "1.0", "1.00", "1e3", "1000", "-1.10", "-1.1", "0.1", "NaN", "Infinity",
        "-Infinity", "123456789012345678901234567890.123456789", "123456789012345678901234567890.1234567891",
        "0.00000000000000000000000000000000000001", "99999999999999999999999999999999999999"}},
      {"title",
       "text collate \"C\"",
       true,
       {"",           "a",      "A",          "aa",     "b",    "\u00e9", "e\u0301", "\u65e5\u672c",
        "\U0001F600", "\uffff", "\U0010ffff", "\u2028", "\"",   "\\",     "'",       "\t\n\r",
        " a ",        "%",      "NULL",       "$1",     "\x7f", "\x01"}},
      {"label", "varchar(30)", true, {"", "a", "a ", "A", "1", "\u00df", "ss", "\ufb01"}},
      {"done", "bool", true, {"t", "f"}},
      {"ref",
       "uuid",
       true,
       {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "123e4567-e89b-12d3-a456-426614174000", "0fffffff-0000-0000-0000-000000000000"}},
      {"day",
       "date",
       false,
       {"infinity", "-infinity", "4714-11-24 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01",
        "1999-12-31", "2000-01-01", "2024-02-29", "9999-12-31", "10000-01-01", "5874897-12-31"}},
      {"at",
       "timestamp",
       false,
       {"infinity", "-infinity", "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00.5 BC", "0001-01-01 00:00:00",
        "1999-12-31 23:59:59.999999", "2000-01-01 00:00:00", "2024-02-29 12:00:00.1",
        "2024-02-29 12:00:00.10", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999"}},
      {"made",
       "timestamptz",
       false,
       {"infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00+00 BC",
        "1999-12-31 23:59:59.999999+00", "2000-01-01 00:00:00+00", "2024-02-29 12:00:00+00",
        "2024-02-29 14:00:00+02", "2024-02-29 06:30:00-05:30", "294276-12-31 23:59:59.999999+00"}},
  };
}

/// Columns that are only shown.
std::vector<Kind> shown() {
  return {
      {"ratio",
       "float8",
       true,
       {"0", "-0", "0.1", "1e300", "-5e-324", "NaN", "Infinity", "-Infinity", "1e15", "1e16"}},
      {"real", "float4", true, {"0.1", "3.4e38", "1e-45", "NaN", "-Infinity", "16777217"}},
      {"doc", "jsonb", true, {"null", "1.50", "{\"a\": [1, \"\u00e9\\n\"]}", "[]", "\"x\"", "1e1000"}},
      {"raw_json", "json", false, {"{\"a\" :1, \"a\":2}", "null", " [ ]"}},
      {"tags",
       "text[]",
       true,
       {"{}", "{a,\"b c\",NULL,\"NULL\"}", "{\"\\\"q\\\\\",\"{\",\"\u65e5\"}", "{{a,b},{c,d}}"}},
      {"nums", "int4[]", true, {"{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[2:3]={1,2}", "[0:0][5:6]={{7,8}}"}},
      {"flags", "bool[]", true, {"{t,f,NULL}"}},
      {"docs", "jsonb[]", true, {"{\"{\\\"a\\\": 1}\",NULL,null}"}},
      {"span", "interval", false, {"1 year 2 mons -3 days 04:05:06.7", "00:00:00", "-1 days"}},
      {"tod", "time", false, {"00:00:00", "23:59:59.999999", "24:00:00"}},
      {"raw", "bytea", false, {"\\x", "\\x00ff27"}},
      {"fixed", "char(5)", true, {"", "ab", "ab   ", "\u00e9"}},
      {"mood", "mood", true, {"low", "the \"high\" one"}},
  };
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  const std::string& of(const std::vector<std::string>& pool) { return pool[below(pool.size())]; }

  /// Mostly from the pool, so that equal values meet; else anything of the type.
  std::string value(const Kind& kind) {
    if (!one_in(3)) return of(kind.pool);
    if (kind.declared == "numeric") return number();
    if (kind.declared == "int2" || kind.declared == "int4" || kind.declared == "int8") {
      return std::to_string(static_cast<int>(below(40)) - 20);
    }
    if (kind.column == "title" || kind.column == "label") {
      std::string text;
      for (std::size_t left = below(4); left > 0; --left) text += of(kind.pool);
      return text;
    }
    return of(kind.pool);
  }

 private:
  std::string number() {
    std::string text = one_in(2) ? "-" : "";
    const auto digits = [&](std::size_t count) {
      for (; count > 0; --count) text += static_cast<char>('0' + (one_in(3) ? below(10) : 0));
    };
    digits(1 + below(one_in(5) ? 400 : 4));
    if (one_in(2)) {
      text += ".";
      digits(1 + below(one_in(5) ? 300 : 4));
    }
    return text;
  }
  std::mt19937 engine_;
};

class QueryMeaningTest : public DatabaseTest {
 protected:
  QueryMeaningTest() : seed_(seed()), random_(seed_), kinds_(compared()) {
    for (Kind& kind : shown()) kinds_.push_back(std::move(kind));
  }
  static unsigned seed() { return test_seed(); }

  void make_table() {
    std::string columns = "id int8 primary key";
    for (const Kind& kind : kinds_) columns += ", " + kind.column + " " + kind.declared;
    sql_->exec("set timezone = 'UTC'");
    sql_->exec("create type mood as enum ('low', 'the \"high\" one')");
    sql_->exec("create table meaning (" + columns + ")");
    sql_->exec("alter table meaning replica identity full; create publication tidegate for table meaning");
    const auto catalogue =
        std::move(make_source(options(), clock_, metrics_)->open_catalogue()).value()->read();
    ASSERT_TRUE(catalogue.ok());
    table_ = catalogue->find("meaning");
    ASSERT_TRUE(table_);
    ASSERT_EQ(table_->refusal, "");
  }

  void fill() {
    std::string insert = "insert into meaning values ($1::int8";
    for (std::size_t i = 0; i < kinds_.size(); ++i) insert += ", $" + std::to_string(i + 2);
    for (int id = 0; id < kRows; ++id) {
      std::vector<std::optional<std::string>> values = {std::to_string(id)};
      for (const Kind& kind : kinds_) {
        const bool null = random_.one_in(3);
        std::optional<std::string> value;
        if (!null) value = random_.value(kind);
        if (value && kind.column == "label") value = value->substr(0, value->size() > 20 ? 0 : value->size());
        values.push_back(value);
      }
      sql_->exec(insert + ")", values);
    }
  }

  /// Every row as a snapshot gives it, by id.
  State snapshot() {
    struct Sink final : source::SnapshotSink {
      bool begin(const source::SnapshotInfo&) override { return true; }
      bool row(const query::Row& given) override {
        rows[given[0].value()] = given;
        return true;
      }
      State rows;
    } sink;
    const auto query = query::Query::bind({"meaning", {}, {}}, table_);
    EXPECT_TRUE(query.ok());
    auto reader = std::move(make_source(options(), clock_, metrics_)->open_snapshot_reader()).value();
    const Status read = reader->read(**query, sink);
    EXPECT_TRUE(read.ok()) << (read ? "" : read.error().message);
    return std::move(sink.rows);
  }

  query::ParsedCondition condition() {
    const std::vector<Kind> kinds = compared();
    const Kind& kind = kinds[random_.below(kinds.size())];
    const Op op = static_cast<Op>(random_.below(9));
    query::ParsedCondition comparison{kind.column, op, {}, -1};
    if (op == Op::is_null || op == Op::is_not_null) return comparison;
    for (std::size_t left = op == Op::in ? 1 + random_.below(5) : 1; left > 0; --left) {
      comparison.values.push_back({ParsedLiteral::Kind::string, random_.value(kind)});
    }
    return comparison;
  }

  const unsigned seed_;
  Random random_;
  std::vector<Kind> kinds_;
  std::shared_ptr<const query::TableSchema> table_;
};

TEST_F(QueryMeaningTest, OurEvaluatorChoosesTheRowsThatPostgresChooses) {
  SCOPED_TRACE("TIDEGATE_SEED=" + std::to_string(seed_));
  make_table();
  fill();
  const State rows = snapshot();
  ASSERT_EQ(rows.size(), static_cast<std::size_t>(kRows));
  std::size_t chosen = 0;
  for (int i = 0; i < kQueries; ++i) {
    query::ParsedQuery parsed{"meaning", {"id"}, {}};
    for (std::size_t left = 1 + random_.below(3); left > 0; --left) parsed.where.push_back(condition());
    const auto query = query::Query::bind(parsed, table_);
    ASSERT_TRUE(query.ok()) << query.error().message;
    const query::SqlText sql = (*query)->to_sql();
    std::set<std::string> theirs;
    for (const auto& row : sql_->exec(sql.text, {sql.parameters.begin(), sql.parameters.end()})) {
      theirs.insert(row[0].value());
    }
    std::set<std::string> ours;
    for (const auto& [id, row] : rows) {
      if ((*query)->matches(row)) ours.insert(id);
    }
    EXPECT_EQ(ours, theirs) << (*query)->canonical();
    chosen += ours.size();
  }
  EXPECT_GT(chosen, 300u) << "queries that choose nothing say little";
}

TEST_F(QueryMeaningTest, TheIndexGivesAnEqualityForTheRowsThatPostgresChoosesAndNoOthers) {
  SCOPED_TRACE("TIDEGATE_SEED=" + std::to_string(seed_));
  make_table();
  fill();
  const State rows = snapshot();
  for (const Kind& kind : compared()) {
    for (const std::string& literal : kind.pool) {
      const auto query = query::Query::bind(
          {"meaning", {}, {{kind.column, Op::eq, {{ParsedLiteral::Kind::string, literal}}, -1}}}, table_);
      ASSERT_TRUE(query.ok()) << query.error().message;
      matcher::PredicateIndex index;
      index.add(matcher::QueryNumber(1), *query);
      const query::SqlText sql = (*query)->to_sql();
      std::set<std::string> theirs;
      for (const auto& row : sql_->exec(sql.text, {sql.parameters.begin(), sql.parameters.end()}))
        theirs.insert(row[0].value());
      std::vector<matcher::Hit> hits;
      for (const auto& [id, row] : rows) {
        index.probe(table_->relation, nullptr, &row, hits);
        EXPECT_EQ(hits.size(), theirs.count(id)) << kind.column << " " << literal << " " << id;
      }
    }
  }
}

TEST_F(QueryMeaningTest, Rule23ARowsJsonIsTheSameFromSnapshotAndStreamAndSaysWhatPostgresSays) {
  SCOPED_TRACE("TIDEGATE_SEED=" + std::to_string(seed_));
  make_table();
  auto stream = stream_of(options());
  ASSERT_TRUE(stream->start().ok());
  fill();
  const auto query = query::Query::bind({"meaning", {}, {}}, table_);
  ASSERT_TRUE(query.ok()) << query.error().message;
  const auto json = [&](const query::Row& row) {
    std::string out;
    (*query)->append_row_json(out, row);
    return out;
  };
  State streamed;
  while (streamed.size() < kRows) {
    for (const auto& change : read_next<Transaction>(*stream).changes) apply(streamed, change);
    ASSERT_FALSE(HasFailure());
  }
  std::string check = "select true";
  for (const Kind& kind : kinds_) {
    const std::string& name = kind.column;
    check += kind.json_native ? ", $1::jsonb->'" + name + "' = coalesce(to_jsonb(" + name + "), 'null')"
                              : ", $1::jsonb->>'" + name + "' is not distinct from " + name + "::text";
  }
  for (const auto& [id, row] : snapshot()) {
    EXPECT_EQ(json(row), json(streamed.at(id)));
    const auto same = sql_->exec(check + " from meaning where id = $2::int8", {json(row), id});
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      EXPECT_EQ(same.at(0)[i + 1], "t") << kinds_[i].column << " in " << json(row);
    }
  }
}

}  // namespace
}  // namespace tidegate::postgres
