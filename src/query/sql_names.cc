#include "query/sql_names.h"

#include <array>

namespace tidegate::query {
namespace {

struct Name {
  std::string_view in_tree;
  std::string_view in_sql;
};

template <std::size_t N>
std::string in_sql(const std::array<Name, N>& names, std::string_view in_tree) {
  for (const Name& name : names) {
    if (name.in_tree == in_tree) return std::string(name.in_sql);
  }
  return std::string(in_tree);
}

constexpr std::array<Name, 13> kClauses = {{{"distinctClause", "DISTINCT"},
                                            {"intoClause", "INTO"},
                                            {"groupClause", "GROUP BY"},
                                            {"groupDistinct", "GROUP BY DISTINCT"},
                                            {"havingClause", "HAVING"},
                                            {"windowClause", "WINDOW"},
                                            {"valuesLists", "VALUES"},
                                            {"sortClause", "ORDER BY"},
                                            {"limitOffset", "OFFSET"},
                                            {"limitCount", "LIMIT"},
                                            {"lockingClause", "FOR UPDATE or FOR SHARE"},
                                            {"withClause", "WITH"},
                                            {"larg", "UNION, INTERSECT or EXCEPT"}}};

constexpr std::array<Name, 20> kNodes = {{{"FuncCall", "a function call"},
                                          {"SubLink", "a subquery"},
                                          {"RangeSubselect", "a subquery in FROM"},
                                          {"RangeFunction", "a function in FROM"},
                                          {"RangeTableSample", "TABLESAMPLE"},
                                          {"JoinExpr", "JOIN"},
                                          {"TypeCast", "a cast"},
                                          {"BooleanTest", "IS TRUE, IS FALSE or IS UNKNOWN"},
                                          {"CaseExpr", "CASE"},
                                          {"CoalesceExpr", "COALESCE"},
                                          {"MinMaxExpr", "GREATEST or LEAST"},
                                          {"SQLValueFunction", "a function of session or time"},
                                          {"A_ArrayExpr", "ARRAY"},
                                          {"A_Indirection", "a subscript or field"},
                                          {"RowExpr", "a row"},
                                          {"CollateClause", "COLLATE"},
                                          {"A_Expr", "an expression"},
                                          {"A_Const", "a constant"},
                                          {"ParamRef", "a parameter"},
                                          {"BoolExpr", "a condition"}}};

constexpr std::array<Name, 14> kExpressions = {{{"AEXPR_OP_ANY", "ANY"},
                                                {"AEXPR_OP_ALL", "ALL"},
                                                {"AEXPR_DISTINCT", "IS DISTINCT FROM"},
                                                {"AEXPR_NOT_DISTINCT", "IS NOT DISTINCT FROM"},
                                                {"AEXPR_NULLIF", "NULLIF"},
                                                {"AEXPR_LIKE", "LIKE"},
                                                {"AEXPR_ILIKE", "ILIKE"},
                                                {"AEXPR_SIMILAR", "SIMILAR TO"},
                                                {"AEXPR_BETWEEN", "BETWEEN"},
                                                {"AEXPR_NOT_BETWEEN", "NOT BETWEEN"},
                                                {"AEXPR_BETWEEN_SYM", "BETWEEN SYMMETRIC"},
                                                {"AEXPR_NOT_BETWEEN_SYM", "NOT BETWEEN SYMMETRIC"},
                                                {"OR_EXPR", "OR"},
                                                {"NOT_EXPR", "NOT"}}};

}  // namespace

std::string clause_in_sql(std::string_view field) {
  return in_sql(kClauses, field);
}
std::string node_in_sql(std::string_view kind) {
  return in_sql(kNodes, kind);
}
std::string expression_in_sql(std::string_view kind) {
  return in_sql(kExpressions, kind);
}

}  // namespace tidegate::query
