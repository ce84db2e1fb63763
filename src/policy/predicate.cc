#include "policy/predicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "query/numeric.h"
#include "query/op.h"

namespace tidegate::policy {
namespace {

using query::Op;
using query::ParsedCondition;
using query::ParsedLiteral;
using query::ParsedPredicate;
using Narrowing = Predicate::Narrowing;
using Values = std::map<std::string, ClaimValue, std::less<>>;  // by the claim's text

// ---- constants ----

Narrowing constant(bool value) {
  return {value, {}};
}

/// A claim is never NULL, so a constant has two values.
Narrowing turned(Op op, Narrowing inside) {
  if (!inside.constant) {
    return {{}, query::joined(op, {std::move(inside.condition)}, inside.condition.place)};
  }
  if (op == Op::is_unknown) return constant(false);
  return constant(op == Op::is_true ? *inside.constant : !*inside.constant);
}

Narrowing joined(Op op, std::vector<Narrowing> children) {
  if (op != Op::all_of && op != Op::any_of) return turned(op, std::move(children.front()));
  const bool deciding = op == Op::any_of;  // one child of that value decides, the others don't count
  std::vector<ParsedCondition> left;
  for (Narrowing& child : children) {
    if (!child.constant) left.push_back(std::move(child.condition));
    if (child.constant == deciding) return constant(deciding);
  }
  if (left.empty()) return constant(!deciding);
  if (left.size() == 1) return {{}, std::move(left.front())};
  return {{}, query::joined(op, std::move(left), -1)};
}

// ---- conditions over claims alone ----

void append_element(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

query::Type type_of(const ParsedLiteral& literal) {
  switch (literal.kind) {
    case ParsedLiteral::Kind::boolean:
      return query::Type::boolean;
    case ParsedLiteral::Kind::number:
      return query::Type::numeric;
    default:
      return query::Type::text;
  }
}

std::string text_of(const ParsedLiteral& literal) {
  if (literal.kind == ParsedLiteral::Kind::boolean) return literal.text == "true" ? "t" : "f";
  if (literal.kind != ParsedLiteral::Kind::number) return literal.text;
  return *query::normalise_numeric(literal.text);  // `Claims` takes no other
}

query::ColumnSchema column_of(const std::string& name, const ClaimValue& value) {
  query::ColumnSchema column;
  column.name = name;
  column.type = value.values.empty() ? query::Type::text : type_of(value.values.front());
  column.declared = query::type_name(column.type);
  column.bytewise = column.ascii_case = true;
  if (!value.array) return column;
  column.element = std::exchange(column.type, query::Type::array);
  column.declared += "[]";
  return column;
}

std::string cell_of(const ClaimValue& value) {
  if (!value.array) return text_of(value.values.front());
  std::string out = "{";
  for (const ParsedLiteral& each : value.values) {
    if (out.size() > 1) out += ',';
    append_element(out, text_of(each));
  }
  return out + "}";
}

/// A token as a table of one row, so that claims are compared as everything else is.
struct TokenRow {
  std::shared_ptr<const query::TableSchema> table;
  query::Row row;
};

TokenRow row_of(const Values& values) {
  query::TableSchema table;
  table.name = "token";
  table.key = {0};
  query::Row row;
  for (const auto& [name, value] : values) {
    table.columns.push_back(column_of(name, value));
    row.emplace_back(cell_of(value));
  }
  return {std::make_shared<const query::TableSchema>(std::move(table)), std::move(row)};
}

Result<Narrowing> decided(const ParsedCondition& leaf, const TokenRow& token) {
  const auto query = query::Query::bind({"token", {token.table->columns.front().name}, {leaf}}, token.table);
  if (query) return constant((*query)->matches(token.row));
  constexpr std::string_view kColumn = "column \"";  // a claim's name needs no quotes
  std::string message = query.error().message;
  if (message.starts_with(kColumn)) {
    message.erase(0, kColumn.size());
    if (const auto quote = message.find('"'); quote != std::string::npos) message.erase(quote, 1);
  }
  return Error{Fault::denied, message};
}

// ---- conditions over rows ----

Error unfit(const std::string& claim, std::string_view what) {
  return {Fault::denied, fmt::format("{} {}", claim, what)};
}

/// The values of a leaf with those of its claims among them. What takes a list, or stands behind ANY, takes
/// an array's elements; all else takes one value.
Status put_in(const Values& values, ParsedCondition& leaf) {
  std::vector<ParsedLiteral> out;
  for (const ParsedLiteral& literal : leaf.values) {
    if (literal.kind != ParsedLiteral::Kind::claim) {
      out.push_back(literal);
      continue;
    }
    const ClaimValue& value = values.find(literal.text)->second;
    const bool list = leaf.op == Op::in || leaf.op == Op::not_in;
    if (value.array && !literal.whole && !list)
      return unfit(literal.text,
                   fmt::format("is an array, and `{}` takes one value", query::op_text(leaf.op)));
    if (!value.array && literal.whole) return unfit(literal.text, "must be an array");
    for (ParsedLiteral each : value.values) {
      each.cast = literal.cast;
      out.push_back(std::move(each));
    }
  }
  leaf.values = std::move(out);
  return {};
}

/// `= ANY` of nothing is false, and `<> ALL` of nothing true, even of NULL.
Result<Narrowing> with_values(ParsedCondition condition, const Values& values) {
  if (query::is_group(condition.op)) {
    std::vector<Narrowing> children;
    for (ParsedCondition& child : condition.children) {
      auto narrowed = with_values(std::move(child), values);
      if (!narrowed) return narrowed;
      children.push_back(std::move(*narrowed));
    }
    return joined(condition.op, std::move(children));
  }
  const bool empty_before = condition.values.empty();
  if (auto status = put_in(values, condition); !status) return status.error();
  if (!empty_before && condition.values.empty() && (condition.op == Op::in || condition.op == Op::not_in))
    return constant(condition.op == Op::not_in);
  return Narrowing{{}, std::move(condition)};
}

Result<Narrowing> narrowing(const ParsedPredicate& predicate, const Values& values, const TokenRow& token) {
  using Kind = ParsedPredicate::Kind;
  if (predicate.kind == Kind::claims) return decided(predicate.leaf, token);
  if (predicate.kind == Kind::rows) return with_values(predicate.leaf, values);
  std::vector<Narrowing> children;
  for (const ParsedPredicate& child : predicate.children) {
    auto narrowed = narrowing(child, values, token);
    if (!narrowed) return narrowed;
    children.push_back(std::move(*narrowed));
  }
  return joined(predicate.op, std::move(children));
}

Result<Values> values_of(const std::vector<ClaimName>& names, const Claims& claims) {
  Values values;
  for (const ClaimName& name : names) {
    auto value = claims.value_of(name);
    if (!value) return value.error();
    values.emplace(name.text, std::move(*value));
  }
  return values;
}

void collect(const ParsedPredicate& predicate, std::vector<ParsedCondition>& out) {
  if (predicate.kind == ParsedPredicate::Kind::rows) out.push_back(predicate.leaf);
  for (const ParsedPredicate& child : predicate.children) collect(child, out);
}

void name_claims(const ParsedCondition& condition, std::string& out) {
  for (const ParsedLiteral& literal : condition.values) {
    if (literal.kind != ParsedLiteral::Kind::claim || out.find(literal.text) != std::string::npos) continue;
    out += (out.empty() ? "" : ", ") + literal.text;
  }
  for (const ParsedCondition& child : condition.children) name_claims(child, out);
}

}  // namespace

Result<std::shared_ptr<const Predicate>> Predicate::parse(std::string_view text, std::string_view table) {
  auto lexed = lex_claims(text);
  if (!lexed) return lexed.error();
  const std::size_t dot = table.rfind('.');
  const std::string_view schema = dot == std::string_view::npos ? std::string_view() : table.substr(0, dot);
  const std::string_view name = dot == std::string_view::npos ? table : table.substr(dot + 1);
  std::vector<std::string> names;
  for (const ClaimName& claim : lexed->claims) names.push_back(claim.text);
  auto root = query::parse_sql_predicate(lexed->sql, schema, name, names);
  if (!root) return root.error();
  struct Made final : Predicate {};
  auto made = std::make_shared<Made>();
  made->text_ = text;
  made->claims_ = std::move(lexed->claims);
  made->root_ = std::move(*root);
  return std::shared_ptr<const Predicate>(std::move(made));
}

Result<Narrowing> Predicate::over(const Claims& claims) const {
  const auto values = values_of(claims_, claims);
  if (!values) return values.error();
  return narrowing(root_, *values, row_of(*values));
}

std::vector<ParsedCondition> Predicate::open_conditions() const {
  std::vector<ParsedCondition> conditions;
  collect(root_, conditions);
  return conditions;
}

std::vector<Predicate::Closed> Predicate::closed_conditions(const Claims& claims) const {
  std::vector<Closed> out;
  const auto values = values_of(claims_, claims);
  if (!values) return out;
  for (ParsedCondition& open : open_conditions()) {
    Closed closed;
    name_claims(open, closed.claims);
    auto narrowed = with_values(std::move(open), *values);
    if (!narrowed || narrowed->constant) continue;
    closed.condition = std::move(narrowed->condition);
    out.push_back(std::move(closed));
  }
  return out;
}

}  // namespace tidegate::policy
