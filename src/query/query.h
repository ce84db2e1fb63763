#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "query/expression.h"
#include "query/regex.h"
#include "query/schema.h"

namespace tidegate::query {

/// Bounds of one query, so that neither its canonical form nor one row's evaluation grows without end.
inline constexpr std::size_t kConditionsMax = 100;  ///< leaves, after IS UNKNOWN and its like are written out
inline constexpr int kDepthMax = 20;                ///< of AND, OR, NOT and IS TRUE in one another
inline constexpr std::size_t kInValuesMax = 1'000;
inline constexpr std::size_t kValuesMax = 20'000;  ///< of all conditions; a statement takes 65,535 parameters
inline constexpr std::size_t kPathMax = 16;        ///< steps into jsonb
inline constexpr std::size_t kQueryTextMax =
    400 * 1024;  ///< bytes of its texts together, and of its canonical text: a record of Kafka holds that
inline constexpr std::size_t kPatternBytesMax = 1'000;  ///< of LIKE, canonical
inline constexpr std::size_t kRegexesMax =
    20;  ///< that no LIKE says, of a query; compiling one takes milliseconds
inline constexpr std::size_t kContainedBytesMax = 4'096;  ///< what a jsonb column is asked to contain
inline constexpr std::size_t kSqlBytesMax = 32'768;       ///< libpg_query has no guard of its stack

/// What a condition says. The first row compares by a type's order or tests for NULL; the second is of texts,
/// arrays and jsonb; the third joins and turns conditions, and nothing of it but `all_of` and `any_of` is
/// left after binding. The numbers are those of `schemas/query.fbs`.
enum class Op : std::uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  is_null,
  is_not_null,
  in,
  not_in,  // clang-format off
  like, ilike, starts_with, match, imatch, contains, overlaps, has_key, has,
  all_of, any_of, negation, is_true, is_false, is_unknown,  // clang-format on
};

/// What a client wrote, before any catalogue is asked: names and literals only. The three parsers make it.
struct ParsedLiteral {
  /// `claim` stands in a policy's predicate alone, for a value of a token that is not known yet; nothing is
  /// bound with it.
  enum class Kind : std::uint8_t { null, boolean, number, string, json, claim } kind = Kind::null;
  /// `true`/`false`; the number's digits as written; the string's UTF-8; JSON's text; the claim's name
  std::string text;
  Type cast = Type::other;  ///< the type that the client named (`date '2026-01-31'`); other: none
  bool whole = false;  ///< the text of an array, which stands for its elements, where the column is no jsonb
};

/// One step into a jsonb value: a member of an object, or a place in an array (`key` then holds its digits,
/// negative from the end).
struct PathStep {
  std::string key;
  bool position = false;
  auto operator<=>(const PathStep&) const = default;
};

/// Arithmetic as a client wrote it.
struct ParsedExpression {
  Arithmetic kind = Arithmetic::column;
  std::string column;
  ParsedLiteral constant;
  Type cast = Type::other;
  std::vector<ParsedExpression> operands;  ///< one of `cast` and `negate`, else two
  int place = -1;                          ///< as of a condition
};

struct ParsedCondition {
  std::string column;
  Op op = Op::eq;
  std::vector<ParsedLiteral> values;  ///< one; none for IS [NOT] NULL; one or more for IN and for arrays
  int place = -1;  ///< byte in the client's text where it begins, for error messages; -1: unknown
  std::vector<ParsedCondition> children;  ///< of the ops that join or turn: at least one, else exactly one
  std::string other;                      ///< the column on the right, in the place of a value
  std::vector<PathStep> path;             ///< `column -> 'a' -> 0`
  bool as_text = false;                   ///< the path's last step is `->>`
  Type cast = Type::other;                ///< the type that the client cast the column to; other: none
  std::shared_ptr<const ParsedExpression> left;   ///< in the place of `column`
  std::shared_ptr<const ParsedExpression> right;  ///< in the place of `other`
};
struct ParsedQuery {
  std::string table;                   ///< as the client wrote it: `orders` or `shop.orders`
  std::vector<std::string> columns;    ///< empty: all
  std::vector<ParsedCondition> where;  ///< all of them hold
  std::vector<int> column_places{};    ///< where `columns` stand in a text; empty: unknown
};

