// libpg_query gives Postgres's raw parse tree as JSON: {"stmts": [{"stmt": {"SelectStmt": {…}}}]}, a node
// being an object with one member that names its kind. Fields of value zero are left out. Everything that is
// not read here is refused by name: an unknown field must not mean "ignored". `location` counts bytes from 0,
// a syntax error's `cursorpos` characters from 1.
#include <fmt/format.h>
#include <pg_query.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/encoding.h"
#include "query/json_tree.h"
#include "query/op.h"
#include "query/sql_names.h"
#include "query/utf8.h"

namespace tidegate::query {
namespace {

/// Deep enough for any conjunction; a tree that is deeper would cost stack to walk.
constexpr std::size_t kTreeDepthMax = 256;

Error refused(int place, std::string_view message) {
  return {Fault::invalid,
          place < 0 ? fmt::format("sql: {}", message) : fmt::format("sql: {} (at byte {})", message, place)};
}

/// Where a node begins: the least location in it, or -1.
int place_of(const Json& node) {
  int place = -1;
  const auto take = [&](int other) {
    if (other >= 0 && (place < 0 || other < place)) place = other;
  };
  for (const auto& [name, value] : node.members) {
    if (name == "location" && value.kind == Json::Kind::number) {
      take(static_cast<int>(parse_i64(value.text).value_or(-1)));
    } else {
      take(place_of(value));
    }
  }
  for (const Json& item : node.items) take(place_of(item));
  return place;
}

std::string_view kind_of(const Json& node) {
  return node.members.empty() ? std::string_view() : std::string_view(node.members.front().name);
}

/// The inside of a node of that kind, or null.
const Json* as(const Json* node, std::string_view kind) {
  return node != nullptr && kind_of(*node) == kind ? &node->members.front().value : nullptr;
}

std::string text_of(const Json& node, std::string_view field) {
  const Json* value = node.find(field);
  return value == nullptr ? std::string() : value->text;
}

Op mirrored(Op op) {
  switch (op) {
    case Op::lt:
      return Op::gt;
    case Op::le:
      return Op::ge;
    case Op::gt:
      return Op::lt;
    case Op::ge:
      return Op::le;
    default:
      return op;
  }
}

/// Reads one SELECT's tree into a ParsedQuery.
class SelectReader {
 public:
  SelectReader(std::string_view sql, const std::vector<ParsedLiteral>& parameters)
      : sql_(sql), parameters_(parameters), used_(parameters.size(), false) {}

  Result<ParsedQuery> read(const Json& select) {
    if (auto status = check_clauses(select); !status) return status.error();
    const Json* from = select.find("fromClause");
    if (from == nullptr || from->items.empty()) return refused(0, "FROM is missing");
    if (from->items.size() > 1) return refused(place_of(from->items[1]), "FROM takes one table");
    if (auto status = read_table(from->items.front()); !status) return status.error();
    const Json* targets = select.find("targetList");
    if (targets == nullptr) return refused(0, "SELECT names no columns; write * for all");
    if (auto status = read_targets(*targets); !status) return status.error();
    const Json* where = select.find("whereClause");
    if (where != nullptr) {
      if (auto status = read_condition(*where); !status) return status.error();
    }
    const auto unused = std::find(used_.begin(), used_.end(), false);
    if (unused != used_.end())
      return refused(-1, fmt::format("${} is given but not used", unused - used_.begin() + 1));
    return std::move(query_);
  }

 private:
  static Error unsupported(const Json& node) {
    return refused(place_of(node), node_in_sql(kind_of(node)) + " is not supported here");
  }

  static Status check_clauses(const Json& select) {
    for (const auto& [name, value] : select.members) {
      if (name == "targetList" || name == "fromClause" || name == "whereClause") continue;
      if (name == "limitOption") continue;  // says nothing without limitCount
      if (name == "op" && value.text == "SETOP_NONE") continue;
      const int place = std::max(place_of(value), 0);
      return refused(place, clause_in_sql(name == "op" ? "larg" : name) + " is not supported");
    }
    return {};
  }

