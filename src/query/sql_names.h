#pragma once

#include <string>
#include <string_view>

namespace tidegate::query {

/// What the parts of libpg_query's tree are called in SQL, for messages; what has no name here keeps the
/// tree's. A field of SelectStmt: `sortClause` is `ORDER BY`.
std::string clause_in_sql(std::string_view field);
/// A node's kind: `FuncCall` is `a function call`.
std::string node_in_sql(std::string_view kind);
/// The kind of an A_Expr or BoolExpr: `AEXPR_LIKE` is `LIKE`.
std::string expression_in_sql(std::string_view kind);

}  // namespace tidegate::query
