#include "query/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/encoding.h"
#include "query/literal.h"
#include "query/op.h"
#include "query/predicate.h"
#include "query/utf8.h"

namespace tidegate::query {
namespace {

Error invalid(std::string message) {
  return {Fault::invalid, std::move(message)};
}

Status check_table(const TableSchema& table) {
  if (!table.refusal.empty()) return Error{Fault::denied, table.refusal};
  if (table.key.empty()) {
    return Error{Fault::denied,
                 fmt::format("table {} can't be subscribed to: it has no primary key, and its rows could "
                             "not be told apart",
                             in_quotes(table.qualified()))};
  }
  if (table.replica_identity != "full") {
    return Error{
        Fault::denied,
        fmt::format("table {} can't be subscribed to: its replica identity is {}, so that its changes don't "
                    "carry the old row; an operator can run `tidegate setup`",
                    in_quotes(table.qualified()), table.replica_identity)};
  }
  return {};
}

std::string at(int place) {
  return place < 0 ? "" : fmt::format(" (at byte {})", place);
}

bool is_text(Type type) {
  return type == Type::text || type == Type::varchar;
}
bool is_null_test(Op op) {
  return op == Op::is_null || op == Op::is_not_null;
}
bool is_order(Op op) {
  return op == Op::lt || op == Op::le || op == Op::gt || op == Op::ge;
}

Status check_count(const ParsedComparison& comparison) {
  const std::size_t count = comparison.values.size();
  const auto fault = [&](std::string_view wanted) {
    return invalid(fmt::format("column {}: `{}` takes {}, not {}{}", in_quotes(comparison.column),
                               op_text(comparison.op), wanted, count, at(comparison.place)));
  };
  if (is_null_test(comparison.op)) return count == 0 ? Status() : fault("no value");
  if (comparison.op != Op::in) return count == 1 ? Status() : fault("one value");
  if (count == 0) return fault("at least one value");
  return count <= kInValuesMax ? Status() : fault(fmt::format("at most {} values", kInValuesMax));
}

Result<std::string> bind_literal(const ParsedComparison& comparison, const ColumnSchema& column,
                                 const ParsedLiteral& literal) {
  if (literal.kind == ParsedLiteral::Kind::null) {
    const std::string_view wanted = comparison.op == Op::ne ? "IS NOT NULL" : "IS NULL";
    return invalid(fmt::format("column {}: `{}` with NULL never holds; write {}{}",
                               in_quotes(comparison.column), op_text(comparison.op), wanted,
                               at(comparison.place)));
  }
  auto value = canonical_literal(column.type, literal);
  if (value) return value;
  return invalid(fmt::format("column {} ({}): `{}` can't take {}; it takes {}{}",
                             in_quotes(comparison.column), type_name(column.type), op_text(comparison.op),
                             literal_for_message(literal), value.error().message, at(comparison.place)));
}

/// Lower is better: how few rows one probe of an index finds.
auto selectivity(const TableSchema& table, const Comparison& comparison) {
  const bool unique = table.key.size() == 1 && table.key.front() == comparison.column;
  const bool coarse = table.columns[static_cast<std::size_t>(comparison.column)].type == Type::boolean;
  return std::tuple(unique ? 0 : coarse ? 2 : 1, comparison.values.size(), comparison.column);
}

}  // namespace

Binder::Binder(std::shared_ptr<const TableSchema> table) : query_(new Query()) {
  query_->table_ = std::move(table);
}

Binder::Binder(const Query& query) : query_(new Query(query)) {}

Status Binder::check_projected(int column) const {
  const ColumnSchema& schema = query_->table_->columns[static_cast<std::size_t>(column)];
  const bool unknown =
      schema.type == Type::other || (schema.type == Type::array && schema.element == Type::other);
  if (unknown) {
    return invalid(fmt::format("column {} can't be shown: values of type {} have no text form to rely on",
                               in_quotes(schema.name), in_quotes(schema.declared)));
  }
  if (schema.generated) {
    return invalid(
        fmt::format("column {} can't be shown: it is generated, and the database does not stream it",
                    in_quotes(schema.name)));
  }
  return {};
}

Status Binder::project(const std::vector<std::string>& names) {
  const TableSchema& table = *query_->table_;
  std::vector<bool> wanted(table.columns.size(), names.empty());
  for (const std::string& name : names) {
    const int column = table.find(name);
    if (column < 0)
      return invalid(fmt::format("table {} has no column {}", in_quotes(table.qualified()), in_quotes(name)));
    wanted[static_cast<std::size_t>(column)] = true;
  }
  for (int column : table.key) wanted[static_cast<std::size_t>(column)] = true;
  for (int column = 0; column < static_cast<int>(wanted.size()); ++column) {
    if (!wanted[static_cast<std::size_t>(column)]) continue;
    if (auto status = check_projected(column); !status) return status;
    query_->columns_.push_back(column);
  }
  return {};
}

Status Binder::check_operator(const ParsedComparison& comparison, int column) const {
  const ColumnSchema& schema = query_->table_->columns[static_cast<std::size_t>(column)];
  const auto refused = [&](std::string_view reason) {
    return invalid(fmt::format("column {} can't be compared by `{}`: {}{}", in_quotes(schema.name),
                               op_text(comparison.op), reason, at(comparison.place)));
  };
  if (schema.generated) return refused("it is generated, and the database does not stream it");
  if (is_null_test(comparison.op)) {
    // A composite's IS NULL asks for its fields.
    return schema.type == Type::other
               ? refused("its type " + in_quotes(schema.declared) + " is not supported")
               : Status();
  }
  if (!comparable(schema.type)) {
    return refused(
        fmt::format("columns of type {} only take IS NULL and IS NOT NULL", column_type_text(schema)));
  }
  if (!is_text(schema.type)) return {};
  if (!schema.deterministic)
    return refused("its collation is nondeterministic, so that unlike strings are equal");
  if (is_order(comparison.op) && !schema.bytewise) {
    return refused("the order of strings is only known where the column's collation is \"C\"");
  }
  return {};
}

Status Binder::add(const ParsedComparison& comparison) {
  const TableSchema& table = *query_->table_;
  const int column = table.find(comparison.column);
  if (column < 0) {
    return invalid(fmt::format("table {} has no column {}{}", in_quotes(table.qualified()),
                               in_quotes(comparison.column), at(comparison.place)));
  }
  if (auto status = check_operator(comparison, column); !status) return status;
  if (auto status = check_count(comparison); !status) return status;
  Comparison bound{column, comparison.op, {}};
  for (const ParsedLiteral& literal : comparison.values) {
    auto value = bind_literal(comparison, table.columns[static_cast<std::size_t>(column)], literal);
    if (!value) return value.error();
    bound.values.push_back(std::move(*value));
  }
  std::sort(bound.values.begin(), bound.values.end());
  bound.values.erase(std::unique(bound.values.begin(), bound.values.end()), bound.values.end());
  if (bound.op == Op::in && bound.values.size() == 1) bound.op = Op::eq;
  query_->where_.push_back(std::move(bound));
  return {};
}

void Binder::choose_indexable() {
  const Comparison* best = nullptr;
  for (const Comparison& comparison : query_->where_) {
    if (comparison.op != Op::eq && comparison.op != Op::in) continue;
    if (!best || selectivity(*query_->table_, comparison) < selectivity(*query_->table_, *best))
      best = &comparison;
  }
  query_->indexable_.reset();
  if (best) query_->indexable_ = IndexableEquality{best->column, best->values};
}

std::shared_ptr<const Query> Binder::finish() {
  auto& where = query_->where_;
  std::sort(where.begin(), where.end());
  where.erase(std::unique(where.begin(), where.end()), where.end());
  auto compiled = std::make_shared<Compiled>();
  for (const Comparison& comparison : where) {
    compiled->predicates.emplace_back(
        comparison, query_->table_->columns[static_cast<std::size_t>(comparison.column)].type);
  }
  for (int column : query_->columns_) {
    std::string& member = compiled->members.emplace_back();
    append_json_string(member, query_->table_->columns[static_cast<std::size_t>(column)].name);
    member += ':';
  }
  query_->compiled_ = std::move(compiled);
  choose_indexable();
  query_->canonical_ = canonical_text(*query_);
  query_->hash_ = sha256_128(query_->canonical_);
  return std::move(query_);
}

Result<std::shared_ptr<const Query>> Query::bind(const ParsedQuery& parsed,
                                                 std::shared_ptr<const TableSchema> table) {
  if (auto status = check_table(*table); !status) return status.error();
  if (parsed.where.size() > kConditionsMax) {
    return invalid(
        fmt::format("a query has at most {} conditions, not {}", kConditionsMax, parsed.where.size()));
  }
  Binder binder(std::move(table));
  if (auto status = binder.project(parsed.columns); !status) return status.error();
  for (const ParsedComparison& comparison : parsed.where) {
    if (auto status = binder.add(comparison); !status) return status.error();
  }
  return binder.finish();
}

Result<std::shared_ptr<const Query>> Query::narrowed(const ParsedComparison& condition) const {
  Binder binder(*this);
  if (auto status = binder.add(condition); !status) return status.error();
  return binder.finish();
}

}  // namespace tidegate::query
