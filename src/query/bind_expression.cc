#include "query/bind_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/utf8.h"
#include "query/literal.h"
#include "query/numeric.h"

namespace tidegate::query {
namespace {

using boost::multiprecision::cpp_int;

Error refused(const ParsedExpression& parsed, std::string_view message) {
  return {Fault::invalid,
          parsed.place < 0 ? std::string(message) : fmt::format("{} (at byte {})", message, parsed.place)};
}

bool is_whole(Type type) {
  return type == Type::int2 || type == Type::int4 || type == Type::int8;
}

struct Range {
  Decimal low;
  Decimal high;
};

Range range_of(Type whole) {
  const unsigned bits = whole == Type::int2 ? 15 : whole == Type::int4 ? 31 : 63;
  const cpp_int bound = cpp_int(1) << bits;
  return {{-bound, 0}, {bound - 1, 0}};
}

bool fits(const BoundExpression& bound, Type type) {
  if (type == Type::numeric) {
    return bound.scale <= kNumericDigitsMax &&
           std::max(whole_digits(bound.low), whole_digits(bound.high)) <= kNumericDigitsMax;
  }
  const Range range = range_of(type);
  return bound.low >= range.low && bound.high <= range.high;
}

/// The largest value of `numeric(precision,scale)`; nothing where no precision is declared.
std::optional<Decimal> largest_of(std::string_view declared) {
  constexpr std::string_view kName = "numeric(";
  if (!declared.starts_with(kName)) return std::nullopt;
  const char* const end = declared.data() + declared.size();
  unsigned precision = 0;
  int scale = 0;
  const auto first = std::from_chars(declared.data() + kName.size(), end, precision);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ',' || precision > 1'000)
    return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, scale);
  if (second.ec != std::errc{} || scale < -1'000 || scale > 1'000) return std::nullopt;
  const cpp_int digits = pow(cpp_int(10), precision) - 1;
  if (scale < 0) return Decimal{digits * pow(cpp_int(10), static_cast<unsigned>(-scale)), 0};
  return Decimal{digits, static_cast<unsigned>(scale)};
}

BoundExpression constant_of(const Decimal& number, Type type) {
  BoundExpression bound;
  bound.type = type;
  bound.low = bound.high = number;
  bound.scale = number.scale;
  bound.constant = true;
  bound.expression.kind = Arithmetic::constant;
  bound.expression.type = type == Type::numeric ? Type::numeric : Type::int8;
  bound.expression.constant = decimal_text(number);
  return bound;
}

/// A number without a cast is typed by how it is written.
Type written_type(std::string_view text, const Decimal& number) {
  if (text.find_first_of(".eE") != std::string_view::npos) return Type::numeric;
  BoundExpression bound;
  bound.low = bound.high = number;
  if (fits(bound, Type::int4)) return Type::int4;
  return fits(bound, Type::int8) ? Type::int8 : Type::numeric;
}

Result<BoundExpression> bind_constant(const ParsedExpression& parsed) {
  const ParsedLiteral& literal = parsed.constant;
  const std::string shown = literal_for_message(literal);
  if (literal.kind == ParsedLiteral::Kind::null)
    return refused(parsed, "arithmetic with NULL is always NULL");
  const bool number = literal.kind == ParsedLiteral::Kind::number;
  if (!number && (literal.cast == Type::other || literal.kind != ParsedLiteral::Kind::string)) {
    return refused(parsed, fmt::format("arithmetic takes numbers, written without quotes, not {}", shown));
  }
  const Type type = literal.cast == Type::other ? Type::numeric : literal.cast;
  if (!is_whole(type) && type != Type::numeric)
    return refused(parsed, fmt::format("arithmetic takes integers and numeric, not {}", type_name(type)));
  const auto text = canonical_literal(type, literal);
  if (!text) return refused(parsed, fmt::format("{} is not {}", shown, text.error().message));
  auto value = read_decimal(*text);
  if (!value) return refused(parsed, fmt::format("arithmetic takes finite numbers, not {}", shown));
  return constant_of(*value, literal.cast == Type::other ? written_type(literal.text, *value) : type);
}

/// What is computed in numeric is numeric from its columns and constants on, as far as these are not in
/// integers.
Expression as(BoundExpression bound, Type type) {
  if (bound.expression.type == type) return std::move(bound.expression);
  if (bound.constant) {
    bound.expression.type = type;
    return std::move(bound.expression);
  }
  Expression cast;
  cast.kind = Arithmetic::cast;
  cast.type = type;
  cast.operands.push_back(std::move(bound.expression));
  return cast;
}

std::string out_of_range(Arithmetic kind, const BoundExpression& result) {
  const std::string reached = decimal_text(
      fits(result, result.type) || result.high > range_of(result.type).high ? result.high : result.low);
  const Type wider = fits(result, Type::int4)   ? Type::int4
                     : fits(result, Type::int8) ? Type::int8
                                                : Type::numeric;
  return fmt::format("`{}` in {} may reach {}, which fails over a row; write ::{} behind a column in it",
                     arithmetic_text(kind), type_name(result.type), reached, type_name(wider));
}

Status check_fits(const ParsedExpression& parsed, const BoundExpression& result) {
  if (fits(result, result.type)) return {};
  if (result.type != Type::numeric) return refused(parsed, out_of_range(parsed.kind, result));
  return refused(parsed, fmt::format("`{}` may have more than {} digits on a side of the point",
                                     arithmetic_text(parsed.kind), kNumericDigitsMax));
}

Result<BoundExpression> bind_cast(const ParsedExpression& parsed, BoundExpression inside) {
  const bool known = is_whole(parsed.cast) || parsed.cast == Type::numeric;
  const bool narrow = parsed.cast != Type::numeric && inside.type == Type::numeric;
  if (!known || narrow || !fits(inside, parsed.cast)) {
    return refused(
        parsed,
        fmt::format("a cast of {} to {} in arithmetic may fail over a row, or has a meaning of its own",
                    type_name(inside.type), type_name(parsed.cast)));
  }
  inside.type = parsed.cast;
  if (parsed.cast == Type::numeric) inside.expression = as(inside, Type::numeric);
  return inside;
}

Result<BoundExpression> bind_negation(const ParsedExpression& parsed, BoundExpression inside) {
  std::swap(inside.low, inside.high);
  inside.low = -inside.low;
  inside.high = -inside.high;
  if (auto status = check_fits(parsed, inside); !status) return status.error();
  if (inside.constant) return constant_of(inside.low, inside.type);
  Expression negated;
  negated.kind = Arithmetic::negate;
  negated.type = inside.expression.type;
  negated.operands.push_back(std::move(inside.expression));
  inside.expression = std::move(negated);
  return inside;
}

/// Why a quotient or remainder can't be known; empty where it can.
std::string_view division_refusal(Arithmetic kind, Type type, const BoundExpression& right) {
  if (!right.constant) return "divides by a column, which may be zero; only a number may stand there";
  if (right.low == Decimal{}) return "divides by zero";
  if (kind == Arithmetic::divide && type == Type::numeric) {
    return "of numeric rounds, to as many digits as the values have; multiply the other side instead";
  }
  return "";
}

Range result_range(Arithmetic kind, const BoundExpression& left, const BoundExpression& right) {
  switch (kind) {
    case Arithmetic::add:
      return {left.low + right.low, left.high + right.high};
    case Arithmetic::subtract:
      return {left.low - right.high, left.high - right.low};
    case Arithmetic::modulo: {
      const Decimal most = right.low < Decimal{} ? -right.low : right.low;
      return left.constant ? Range{left.low % right.low, left.low % right.low} : Range{-most, most};
    }
    default:
      break;
  }
  const bool divide = kind == Arithmetic::divide;
  const auto of = [&](const Decimal& one, const Decimal& other) {
    return divide ? one / other : one * other;
  };
  const auto ends = {of(left.low, right.low), of(left.low, right.high), of(left.high, right.low),
                     of(left.high, right.high)};
  return {std::min(ends), std::max(ends)};
}

Result<BoundExpression> combined(const ParsedExpression& parsed, BoundExpression left,
                                 BoundExpression right) {
  BoundExpression result;
  const bool numeric = left.type == Type::numeric || right.type == Type::numeric;
  result.type = numeric ? Type::numeric : std::max(left.type, right.type);
  if (parsed.kind == Arithmetic::divide || parsed.kind == Arithmetic::modulo) {
    if (const auto reason = division_refusal(parsed.kind, result.type, right); !reason.empty())
      return refused(parsed, fmt::format("`{}` {}", arithmetic_text(parsed.kind), reason));
  }
  Range range = result_range(parsed.kind, left, right);
  result.low = std::move(range.low);
  result.high = std::move(range.high);
  result.scale =
      parsed.kind == Arithmetic::multiply ? left.scale + right.scale : std::max(left.scale, right.scale);
  if (auto status = check_fits(parsed, result); !status) return status.error();
  if (left.constant && right.constant) return constant_of(result.low, result.type);
  result.expression.kind = parsed.kind;
  result.expression.type = numeric ? Type::numeric : Type::int8;
  result.expression.operands.push_back(as(std::move(left), result.expression.type));
  result.expression.operands.push_back(as(std::move(right), result.expression.type));
  if (parsed.kind == Arithmetic::add || parsed.kind == Arithmetic::multiply)
    std::sort(result.expression.operands.begin(), result.expression.operands.end());
  return result;
}

std::string_view type_refusal(Type type) {
  switch (type) {
    case Type::float4:
    case Type::float8:
      return "floating point rounds, and raises errors where it overflows";
    case Type::date:
    case Type::time:
    case Type::timestamp:
    case Type::timestamptz:
    case Type::interval:
      return "times may get out of range, and months and days have no fixed length; compute the bound "
             "instead";
    default:
      return "it takes smallint, integer, bigint and numeric";
  }
}

}  // namespace

