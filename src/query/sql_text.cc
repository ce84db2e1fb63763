#include <fmt/format.h>

#include <string_view>

#include "query/query.h"

namespace tidegate::query {
namespace {

std::string identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string_view cast_name(Type type) {
  switch (type) {
    case Type::boolean:
      return "bool";
    case Type::int2:
      return "int2";
    case Type::int4:
      return "int4";
    case Type::int8:
      return "int8";
    case Type::numeric:
      return "numeric";
    case Type::uuid:
      return "uuid";
    case Type::date:
      return "date";
    case Type::timestamp:
      return "timestamp";
    case Type::timestamptz:
      return "timestamptz";
    default:
      return "text";  // text and varchar; nothing else is ever compared
  }
}

std::string_view operator_name(Op op) {
  switch (op) {
    case Op::ne:
      return "<>";
    case Op::lt:
      return "<";
    case Op::le:
      return "<=";
    case Op::gt:
      return ">";
    case Op::ge:
      return ">=";
    default:
      return "=";
  }
}

/// The column as it is compared. Order among strings is order of bytes, whatever the column's collation has
/// become; equality keeps the column's own, so that its indexes serve.
std::string operand(const ColumnSchema& column, Op op) {
  const bool text = column.type == Type::text || column.type == Type::varchar;
  std::string out = identifier(column.name);
  if (column.type == Type::varchar) out += "::pg_catalog.text";
  if (text && op != Op::eq && op != Op::ne && op != Op::in) out += " COLLATE pg_catalog.\"C\"";
  return out;
}

void append_condition(SqlText& sql, const ColumnSchema& column, const Comparison& comparison) {
  if (comparison.op == Op::is_null || comparison.op == Op::is_not_null) {
    sql.text += identifier(column.name) + (comparison.op == Op::is_null ? " IS NULL" : " IS NOT NULL");
    return;
  }
  sql.text += fmt::format("{} OPERATOR(pg_catalog.{}) ", operand(column, comparison.op),
                          operator_name(comparison.op));
  if (comparison.op == Op::in) sql.text += "ANY (ARRAY[";
  for (const std::string& value : comparison.values) {
    if (&value != &comparison.values.front()) sql.text += ", ";
    sql.parameters.push_back(value);
    sql.text += fmt::format("${}::pg_catalog.{}", sql.parameters.size(), cast_name(column.type));
  }
  if (comparison.op == Op::in) sql.text += "])";
}

}  // namespace

SqlText Query::to_sql() const {
  SqlText sql;
  sql.text = "SELECT ";
  for (const ColumnSchema& column : table_->columns) {
    if (&column != &table_->columns.front()) sql.text += ", ";
    sql.text += identifier(column.name);
  }
  sql.text += " FROM " + identifier(table_->schema) + "." + identifier(table_->name);
  for (const Comparison& comparison : where_) {
    sql.text += &comparison == &where_.front() ? " WHERE (" : " AND (";
    append_condition(sql, table_->columns[static_cast<std::size_t>(comparison.column)], comparison);
    sql.text += ")";
  }
  return sql;
}

}  // namespace tidegate::query
