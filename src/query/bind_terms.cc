#include <fmt/format.h>

#include <utility>

#include "query/bind_condition.h"
#include "query/bind_expression.h"
#include "query/normal_form.h"
#include "query/op.h"

namespace tidegate::query {
namespace {

/// A side of a comparison as an expression: the client's, or of its column.
ParsedExpression side(const std::shared_ptr<const ParsedExpression>& written, const std::string& column,
                      Type cast, int place) {
  if (written) return *written;
  ParsedExpression side;
  side.column = column;
  side.place = place;
  if (cast == Type::other) return side;
  ParsedExpression outer;
  outer.kind = Arithmetic::cast;
  outer.cast = cast;
  outer.place = place;
  outer.operands.push_back(std::move(side));
  return outer;
}

std::shared_ptr<const Computed> computed(Terms terms) {
  return std::make_shared<const Computed>(Computed{std::move(terms), nullptr});
}

/// The column that an expression is, but for a cast that changes no number; else -1.
int bare_column(const Expression& expression) {
  if (expression.kind == Arithmetic::cast) return bare_column(expression.operands.front());
  return expression.kind == Arithmetic::column ? expression.column : -1;
}

Operand computed_operand(const Expression& expression) {
  Operand operand;
  operand.name = "of arithmetic";
  operand.type = expression.type;
  operand.type_text = std::string(type_name(expression.type));
  return operand;
}

}  // namespace

/// A result is NULL where one of its columns is: nothing has to be computed.
Result<Condition> ConditionBinder::null_test_of(const ParsedCondition& parsed, const Expression& expression,
                                                Truth truth) {
  const bool holds = truth == Truth::is_true || truth == Truth::not_false;
  const bool null = (parsed.op == Op::is_null) == holds;
  std::vector<Condition> tests;
  for (const int column : columns_of(expression)) {
    ParsedCondition test;
    test.column = table_.columns[static_cast<std::size_t>(column)].name;
    test.op = null ? Op::is_null : Op::is_not_null;
    test.place = parsed.place;
    auto bound = bind_leaf(test, Truth::is_true);
    if (!bound) return bound;
    tests.push_back(std::move(*bound));
  }
  return grouped(null ? Op::any_of : Op::all_of, std::move(tests));
}

Result<Condition> ConditionBinder::bind_terms(const ParsedCondition& parsed, Truth truth) {
  const auto refused = [&](std::string_view reason) {
    return Error{Fault::invalid,
                 fmt::format("`{}`: {}{}", op_text(parsed.op), reason, in_text(parsed.place))};
  };
  if (!parsed.path.empty()) return refused("jsonb's parts can't take part in arithmetic");
  if (!is_equality(parsed.op) && !is_order(parsed.op) && !is_null_test(parsed.op))
    return refused("arithmetic is compared by = <> < <= > >= and IN alone");
  ExpressionBinder binder(names_);
  auto left = binder.bind(side(parsed.left, parsed.column, parsed.cast, parsed.place));
  if (!left) return left.error();
  if (left->constant) return refused("arithmetic that names no column is a constant; write it as a value");
  const bool two = parsed.right || !parsed.other.empty();
  if (is_null_test(parsed.op)) {
    return two || !parsed.values.empty() ? Result<Condition>(refused("it takes no value"))
                                         : null_test_of(parsed, left->expression, truth);
  }
  if (two) return bind_two_terms(parsed, std::move(left->expression), truth);
  if (const int column = bare_column(left->expression); column >= 0) {
    ParsedCondition plain = parsed;
    plain.left = nullptr;
    plain.cast = Type::other;
    plain.column = table_.columns[static_cast<std::size_t>(column)].name;
    return bind_leaf(plain, truth);
  }
  if (auto status = count_one(); !status) return status.error();
  Condition bound;
  bound.op = parsed.op;
  bound.truth = truth;
  if (auto status = bind_values(parsed, computed_operand(left->expression), bound); !status)
    return status.error();
  settle_truth(bound, left->expression.type);
  bound.computed = computed(Terms{std::move(left->expression), std::nullopt});
  return bound;
}

Result<Condition> ConditionBinder::bind_two_terms(const ParsedCondition& parsed, Expression left,
                                                  Truth truth) {
  const auto refused = [&](std::string_view reason) {
    return Error{Fault::invalid,
                 fmt::format("`{}`: {}{}", op_text(parsed.op), reason, in_text(parsed.place))};
  };
  if (takes_list(parsed.op) || !parsed.values.empty())
    return refused("there is arithmetic and a value on the right");
  ExpressionBinder binder(names_);
  auto right = binder.bind(side(parsed.right, parsed.other, Type::other, parsed.place));
  if (!right) return right.error();
  if (right->constant) return refused("arithmetic that names no column is a constant; write it as a value");
  if (left.kind == Arithmetic::column && right->expression.kind == Arithmetic::column &&
      left.type == right->expression.type) {
    ParsedCondition plain = parsed;
    plain.left = plain.right = nullptr;
    plain.cast = Type::other;
    plain.column = table_.columns[static_cast<std::size_t>(left.column)].name;
    plain.other = table_.columns[static_cast<std::size_t>(right->expression.column)].name;
    return bind_leaf(plain, truth);
  }
  if (auto status = count_one(); !status) return status.error();
  Condition bound;
  bound.op = parsed.op;
  bound.truth = truth;
  Terms terms{std::move(left), std::move(right->expression)};
  if (*terms.right < terms.left) {
    std::swap(terms.left, *terms.right);
    bound.op = mirrored(bound.op);
  }
  settle_truth(bound, terms.left.type);
  bound.computed = computed(std::move(terms));
  return bound;
}

}  // namespace tidegate::query
