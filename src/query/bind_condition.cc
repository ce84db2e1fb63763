#include "query/bind_condition.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "query/array_text.h"
#include "query/bind.h"
#include "query/literal.h"
#include "query/normal_form.h"
#include "query/op.h"

namespace tidegate::query {
namespace {

Error invalid(std::string message) {
  return {Fault::invalid, std::move(message)};
}

bool is_text(Type type) {
  return type == Type::text || type == Type::varchar || type == Type::bpchar;
}
bool is_pattern(Op op) {
  return op == Op::like || op == Op::ilike || op == Op::match || op == Op::imatch;
}
bool is_whole(Type type) {
  return type == Type::int2 || type == Type::int4 || type == Type::int8;
}

Operand operand_of_column(const ColumnSchema& column) {
  return {in_quotes(column.name), column_type_text(column), column.type,      column.element,
          column.deterministic,   column.bytewise,          column.ascii_case};
}

void step_into(Operand& operand, bool as_text) {
  operand.type = as_text ? Type::text : Type::jsonb;
  operand.type_text = std::string(type_name(operand.type));
  operand.deterministic = true;  // the database's own collation, which always is
  operand.bytewise = operand.ascii_case = false;
}

/// Why `op` can't be asked of the operand; empty where it can.
std::string refusal(Op op, const Operand& operand) {
  const bool of_array = operand.type == Type::array;
  const Type compared = of_array ? operand.element : operand.type;
  const std::string only_null =
      fmt::format("columns of type {} only take IS NULL and IS NOT NULL", operand.type_text);
  if (is_null_test(op)) {  // a composite's IS NULL asks for its fields
    return operand.type == Type::other ? "its type " + in_quotes(operand.type_text) + " is not supported"
                                       : "";
  }
  if (op == Op::has || op == Op::overlaps || (op == Op::contains && operand.type != Type::jsonb)) {
    if (!of_array)
      return fmt::format("it takes an array{}, not {}", op == Op::contains ? " or jsonb" : "",
                         operand.type_text);
    if (!has_equality(compared)) return only_null;
  } else if (op == Op::has_key || op == Op::contains) {
    if (operand.type != Type::jsonb) return fmt::format("it takes jsonb, not {}", operand.type_text);
  } else if (is_pattern(op) || op == Op::starts_with) {
    if (!is_text(operand.type)) return fmt::format("it takes text, not {}", operand.type_text);
    if (operand.type == Type::bpchar && op != Op::like) return "it takes text without padding, not character";
  } else if (of_array) {
    return fmt::format("arrays take IS NULL, `has` (= ANY), @> and &&, not {}", op_text(op));
  } else if (!has_equality(operand.type)) {
    return only_null;
  } else if (is_order(op) && !has_order(operand.type)) {
    return fmt::format("the order of {} is not known here",
                       operand.type == Type::jsonb ? "jsonb" : "an enum's labels");
  }
  if (!is_text(compared)) return "";
  if (!operand.deterministic) return "its collation is nondeterministic, so that unlike strings are equal";
  if (is_order(op) && !operand.bytewise)
    return "the order of strings is only known where the column's collation is \"C\"";
  if ((op == Op::ilike || op == Op::imatch) && !operand.ascii_case)
    return "which letters are alike is only known where the column's collation is \"C\"";
  return "";
}

/// Writes out arrays that came as one text.
Status expand_arrays(const Operand& operand, ParsedCondition& parsed) {
  if (operand.type == Type::jsonb && parsed.op == Op::contains) return {};
  std::vector<ParsedLiteral> values;
  for (const ParsedLiteral& literal : parsed.values) {
    using Kind = ParsedLiteral::Kind;
    if (!literal.whole || literal.kind == Kind::null || literal.kind == Kind::claim) {
      values.push_back(literal);
      continue;
    }
    bool bounded = true;
    const bool array = for_each_element(literal.text, [&](std::optional<std::string_view> element) {
      const auto kind = element ? ParsedLiteral::Kind::string : ParsedLiteral::Kind::null;
      values.push_back({kind, std::string(element.value_or("")), literal.cast});
      return bounded = values.size() <= kInValuesMax;
    });
    if (!array || literal.kind != ParsedLiteral::Kind::string) {
      return invalid(fmt::format("column {}: `{}` takes an array, not {}{}", operand.name, op_text(parsed.op),
                                 literal_for_message(literal), in_text(parsed.place)));
    }
  }
  parsed.values = std::move(values);
  return {};
}

Status check_count(const ParsedCondition& parsed, const Operand& operand) {
  const std::size_t count = parsed.values.size();
  const auto fault = [&](std::string_view wanted) {
    return invalid(fmt::format("column {}: `{}` takes {}, not {}{}", operand.name, op_text(parsed.op), wanted,
                               count, in_text(parsed.place)));
  };
  if (is_null_test(parsed.op)) return count == 0 ? Status() : fault("no value");
  const bool one = !takes_list(parsed.op) || operand.type == Type::jsonb;
  if (one && !is_equality(parsed.op)) return count == 1 ? Status() : fault("one value");
  if (!takes_list(parsed.op)) return count == 1 ? Status() : fault("one value");
  if (count == 0) return fault("at least one value");
  return count <= kInValuesMax ? Status() : fault(fmt::format("at most {} values", kInValuesMax));
}

/// The type that a literal takes.
Type literal_type(Op op, const Operand& operand) {
  if (op == Op::has_key || is_pattern(op) || op == Op::starts_with) return Type::text;
  return operand.type == Type::array ? operand.element : operand.type;
}

Result<std::string> bind_literal(const ParsedCondition& parsed, const Operand& operand,
                                 const ParsedLiteral& literal) {
  const Type type = literal_type(parsed.op, operand);
  if (literal.kind == ParsedLiteral::Kind::null) {
    if (!is_equality(parsed.op) && !is_order(parsed.op)) {
      return invalid(fmt::format("column {}: `{}` with NULL never holds{}", operand.name, op_text(parsed.op),
                                 in_text(parsed.place)));
    }
    const bool unequal = parsed.op == Op::ne || parsed.op == Op::not_in;
    return invalid(fmt::format("column {}: `{}` with NULL never holds; write {}{}", operand.name,
                               op_text(parsed.op), unequal ? "IS NOT NULL" : "IS NULL",
                               in_text(parsed.place)));
  }
  auto value = canonical_literal(type, literal);
  // `1.5::int` is 2 and `'1.5'::int` an error: only what the cast leaves as it is has one meaning.
  const bool changed = is_whole(literal.cast) && !canonical_literal(literal.cast, literal);
  if (value && !changed && cast_fits(type, literal.cast)) return value;
  const std::string cast = literal.cast == Type::other ? "" : fmt::format("::{}", type_name(literal.cast));
  return invalid(fmt::format("column {} ({}): `{}` can't take {}{}; it takes {}{}", operand.name,
                             operand.type_text, op_text(parsed.op), literal_for_message(literal), cast,
                             value ? "a " + std::string(type_name(type)) : value.error().message,
                             in_text(parsed.place)));
}

void sort_values(Condition& leaf) {
  std::sort(leaf.values.begin(), leaf.values.end());
  leaf.values.erase(std::unique(leaf.values.begin(), leaf.values.end()), leaf.values.end());
  if (leaf.values.size() != 1) return;
  if (leaf.op == Op::in) leaf.op = Op::eq;
  if (leaf.op == Op::not_in) leaf.op = Op::ne;
}

bool column_cast_fits(Type type, Type cast) {
  if (cast == Type::other || cast == type) return true;
  if (is_whole(type)) return cast == Type::numeric || (is_whole(cast) && cast > type);
  const bool to_text = cast == Type::text || cast == Type::varchar;
  return to_text && (type == Type::text || type == Type::varchar || type == Type::enumeration);
}

}  // namespace

std::string in_text(int place) {
  return place < 0 ? "" : fmt::format(" (at byte {})", place);
}

void settle_truth(Condition& leaf, Type type) {
  if (leaf.truth == Truth::not_true && is_null_test(leaf.op)) leaf.truth = Truth::is_false;
  if (leaf.truth == Truth::not_false && is_null_test(leaf.op)) leaf.truth = Truth::is_true;
  if (const auto opposite = complement(leaf.op)) {
    if (leaf.truth == Truth::is_false || leaf.truth == Truth::not_false) {
      leaf.op = *opposite;
      leaf.truth = inverted(leaf.truth);
    }
  }
  if (type == Type::boolean && leaf.op == Op::ne && leaf.other < 0) {
    leaf.op = Op::eq;
    leaf.values.front() = leaf.values.front() == "t" ? "f" : "t";
  }
}

Operand operand_of(const TableSchema& table, const Condition& leaf) {
  Operand operand = operand_of_column(table.columns[static_cast<std::size_t>(leaf.column)]);
  if (!leaf.path.empty()) step_into(operand, leaf.as_text);
  return operand;
}

Result<Condition> ConditionBinder::bind(const ParsedCondition& parsed, Truth truth, int depth) {
  if (!is_group(parsed.op)) return bind_leaf(parsed, truth);
  if (depth >= kDepthMax) {
    return invalid(fmt::format("conditions may stand in one another at most {} deep{}", kDepthMax,
                               in_text(parsed.place)));
  }
  const bool joins = parsed.op == Op::all_of || parsed.op == Op::any_of;
  if (parsed.children.empty() || (!joins && parsed.children.size() > 1)) {
    return invalid(fmt::format("`{}` takes {}{}", op_text(parsed.op),
                               joins ? "at least one condition" : "one condition", in_text(parsed.place)));
  }
  const bool holds = truth == Truth::is_true || truth == Truth::not_false;
  const ParsedCondition& child = parsed.children.front();
  switch (parsed.op) {
    case Op::all_of:
      return bind_group(parsed, holds ? Op::all_of : Op::any_of, truth, depth);
    case Op::any_of:
      return bind_group(parsed, holds ? Op::any_of : Op::all_of, truth, depth);
    case Op::negation:
      return bind(child, inverted(truth), depth + 1);
    case Op::is_true:  // never unknown, like the two below
      return bind(child, holds ? Truth::is_true : Truth::not_true, depth + 1);
    case Op::is_false:
      return bind(child, holds ? Truth::is_false : Truth::not_false, depth + 1);
    default:
      break;
  }
  std::vector<Condition> both;
  for (const Truth one :
       {holds ? Truth::not_true : Truth::is_true, holds ? Truth::not_false : Truth::is_false}) {
    auto bound = bind(child, one, depth + 1);
    if (!bound) return bound;
    both.push_back(std::move(*bound));
  }
  return grouped(holds ? Op::all_of : Op::any_of, std::move(both));
}

Result<Condition> ConditionBinder::bind_group(const ParsedCondition& parsed, Op op, Truth each, int depth) {
  std::vector<Condition> children;
  for (const ParsedCondition& child : parsed.children) {
    auto bound = bind(child, each, depth + 1);
    if (!bound) return bound;
    children.push_back(std::move(*bound));
  }
  return grouped(op, std::move(children));
}

Result<Operand> ConditionBinder::operand_of(const ParsedCondition& parsed, int column) const {
  const ColumnSchema& schema = table_.columns[static_cast<std::size_t>(column)];
  Operand operand = operand_of_column(schema);
  const auto refused = [&](std::string_view reason) {
    return invalid(fmt::format("column {} can't be compared by `{}`: {}{}", operand.name, op_text(parsed.op),
                               reason, in_text(parsed.place)));
  };
  if (schema.generated) return refused("it is generated, and the database does not stream it");
  if (!parsed.path.empty()) {
    if (operand.type == Type::json) return refused("`->` in json may fail over a row; in jsonb it can't");
    if (operand.type != Type::jsonb) return refused("only jsonb has parts");
    if (parsed.path.size() > kPathMax) return refused(fmt::format("a path has at most {} steps", kPathMax));
    step_into(operand, parsed.as_text);
  }
  if (!column_cast_fits(operand.type, parsed.cast)) {
    return refused(
        fmt::format("a cast to {} may fail over a row, or has a meaning of its own", type_name(parsed.cast)));
  }
  const std::string reason = refusal(parsed.op, operand);
  if (!reason.empty()) return refused(reason);
  return operand;
}

Status ConditionBinder::bind_other(const ParsedCondition& parsed, const Operand& left,
                                   Condition& bound) const {
  const auto refused = [&](std::string_view reason) {
    return invalid(fmt::format("column {} can't be compared with column {}: {}{}", left.name,
                               in_quotes(parsed.other), reason, in_text(parsed.place)));
  };
  const int column = names_.find(parsed.other);
  if (column < 0) {
    return invalid(fmt::format("table {} has no column {}{}", in_quotes(table_.qualified()),
                               in_quotes(parsed.other), in_text(parsed.place)));
  }
  if (!parsed.values.empty() || !parsed.path.empty()) return refused("there is a value or a path too");
  if (takes_list(parsed.op) || !(is_equality(parsed.op) || is_order(parsed.op))) {
    return refused(fmt::format("`{}` takes a value", op_text(parsed.op)));
  }
  ParsedCondition mirror = parsed;
  mirror.cast = Type::other;
  auto right = operand_of(mirror, column);
  if (!right) return right.error();
  if (left.type != right->type && !(is_whole(left.type) && is_whole(right->type))) {
    return refused(fmt::format("{} and {} are two types", left.type_text, right->type_text));
  }
  if (left.type == Type::enumeration && left.type_text != right->type_text)
    return refused("they are two enums");
  bound.other = column;
  if (bound.other < bound.column) {
    std::swap(bound.column, bound.other);
    bound.op = mirrored(bound.op);
  }
  return {};
}

Status ConditionBinder::bind_values(const ParsedCondition& parsed, const Operand& operand, Condition& bound) {
  ParsedCondition expanded = parsed;
  if (auto status = expand_arrays(operand, expanded); !status) return status;
  if (auto status = check_count(expanded, operand); !status) return status;
  values_ += expanded.values.size() + parsed.path.size();
  if (values_ > values_max_) return invalid(fmt::format("a query has at most {} values", kValuesMax));
  for (const ParsedLiteral& literal : expanded.values) {
    if (literal.kind == ParsedLiteral::Kind::claim) {
      if (auto status = check_claim(expanded, operand); !status) return status;
      bound.values.emplace_back();
      continue;
    }
    auto value = bind_literal(expanded, operand, literal);
    if (!value) return value.error();
    if (parsed.op == Op::contains && operand.type == Type::jsonb && value->size() > kContainedBytesMax)
      return invalid(fmt::format("column {}: @> takes at most {} bytes of JSON{}", operand.name,
                                 kContainedBytesMax, in_text(parsed.place)));
    bound.values.push_back(std::move(*value));
  }
  if (is_pattern(parsed.op)) {
    if (auto status = bind_pattern(parsed, operand, bound); !status) return status;
  }
  sort_values(bound);
  return {};
}

Status ConditionBinder::check_claim(const ParsedCondition& parsed, const Operand& operand) const {
  const auto refused = [&](std::string_view reason) {
    return invalid(fmt::format("column {}: {}{}", operand.name, reason, in_text(parsed.place)));
  };
  if (!claims_open_) return refused("a claim has no value here");
  if (operand.type == Type::jsonb) return refused("a claim can't be compared with jsonb; `->>` gives text");
  return {};
}

Status ConditionBinder::count_one() {
  if (++conditions_ <= conditions_max_) return {};
  return invalid(fmt::format("a query has at most {} conditions", kConditionsMax));
}

Result<Condition> ConditionBinder::bind_leaf(const ParsedCondition& parsed, Truth truth) {
  if (parsed.left || parsed.right) return bind_terms(parsed, truth);
  if (auto status = count_one(); !status) return status.error();
  Condition bound;
  bound.column = names_.find(parsed.column);
  bound.op = parsed.op;
  bound.truth = truth;
  bound.path = parsed.path;
  bound.as_text = parsed.as_text;
  if (bound.column < 0) {
    return invalid(fmt::format("table {} has no column {}{}", in_quotes(table_.qualified()),
                               in_quotes(parsed.column), in_text(parsed.place)));
  }
  const auto operand = operand_of(parsed, bound.column);
  if (!operand) return operand.error();
  if (!parsed.other.empty()) {
    if (auto status = bind_other(parsed, *operand, bound); !status) return status.error();
  } else {
    if (auto status = bind_values(parsed, *operand, bound); !status) return status.error();
  }
  settle_truth(bound, operand->type);
  return bound;
}

}  // namespace tidegate::query
