#include <fmt/format.h>

#include <string_view>

#include "query/bind_condition.h"
#include "query/op.h"
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

/// The name in pg_catalog of a type that values are compared as; an enum is compared by its labels, since a
/// cast to it fails where the label is unknown.
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
    case Type::float4:
      return "float4";
    case Type::float8:
      return "float8";
    case Type::bpchar:
      return "bpchar";
    case Type::uuid:
      return "uuid";
    case Type::date:
      return "date";
    case Type::time:
      return "time";
    case Type::timestamp:
      return "timestamp";
    case Type::timestamptz:
      return "timestamptz";
    case Type::interval:
      return "interval";
    case Type::bytea:
      return "bytea";
    case Type::jsonb:
      return "jsonb";
    default:
      return "text";
  }
}

std::string_view operator_name(Op op) {
  switch (op) {
    case Op::ne:
    case Op::not_in:
      return "<>";
    case Op::lt:
      return "<";
    case Op::le:
      return "<=";
    case Op::gt:
      return ">";
    case Op::ge:
      return ">=";
    case Op::like:
      return "~~";
    case Op::ilike:
      return "~~*";
    case Op::match:
      return "~";
    case Op::starts_with:
      return "^@";
    case Op::contains:
      return "@>";
    case Op::overlaps:
      return "&&";
    case Op::has_key:
      return "?";
    default:
      return "=";
  }
}

bool compared_as_text(Type type) {
  return type == Type::varchar || type == Type::enumeration;
}

/// Writes one query's condition.
class ConditionWriter {
 public:
  ConditionWriter(SqlText& sql, const TableSchema& table) : sql_(sql), table_(table) {}

  void write(const Condition& condition) {
    if (!is_group(condition.op)) return write_leaf(condition);
    for (const Condition& child : condition.children) {
      if (&child != &condition.children.front()) sql_.text += condition.op == Op::all_of ? " AND " : " OR ";
      sql_.text += "(";
      write(child);
      sql_.text += ")";
    }
  }

 private:
  void write_leaf(const Condition& leaf) {
    if (leaf.truth == Truth::is_true) return write_plain(leaf);
    sql_.text += leaf.truth == Truth::is_false ? "NOT (" : "(";
    write_plain(leaf);
    sql_.text += leaf.truth == Truth::not_true    ? ") IS NOT TRUE"
                 : leaf.truth == Truth::not_false ? ") IS NOT FALSE"
                                                  : ")";
  }

  void write_plain(const Condition& leaf) {
    if (leaf.terms()) return write_terms(leaf);
    const Operand operand = operand_of(table_, leaf);
    if (is_null_test(leaf.op)) {
      write_column(leaf.column, leaf);
      sql_.text += leaf.op == Op::is_null ? " IS NULL" : " IS NOT NULL";
    } else if (leaf.op == Op::has) {
      write_value(leaf.values.front(), operand.element);
      sql_.text += " OPERATOR(pg_catalog.=) ANY (";
      write_operand(leaf, operand);
      sql_.text += ")";
    } else {
      write_operand(leaf, operand);
      sql_.text += fmt::format(" OPERATOR(pg_catalog.{}) ", operator_name(leaf.op));
      write_right(leaf, operand);
    }
  }

  void write_terms(const Condition& leaf) {
    const Terms& terms = *leaf.terms();
    const bool mixed = terms.right && terms.right->type != terms.left.type;
    write_expression(terms.left);
    if (mixed) sql_.text += "::pg_catalog.numeric";
    sql_.text += fmt::format(" OPERATOR(pg_catalog.{}) ", operator_name(leaf.op));
    if (!terms.right) return write_values(leaf, terms.left.type);
    write_expression(*terms.right);
    if (mixed) sql_.text += "::pg_catalog.numeric";
  }