  Status read_table(const Json& node) {
    const Json* table = as(&node, "RangeVar");
    if (table == nullptr) return unsupported(node);
    const int place = place_of(node);
    if (table->find("catalogname") != nullptr)
      return refused(place, "a table of another database is not supported");
    if (table->find("inh") == nullptr) return refused(place, "ONLY is not supported");
    table_ = text_of(*table, "relname");
    schema_ = text_of(*table, "schemaname");
    if (const Json* alias = table->find("alias")) {
      if (alias->find("colnames") != nullptr)
        return refused(place, "other names for columns are not supported");
      alias_ = text_of(*alias, "aliasname");
    }
    query_.table = schema_.empty() ? table_ : schema_ + "." + table_;
    return {};
  }

  Status read_targets(const Json& targets) {
    bool all = false;
    for (const Json& node : targets.items) {
      const Json* target = as(&node, "ResTarget");
      const Json* value = target == nullptr ? nullptr : target->find("val");
      if (value == nullptr) return unsupported(node);
      if (target->find("name") != nullptr)
        return refused(place_of(node), "another name for a column is not supported");
      const Json* reference = as(value, "ColumnRef");
      if (reference == nullptr)
        return refused(place_of(*value),
                       node_in_sql(kind_of(*value)) + " is not supported in the list of columns");
      auto name = read_column(*reference);
      if (!name) return name.error();
      if (*name) {
        query_.columns.push_back(std::move(**name));
      } else {
        all = true;
      }
    }
    if (all) query_.columns.clear();
    return {};
  }

  /// The column's name without its table's; nothing for `*`.
  Result<std::optional<std::string>> read_column(const Json& reference) const {
    const Json* fields = reference.find("fields");
    if (fields == nullptr || fields->items.empty())
      return refused(place_of(reference), "a column's name is missing");
    std::vector<std::string> qualifiers;
    for (std::size_t i = 0; i + 1 < fields->items.size(); ++i) {
      const Json* name = as(&fields->items[i], "String");
      if (name == nullptr) return refused(place_of(reference), "a field of a column is not supported");
      qualifiers.push_back(text_of(*name, "sval"));
    }
    if (!names_the_table(qualifiers)) {
      return refused(place_of(reference),
                     fmt::format("{} is not the table of this query", in_quotes(qualifiers.back())));
    }
    if (as(&fields->items.back(), "A_Star") != nullptr) return std::optional<std::string>();
    const Json* name = as(&fields->items.back(), "String");
    if (name == nullptr) return refused(place_of(reference), "a column's name is missing");
    return std::optional<std::string>(text_of(*name, "sval"));
  }

  [[nodiscard]] bool names_the_table(const std::vector<std::string>& qualifiers) const {
    if (qualifiers.empty()) return true;
    if (!alias_.empty()) return qualifiers == std::vector{alias_};  // an alias hides the table's own name
    return qualifiers == std::vector{table_} ||
           (!schema_.empty() && qualifiers == std::vector{schema_, table_});
  }

  Status read_condition(const Json& node) {
    if (const Json* boolean = as(&node, "BoolExpr")) return read_boolean(node, *boolean);
    if (const Json* expression = as(&node, "A_Expr")) return read_expression(node, *expression);
    if (const Json* test = as(&node, "NullTest")) return read_null_test(node, *test);
    if (as(&node, "ColumnRef") != nullptr) {
      return refused(place_of(node), "a column alone is no condition; compare it, as in `column = true`");
    }
    return unsupported(node);
  }

  Status read_boolean(const Json& node, const Json& boolean) {
    const std::string op = text_of(boolean, "boolop");
    if (op != "AND_EXPR") return refused(place_of(node), expression_in_sql(op) + " is not supported");
    const Json* terms = boolean.find("args");
    for (std::size_t i = 0; terms != nullptr && i < terms->items.size(); ++i) {
      if (auto status = read_condition(terms->items[i]); !status) return status;
    }
    return {};
  }