Result<BoundExpression> ExpressionBinder::bind(const ParsedExpression& parsed, int depth) {
  if (depth >= kExpressionDepthMax || ++size_ > kExpressionSizeMax) {
    return refused(parsed,
                   fmt::format("arithmetic stands in itself at most {} deep, and has at most {} parts",
                               kExpressionDepthMax, kExpressionSizeMax));
  }
  switch (parsed.kind) {
    case Arithmetic::column:
      return bind_column(parsed);
    case Arithmetic::constant:
      return bind_constant(parsed);
    default:
      return bind_operands(parsed, depth);
  }
}

Result<BoundExpression> ExpressionBinder::bind_operands(const ParsedExpression& parsed, int depth) {
  const bool one = parsed.kind == Arithmetic::cast || parsed.kind == Arithmetic::negate;
  if (parsed.operands.size() != (one ? 1 : 2))
    return refused(parsed, fmt::format("`{}` takes {}", arithmetic_text(parsed.kind),
                                       one ? "one operand" : "two operands"));
  auto left = bind(parsed.operands.front(), depth + 1);
  if (!left) return left;
  if (parsed.kind == Arithmetic::cast) return bind_cast(parsed, std::move(*left));
  if (parsed.kind == Arithmetic::negate) return bind_negation(parsed, std::move(*left));
  auto right = bind(parsed.operands.back(), depth + 1);
  if (!right) return right;
  return combined(parsed, std::move(*left), std::move(*right));
}