/// What is asked of a condition's truth, which has three values. NOT and IS TRUE are pushed down to the
/// leaves, so that a tree of AND and OR is left in which unknown may count as no.
enum class Truth : std::uint8_t { is_true, is_false, not_true, not_false };

/// What few leaves need beside their column.
struct Computed {
  std::optional<Terms> terms;          ///< arithmetic in the place of `column` (and of `other`), which are -1
  std::shared_ptr<const Regex> regex;  ///< of a `match`: its value, compiled; says nothing of its own
};

/// A condition bound to a table, in normal form: `all_of` and `any_of` with two children and more, in order,
/// each of the other kind or a leaf; a leaf is about a column or `terms`. `values` are in the canonical text
/// form of the operand's type, sorted and unique where there may be several.
struct Condition {
  int column = -1;  ///< of a leaf
  int other = -1;   ///< the column on the right
  Op op = Op::eq;
  Truth truth = Truth::is_true;  ///< of a leaf; is_true wherever another op says the same
  bool as_text = false;
  std::vector<std::string> values;
  std::vector<PathStep> path;
  std::vector<Condition> children;
  std::shared_ptr<const Computed> computed;  ///< most leaves have none, and a million queries feel each byte
  [[nodiscard]] const Terms* terms() const {
    return computed && computed->terms ? &*computed->terms : nullptr;
  }
  std::strong_ordering operator<=>(const Condition& right) const;
  bool operator==(const Condition& right) const { return (*this <=> right) == 0; }
};

/// Whether the leaf itself is about the column, in whatever way.
bool names_column(const Condition& leaf, int column);

/// Text to run and its parameters, all passed as text with explicit casts in the SQL (rule 21).
struct SqlText {
  std::string text;
  std::vector<std::string> parameters;
};

/// What queries of one table that show the same columns have in common. Immutable.
struct Projection {
  std::shared_ptr<const TableSchema> table;
  std::vector<int> columns;          ///< indices, in the order of the table; the key's are always among them
  std::vector<std::string> members;  ///< `"name":` of each, escaped
};

/// Keeps each projection and each compiled regular expression once, for whoever holds very many queries. Not
/// thread safe.
class Projections {
 public:
  /// An equal one that is in use, else this one.
  std::shared_ptr<const Projection> shared(std::shared_ptr<const Projection> projection);
  /// As `Regex::compile`.
  Result<std::shared_ptr<const Regex>> compiled(const std::string& pattern);

 private:
  std::unordered_multimap<std::uint32_t, std::weak_ptr<const Projection>> by_relation_;
  std::unordered_map<std::string, std::weak_ptr<const Regex>> patterns_;
  std::size_t patterns_max_ = 64;  // then those that nobody uses are dropped
};

/// A query bound to a table: the one meaning that snapshot, matcher and encoder share. Immutable, shared
/// between threads. Two texts of the same meaning have the same canonical form and hash.
class Query {
 public:
  /// Binds by the closed table of rule 21. `invalid`, with a message for the client, where a column does not
  /// exist, a type can't be compared or a literal does not fit; `denied` with the schema's refusal. Columns
  /// that are `hidden` (one flag a column; empty: none) don't exist for whoever wrote it: all of them means
  /// the others, and what names one is told what it would be told of a name that nobody has.
  static Result<std::shared_ptr<const Query>> bind(const ParsedQuery& parsed,
                                                   std::shared_ptr<const TableSchema> table,
                                                   const std::vector<bool>& hidden = {});
  /// Binds a canonical form again, against the catalogue of now: what a matcher does with a registration.
  /// `not_found` where the table is gone, `lost` where it no longer has the shape that the form names, else
  /// as `bind`. What comes back has exactly this canonical form, and so its hash. Its projection is one of
  /// `projections` where these are given.
  static Result<std::shared_ptr<const Query>> from_canonical(std::string_view canonical,
                                                             const Catalogue& catalogue,
                                                             Projections* projections = nullptr);