  Status read_null_test(const Json& node, const Json& test) {
    const Json* argument = test.find("arg");
    const Json* reference = as(argument, "ColumnRef");
    if (reference == nullptr) return refused(place_of(node), "IS NULL takes a column");
    auto name = read_column(*reference);
    if (!name) return name.error();
    if (!*name) return refused(place_of(node), "* can't be compared");
    const Op op = text_of(test, "nulltesttype") == "IS_NOT_NULL" ? Op::is_not_null : Op::is_null;
    query_.where.push_back({std::move(**name), op, {}, place_of(node)});
    return {};
  }

  Result<Op> read_operator(const Json& node, const Json& expression) const {
    const std::string kind = text_of(expression, "kind");
    const Json* names = expression.find("name");
    const bool plain = names != nullptr && names->items.size() == 1;
    const Json* name = plain ? as(&names->items.front(), "String") : nullptr;
    const std::string symbol = name == nullptr ? "" : text_of(*name, "sval");
    if (kind == "AEXPR_IN") {
      if (symbol != "=") return refused(place_of(node), "NOT IN is not supported");
      return Op::in;
    }
    if (kind != "AEXPR_OP") return refused(place_of(node), expression_in_sql(kind) + " is not supported");
    if (!plain) return refused(place_of(node), "OPERATOR(…) is not supported");
    const auto op = parse_op(symbol);
    if (!op)
      return refused(place_of(node), fmt::format("the operator {} is not supported", in_quotes(symbol)));
    return *op;
  }

  Status read_expression(const Json& node, const Json& expression) {
    const auto op = read_operator(node, expression);
    if (!op) return op.error();
    const Json* column = expression.find("lexpr");
    const Json* value = expression.find("rexpr");
    if (column == nullptr || value == nullptr) return unsupported(node);
    ParsedComparison comparison{"", *op, {}, place_of(node)};
    if (comparison.op != Op::in && kind_of(*column) != "ColumnRef" && kind_of(*value) == "ColumnRef") {
      std::swap(column, value);
      comparison.op = mirrored(comparison.op);
    }
    const Json* reference = as(column, "ColumnRef");
    if (reference == nullptr)
      return refused(place_of(*column), node_in_sql(kind_of(*column)) + " can't be compared, only a column");
    auto name = read_column(*reference);
    if (!name) return name.error();
    if (!*name) return refused(place_of(node), "* can't be compared");
    comparison.column = std::move(**name);
    if (auto status = read_values(*value, comparison); !status) return status;
    query_.where.push_back(std::move(comparison));
    return {};
  }

  Status read_values(const Json& value, ParsedComparison& comparison) {
    if (comparison.op != Op::in) return read_value(value, comparison);
    const Json* list = as(&value, "List");
    const Json* items = list == nullptr ? nullptr : list->find("items");
    if (items == nullptr) return unsupported(value);
    for (const Json& item : items->items) {
      if (auto status = read_value(item, comparison); !status) return status;
    }
    return {};
  }

  Status read_value(const Json& node, ParsedComparison& comparison) {
    if (const Json* parameter = as(&node, "ParamRef")) {
      const auto number = parse_u64(text_of(*parameter, "number")).value_or(0);
      if (number == 0 || number > parameters_.size()) {
        return refused(place_of(node),
                       fmt::format("${} has no value: {} parameters are given", number, parameters_.size()));
      }
      used_[number - 1] = true;
      comparison.values.push_back(parameters_[number - 1]);
      return {};
    }
    if (as(&node, "ColumnRef") != nullptr)
      return refused(place_of(node), "a column can't be compared with a column");
    if (as(&node, "TypeCast") != nullptr) {
      return refused(place_of(node),
                     "a cast is not supported; write the literal alone, it takes the column's type");
    }
    const Json* constant = as(&node, "A_Const");
    if (constant == nullptr) return unsupported(node);
    return read_constant(node, *constant, comparison);
  }