Result<BoundExpression> ExpressionBinder::bind_column(const ParsedExpression& parsed) const {
  BoundExpression bound;
  bound.expression.column = names_.find(parsed.column);
  if (bound.expression.column < 0) {
    return refused(parsed, fmt::format("table {} has no column {}", in_quotes(table_.qualified()),
                                       in_quotes(parsed.column)));
  }
  const ColumnSchema& column = table_.columns[static_cast<std::size_t>(bound.expression.column)];
  const auto unfit = [&](std::string_view reason) {
    return refused(parsed,
                   fmt::format("column {} ({}) can't take part in arithmetic: {}", in_quotes(column.name),
                               column.declared.empty() ? type_name(column.type) : column.declared, reason));
  };
  if (column.generated) return unfit("it is generated, and the database does not stream it");
  bound.type = column.type;
  if (is_whole(column.type)) {
    Range range = range_of(column.type);
    bound.low = std::move(range.low);
    bound.high = std::move(range.high);
    return bound;
  }
  if (column.type != Type::numeric) return unfit(type_refusal(column.type));
  const auto largest = largest_of(column.declared);
  if (!largest) {
    return unfit(
        "without a precision its values may be so long that a result is out of range; declare it as "
        "numeric(p, s)");
  }
  bound.expression.type = Type::numeric;
  bound.low = -*largest;
  bound.high = *largest;
  bound.scale = largest->scale;
  return bound;
}

Result<ParsedLiteral> folded(const ParsedExpression& parsed) {
  static const TableSchema kNoTable;
  static const std::vector<bool> kNoneHidden;
  const auto bound = ExpressionBinder({kNoTable, kNoneHidden}).bind(parsed);
  if (!bound) return bound.error();
  ParsedLiteral literal{ParsedLiteral::Kind::number, bound->expression.constant};
  if (bound->type == Type::numeric && literal.text.find('.') == std::string::npos) literal.text += ".0";
  if (bound->type != written_type(literal.text, bound->low)) literal.cast = bound->type;
  return literal;
}

}  // namespace tidegate::query
