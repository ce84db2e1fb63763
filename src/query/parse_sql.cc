// libpg_query gives Postgres's raw parse tree as JSON: {"stmts": [{"stmt": {"SelectStmt": {…}}}]}, a node
// being an object with one member that names its kind. Fields of value zero are left out. Everything that is
// not read here is refused by name: an unknown field must not mean "ignored". `location` counts bytes from 0,
// a syntax error's `cursorpos` characters from 1.
#include <fmt/format.h>
#include <pg_query.h>

#include <algorithm>
#include <memory>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/sql_condition.h"
#include "query/sql_names.h"

namespace tidegate::query {
namespace {

/// Deep enough for any condition that binding takes; a tree that is deeper would cost stack to walk.
constexpr std::size_t kTreeDepthMax = 256;

/// Reads one SELECT's tree into a ParsedQuery.
class SelectReader {
 public:
  SelectReader(std::string_view sql, const std::vector<ParsedLiteral>& parameters)
      : literals_(sql, parameters) {}

  Result<ParsedQuery> read(const Json& select) {
    if (auto status = check_clauses(select); !status) return status.error();
    const Json* from = select.find("fromClause");
    if (from == nullptr || from->items.empty()) return refused_sql(0, "FROM is missing");
    if (from->items.size() > 1) return refused_sql(place_of(from->items[1]), "FROM takes one table");
    if (auto status = read_table(from->items.front()); !status) return status.error();
    const Json* targets = select.find("targetList");
    if (targets == nullptr) return refused_sql(0, "SELECT names no columns; write * for all");
    if (auto status = read_targets(*targets); !status) return status.error();
    const Json* where = select.find("whereClause");
    if (where != nullptr) {
      auto condition = SqlConditions(table_, literals_).read(*where);
      if (!condition) return condition.error();
      if (condition->op == Op::all_of) {
        query_.where = std::move(condition->children);
      } else {
        query_.where.push_back(std::move(*condition));
      }
    }
    if (auto status = literals_.all_used(); !status) return status.error();
    return std::move(query_);
  }

 private:
  static Status check_clauses(const Json& select) {
    for (const auto& [name, value] : select.members) {
      if (name == "targetList" || name == "fromClause" || name == "whereClause") continue;
      if (name == "limitOption") continue;  // says nothing without limitCount
      if (name == "op" && value.text == "SETOP_NONE") continue;
      const int place = std::max(place_of(value), 0);
      return refused_sql(place, clause_in_sql(name == "op" ? "larg" : name) + " is not supported");
    }
    return {};
  }

  Status read_table(const Json& node) {
    const Json* table = as(&node, "RangeVar");
    if (table == nullptr) return unsupported_node(node);
    const int place = place_of(node);
    if (table->find("catalogname") != nullptr)
      return refused_sql(place, "a table of another database is not supported");
    if (table->find("inh") == nullptr) return refused_sql(place, "ONLY is not supported");
    table_.table = text_of(*table, "relname");
    table_.schema = text_of(*table, "schemaname");
    if (const Json* alias = table->find("alias")) {
      if (alias->find("colnames") != nullptr)
        return refused_sql(place, "other names for columns are not supported");
      table_.alias = text_of(*alias, "aliasname");
    }
    query_.table = table_.schema.empty() ? table_.table : table_.schema + "." + table_.table;
    return {};
  }

  Status read_targets(const Json& targets) {
    bool all = false;
    for (const Json& node : targets.items) {
      const Json* target = as(&node, "ResTarget");
      const Json* value = target == nullptr ? nullptr : target->find("val");
      if (value == nullptr) return unsupported_node(node);
      if (target->find("name") != nullptr)
        return refused_sql(place_of(node), "another name for a column is not supported");
      const Json* reference = as(value, "ColumnRef");
      if (reference == nullptr)
        return refused_sql(place_of(*value),
                           node_in_sql(kind_of(*value)) + " is not supported in the list of columns");
      auto name = table_.read_column(*reference);
      if (!name) return name.error();
      if (*name) {
        query_.columns.push_back(std::move(**name));
        query_.column_places.push_back(place_of(*value));
      } else {
        all = true;
      }
    }
    if (all) query_.columns.clear();
    return {};
  }

  SqlLiterals literals_;
  ParsedQuery query_;
  SqlTable table_;
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
    // Its lexer may quote the first byte alone of a character.
    return refused_sql(place, well_formed(result.error->message));
  }
  auto tree = parse_json_tree(result.parse_tree, kTreeDepthMax);
  if (!tree) return refused_sql(-1, "nested too deep");
  return tree;
}

}  // namespace

Result<Json> parse_select(std::string_view sql) {
  if (sql.size() > kSqlBytesMax) {
    return refused_sql(-1, fmt::format("{} bytes are too long; {} are the limit", sql.size(), kSqlBytesMax));
  }
  if (!storable_text(sql)) return refused_sql(-1, "not UTF-8, or it holds a NUL");
  auto tree = parse_tree(sql);
  if (!tree) return tree;
  const Json* statements = tree->find("stmts");
  if (statements == nullptr || statements->items.empty()) return refused_sql(0, "empty");
  if (statements->items.size() > 1) {
    const std::string place = text_of(statements->items[1], "stmt_location");
    return refused_sql(static_cast<int>(parse_i64(place).value_or(-1)), "more than one statement");
  }
  if (as(statements->items.front().find("stmt"), "SelectStmt") == nullptr)
    return refused_sql(0, "only SELECT is supported");
  return tree;
}

const Json& select_in(const Json& tree) {
  return *as(tree.find("stmts")->items.front().find("stmt"), "SelectStmt");
}

Result<ParsedQuery> parse_sql(std::string_view sql, const std::vector<ParsedLiteral>& parameters) {
  const auto tree = parse_select(sql);
  if (!tree) return tree.error();
  return SelectReader(sql, parameters).read(select_in(*tree));
}

}  // namespace tidegate::query