  /// Each step's types are written, so that Postgres computes in those that binding computed in.
  void write_expression(const Expression& expression) {
    switch (expression.kind) {
      case Arithmetic::column:
        sql_.text += identifier(table_.columns[static_cast<std::size_t>(expression.column)].name);
        sql_.text += fmt::format("::pg_catalog.{}", cast_name(expression.type));
        return;
      case Arithmetic::constant:
        return write_value(expression.constant, expression.type);
      case Arithmetic::cast:
        write_expression(expression.operands.front());
        sql_.text += "::pg_catalog.numeric";
        return;
      default:
        break;
    }
    sql_.text += "(";
    if (expression.kind != Arithmetic::negate) write_expression(expression.operands.front());
    sql_.text += fmt::format(" OPERATOR(pg_catalog.{}) ", arithmetic_text(expression.kind));
    write_expression(expression.operands.back());
    sql_.text += ")";
  }

  void write_column(int column, const Condition& leaf) {
    std::string name = identifier(table_.columns[static_cast<std::size_t>(column)].name);
    sql_.text += std::string(leaf.path.size(), '(');
    sql_.text += name;
    for (const PathStep& step : leaf.path) {
      const bool last = &step == &leaf.path.back();
      sql_.text += fmt::format(" OPERATOR(pg_catalog.{}) ", last && leaf.as_text ? "->>" : "->");
      write_value(step.key, step.position ? Type::int4 : Type::text);
      sql_.text += ")";
    }
  }

  /// The column as it is compared. Order among strings is order of bytes, whatever the column's collation has
  /// become, and so is the likeness of letters; equality keeps the column's own, so that its indexes serve,
  /// but between two columns, which may have two.
  void write_operand(const Condition& leaf, const Operand& operand) {
    write_column(leaf.column, leaf);
    const bool array = operand.type == Type::array;
    if (compared_as_text(array ? operand.element : operand.type)) {
      sql_.text += array ? "::pg_catalog.text[]" : "::pg_catalog.text";
    } else if (leaf.other >= 0 && operand.type != table_.columns[static_cast<std::size_t>(leaf.other)].type) {
      sql_.text += "::pg_catalog.int8";
    }
    const bool text =
        operand.type == Type::text || operand.type == Type::bpchar || compared_as_text(operand.type);
    if (text && (is_order(leaf.op) || leaf.op == Op::ilike || leaf.op == Op::match || leaf.other >= 0))
      sql_.text += " COLLATE pg_catalog.\"C\"";
  }

  void write_right(const Condition& leaf, const Operand& operand) {
    if (leaf.other >= 0) {
      const ColumnSchema& other = table_.columns[static_cast<std::size_t>(leaf.other)];
      sql_.text += identifier(other.name);
      if (compared_as_text(other.type)) sql_.text += "::pg_catalog.text";
      if (other.type != operand.type) sql_.text += "::pg_catalog.int8";
    } else if (operand.type == Type::array) {
      write_array(leaf.values, operand.element);
    } else {
      const bool pattern = leaf.op == Op::like || leaf.op == Op::has_key;
      write_values(leaf, pattern ? Type::text : operand.type);
    }
  }

  void write_values(const Condition& leaf, Type type) {
    if (leaf.op != Op::in && leaf.op != Op::not_in) return write_value(leaf.values.front(), type);
    sql_.text += leaf.op == Op::in ? "ANY (" : "ALL (";
    write_array(leaf.values, type);
    sql_.text += ")";
  }

  void write_array(const std::vector<std::string>& values, Type type) {
    sql_.text += "ARRAY[";
    for (const std::string& value : values) {
      if (&value != &values.front()) sql_.text += ", ";
      write_value(value, type);
    }
    sql_.text += "]";
  }

  void write_value(const std::string& value, Type type) {
    sql_.parameters.push_back(value);
    sql_.text += fmt::format("${}::pg_catalog.{}", sql_.parameters.size(), cast_name(type));
  }

  SqlText& sql_;
  const TableSchema& table_;
};

}  // namespace

SqlText Query::to_sql() const {
  SqlText sql;
  sql.text = "SELECT ";
  for (const ColumnSchema& column : table().columns) {
    if (&column != &table().columns.front()) sql.text += ", ";
    sql.text += identifier(column.name);
  }
  sql.text += " FROM " + identifier(table().schema) + "." + identifier(table().name);
  ConditionWriter writer(sql, table());
  for (const Condition& condition : where_) {
    sql.text += &condition == &where_.front() ? " WHERE (" : " AND (";
    writer.write(condition);
    sql.text += ")";
  }
  return sql;
}

}  // namespace tidegate::query