  /// A query of its own with more conditions, at most `kConditionsMax`: how a policy narrows. They are bound
  /// like a client's, but every column exists for them.
  [[nodiscard]] Result<std::shared_ptr<const Query>> narrowed(
      std::span<const ParsedCondition> conditions) const;
  [[nodiscard]] Result<std::shared_ptr<const Query>> narrowed(const ParsedCondition& condition) const {
    return narrowed(std::span(&condition, 1));
  }
  /// Whether it could be narrowed so by some values of the claims that stand in the conditions.
  [[nodiscard]] Status check_narrowing(std::span<const ParsedCondition> conditions) const;

  [[nodiscard]] const TableSchema& table() const { return *projection_->table; }
  [[nodiscard]] const std::shared_ptr<const TableSchema>& table_ptr() const { return projection_->table; }
  /// Projected columns (indices), in the order of the table; the key's are always among them.
  [[nodiscard]] const std::vector<int>& columns() const { return projection_->columns; }
  /// All of them hold; in normal form and order.
  [[nodiscard]] const std::vector<Condition>& where() const { return where_; }
  /// JSON text: table, columns, conditions in a fixed order and spelling. What is hashed and registered. Made
  /// anew each time, since a matcher with a million queries has better use for its memory.
  [[nodiscard]] std::string canonical() const;
  [[nodiscard]] const QueryHash& hash() const { return hash_; }

  /// Whether the row belongs to the result: three-valued logic, where unknown is no. The row is of this
  /// table's schema.
  [[nodiscard]] bool matches(const Row& row) const;

  /// The SELECT of the snapshot: every column of the table in its order, so that a Row comes back.
  [[nodiscard]] SqlText to_sql() const;

  /// Appends the projected row as a JSON object (rule 23).
  void append_row_json(std::string& out, const Row& row) const;
  /// Appends the key's values as a JSON array, in the order in which `columns` lists the key's columns.
  void append_key_json(std::string& out, const Row& row) const;
  /// Appends the `columns` field of a snapshot: `[{"name":…,"type":…,"key":…},…]`.
  void append_columns_json(std::string& out) const;

 private:
  Query() = default;
  friend class Binder;
  std::shared_ptr<const Projection> projection_;
  std::vector<Condition> where_;
  QueryHash hash_;
};

/// The form in which equal values of a column's type have equal bytes (`1.0` and `1` for numeric): for index
/// probes. `cell` is a value in the source's text form.
std::string index_value(Type type, std::string_view cell);

/// Appends one value as JSON (rule 23): NULL, booleans, int2/int4, and finite floats as JSON, int8, numeric,
/// NaN and infinities as strings, arrays as arrays, jsonb as it is, json and all else as a string.
void append_cell_json(std::string& out, const ColumnSchema& column, const Cell& cell);

/// The three ways in. Errors are `invalid`, name the construct and its place. What JSON takes stands in
/// docs/PROTOCOL.md; `table` may be absent where the subscribe names it.
Result<ParsedQuery> parse_json(std::string_view json);
/// The bytes of `schemas/query.fbs`, verified before they are read.
Result<ParsedQuery> parse_flatbuffer(std::string_view bytes);
/// `select id, title from orders where status = $1 or not total > 100`, at most 32 kB, parsed by libpg_query.
/// `parameters` are JSON scalars as the client sent them in `params`. To be called on a thread with an 8 MB
/// stack.
Result<ParsedQuery> parse_sql(std::string_view sql, const std::vector<ParsedLiteral>& parameters);

/// `<tenant>/<table>/<hash>`, parts percent-encoded (rule 24). No tenant: an empty first part.
std::string routing_key(std::string_view tenant, const Query& query);

}  // namespace tidegate::query
