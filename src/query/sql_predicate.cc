#include <algorithm>
#include <string>

#include "base/encoding.h"
#include "query/op.h"
#include "query/predicate.h"
#include "query/sql_condition.h"
#include "query/sql_names.h"

namespace tidegate::query {
namespace {

constexpr std::string_view kBefore = "select 1 where ";

Json string_json(std::string text) {
  Json json;
  json.kind = Json::Kind::string;
  json.text = std::move(text);
  return json;
}
Json object_json(std::string name, Json value) {
  Json json;
  json.kind = Json::Kind::object;
  json.members.push_back({std::move(name), std::move(value)});
  return json;
}

bool names_a_claim(const Json& node) {
  if (as(&node, "ParamRef") != nullptr) return true;
  return std::any_of(node.members.begin(), node.members.end(),
                     [](const JsonMember& member) { return names_a_claim(member.value); }) ||
         std::any_of(node.items.begin(), node.items.end(), names_a_claim);
}

class PredicateReader {
 public:
  PredicateReader(std::string_view sql, SqlTable table, const std::vector<std::string>& claims)
      : claims_(claims), values_(claim_literals(claims)), literals_(sql, values_), table_(std::move(table)) {}

  /// Recurses as deep as the tree, which its parser bounds.
  Result<ParsedPredicate> read(const Json& node) {
    if (const Json* boolean = as(&node, "BoolExpr")) {
      const std::string op = text_of(*boolean, "boolop");
      return group(op == "AND_EXPR"  ? Op::all_of
                   : op == "OR_EXPR" ? Op::any_of
                                     : Op::negation,
                   boolean->find("args"));
    }
    if (const Json* test = as(&node, "BooleanTest")) return read_truth_test(node, *test);
    ParsedPredicate leaf;
    leaf.kind = ParsedPredicate::Kind::rows;
    auto condition = Result<ParsedCondition>(ParsedCondition());
    if (!names_a_column(node) && names_a_claim(node)) {
      if (as(&node, "NullTest") != nullptr) {
        return refused_sql(place_of(node), "a claim is never NULL here: who lacks it is refused");
      }
      leaf.kind = ParsedPredicate::Kind::claims;
      condition = SqlConditions(SqlTable(), literals_).read(with_columns(node));
    } else {
      condition = SqlConditions(table_, literals_).read(node);
    }
    if (!condition) return condition.error();
    leaf.leaf = std::move(*condition);
    return leaf;
  }

 private:
  static std::vector<ParsedLiteral> claim_literals(const std::vector<std::string>& claims) {
    std::vector<ParsedLiteral> literals;
    for (const std::string& claim : claims) literals.push_back({ParsedLiteral::Kind::claim, claim});
    return literals;
  }

  Result<ParsedPredicate> group(Op op, const Json* terms) {
    ParsedPredicate joined;
    joined.op = op;
    for (std::size_t i = 0; terms != nullptr && i < terms->items.size(); ++i) {
      auto term = read(terms->items[i]);
      if (!term) return term;
      joined.children.push_back(std::move(*term));
    }
    return joined;
  }

  Result<ParsedPredicate> read_truth_test(const Json& node, const Json& test) {
    const Json* argument = test.find("arg");
    if (argument == nullptr) return unsupported_node(node);
    auto inside = read(*argument);
    if (!inside) return inside;
    const std::string kind = text_of(test, "booltesttype");
    ParsedPredicate tested;
    tested.op = kind.ends_with("TRUE")    ? Op::is_true
                : kind.ends_with("FALSE") ? Op::is_false
                                          : Op::is_unknown;
    tested.children.push_back(std::move(*inside));
    if (!kind.starts_with("IS_NOT")) return tested;
    ParsedPredicate negation;
    negation.op = Op::negation;
    negation.children.push_back(std::move(tested));
    return negation;
  }

  /// The same with its claims as columns, so that it is read, and later evaluated, as any condition is.
  Json with_columns(const Json& node) const {
    if (const Json* parameter = as(&node, "ParamRef")) {
      const auto number = parse_u64(text_of(*parameter, "number")).value_or(0);
      Json fields;
      fields.kind = Json::Kind::array;
      fields.items.push_back(object_json(
          "String", object_json("sval", string_json(number - 1 < claims_.size() ? claims_[number - 1]
                                                                                : std::string()))));
      Json reference = object_json("fields", std::move(fields));
      if (const Json* place = parameter->find("location")) reference.members.push_back({"location", *place});
      return object_json("ColumnRef", std::move(reference));
    }
    Json copy = node;
    for (JsonMember& member : copy.members) member.value = with_columns(member.value);
    for (Json& item : copy.items) item = with_columns(item);
    return copy;
  }

  const std::vector<std::string>& claims_;
  const std::vector<ParsedLiteral> values_;
  SqlLiterals literals_;
  const SqlTable table_;
};

/// So that places are those of the text behind `kBefore`.
void move_places(Json& node) {
  for (auto& [name, value] : node.members) {
    if (name == "location" && value.kind == Json::Kind::number) {
      value.text =
          std::to_string(parse_i64(value.text).value_or(0) - static_cast<std::int64_t>(kBefore.size()));
    } else {
      move_places(value);
    }
  }
  for (Json& item : node.items) move_places(item);
}

Result<ParsedPredicate> read_statement(const Json& select, PredicateReader& reader) {
  for (const auto& [name, value] : select.members) {
    const bool known = name == "targetList" || name == "whereClause" || name == "limitOption" ||
                       (name == "op" && value.text == "SETOP_NONE");
    if (known) continue;
    return refused_sql(std::max(place_of(value), 0),
                       clause_in_sql(name == "op" ? "larg" : name) + " is not supported");
  }
  const Json* where = select.find("whereClause");
  if (where == nullptr) return refused_sql(0, "a condition is missing");
  return reader.read(*where);
}

}  // namespace

Result<ParsedPredicate> parse_sql_predicate(std::string_view sql, std::string_view schema,
                                            std::string_view table, const std::vector<std::string>& claims) {
  auto tree = parse_select(std::string(kBefore) + std::string(sql));
  if (!tree) return moved(tree.error(), static_cast<int>(kBefore.size()));
  move_places(*tree);
  PredicateReader reader(sql, {std::string(table), std::string(schema), {}}, claims);
  return read_statement(select_in(*tree), reader);
}

}  // namespace tidegate::query