  /// The integer at a place of the text that the tree leaves out, so that it is zero or negative. Between its
  /// signs and its digits only blanks and parentheses are understood: a comment might hold digits too.
  [[nodiscard]] Result<std::string> read_not_positive(int place) const {
    const std::string_view rest =
        sql_.substr(std::min(static_cast<std::size_t>(std::max(place, 0)), sql_.size()));
    const std::size_t begin = rest.find_first_not_of("-( \t\r\n\f");
    const std::size_t end =
        begin == std::string_view::npos ? begin : rest.find_first_not_of("0123456789", begin);
    const std::string_view digits = begin == end ? std::string_view() : rest.substr(begin, end - begin);
    if (place < 0 || digits.empty() || rest.substr(0, begin).find("--") != std::string_view::npos) {
      return refused(place, "this spelling of a number is not supported; write it as in -5");
    }
    return begin == 0 ? std::string(digits) : "-" + std::string(digits);
  }

  Status read_constant(const Json& node, const Json& constant, ParsedComparison& comparison) const {
    using Kind = ParsedLiteral::Kind;
    const auto add = [&](Kind kind, std::string text) {
      comparison.values.push_back({kind, std::move(text)});
      return Status();
    };
    if (constant.find("isnull") != nullptr) return add(Kind::null, "");
    if (const Json* string = constant.find("sval")) return add(Kind::string, text_of(*string, "sval"));
    if (const Json* number = constant.find("fval")) return add(Kind::number, text_of(*number, "fval"));
    if (const Json* number = constant.find("ival")) {
      const std::string digits = text_of(*number, "ival");
      if (!digits.empty()) return add(Kind::number, digits);
      auto negative = read_not_positive(place_of(node));
      return negative ? add(Kind::number, std::move(*negative)) : Status(negative.error());
    }
    if (const Json* boolean = constant.find("boolval")) {
      return add(Kind::boolean, text_of(*boolean, "boolval") == "true" ? "true" : "false");
    }
    return refused(place_of(node), "a bit string is not supported");
  }

  const std::string_view sql_;
  const std::vector<ParsedLiteral>& parameters_;
  std::vector<bool> used_;
  ParsedQuery query_;
  std::string table_;
  std::string schema_;
  std::string alias_;
};

/// `position` counts characters from 1.
int byte_of_character(std::string_view text, int position) {
  std::size_t at = 0;
  for (int character = 1; at < text.size() && character < position; ++character) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0u) == 0x80u) ++at;
  }
  return static_cast<int>(at);
}

Result<Json> parse_tree(std::string_view sql) {
  struct Free {
    void operator()(PgQueryParseResult* result) const { pg_query_free_parse_result(*result); }
  };
  PgQueryParseResult result = pg_query_parse(std::string(sql).c_str());
  const std::unique_ptr<PgQueryParseResult, Free> owner(&result);
  if (result.error != nullptr) {
    const int place = result.error->cursorpos > 0 ? byte_of_character(sql, result.error->cursorpos) : -1;
    return refused(place, result.error->message);
  }
  auto tree = parse_json_tree(result.parse_tree, kTreeDepthMax);
  if (!tree) return refused(-1, "nested too deep");
  return tree;
}

}  // namespace

Result<ParsedQuery> parse_sql(std::string_view sql, const std::vector<ParsedLiteral>& parameters) {
  if (sql.size() > kSqlBytesMax) {
    return refused(-1, fmt::format("{} bytes are too long; {} are the limit", sql.size(), kSqlBytesMax));
  }
  if (!storable_text(sql)) return refused(-1, "not UTF-8, or it holds a NUL");
  const auto tree = parse_tree(sql);
  if (!tree) return tree.error();
  const Json* statements = tree->find("stmts");
  if (statements == nullptr || statements->items.empty()) return refused(0, "empty");
  if (statements->items.size() > 1) {
    const std::string place = text_of(statements->items[1], "stmt_location");
    return refused(static_cast<int>(parse_i64(place).value_or(-1)), "more than one statement");
  }
  const Json* statement = statements->items.front().find("stmt");
  const Json* select = as(statement, "SelectStmt");
  if (select == nullptr) return refused(0, "only SELECT is supported");
  return SelectReader(sql, parameters).read(*select);
}

}  // namespace tidegate::query
