#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "query/json_tree.h"
#include "query/query.h"

namespace tidegate::query {

// Reading libpg_query's tree: a node is an object with one member, which names its kind.

/// `sql: <message> (at byte <place>)`.
Error refused_sql(int place, std::string_view message);
/// The same, of a text that has `before` bytes less at its beginning.
Error moved(Error error, int before);
/// "a subquery is not supported here", with the node's place.
Error unsupported_node(const Json& node);

/// The tree of a text of one statement, a SELECT, which `select_in` finds in it.
Result<Json> parse_select(std::string_view sql);
const Json& select_in(const Json& tree);

/// Where a node begins: the least location in it, or -1.
int place_of(const Json& node);
std::string_view kind_of(const Json& node);
/// The inside of a node of that kind, or null.
const Json* as(const Json* node, std::string_view kind);
std::string text_of(const Json& node, std::string_view field);

/// The one table of a SELECT, as columns may be qualified by it.
struct SqlTable {
  std::string table;
  std::string schema;
  std::string alias;
  [[nodiscard]] bool named_by(const std::vector<std::string>& qualifiers) const;
  /// A ColumnRef's name without its table's; nothing for `*`.
  [[nodiscard]] Result<std::optional<std::string>> read_column(const Json& reference) const;
};

}  // namespace tidegate::query
