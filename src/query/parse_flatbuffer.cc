#include <flatbuffers/flatbuffers.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/utf8.h"
#include "query/query.h"
#include "query/text_left.h"
#include "schemas/query_generated.h"

namespace tidegate::query {
namespace {

Error invalid(std::string_view path, std::string_view message) {
  return {Fault::invalid, fmt::format("{}: {}", path, message)};
}

/// The schema's enums and ours have the same order; a number above them is a newer client's.
std::optional<Op> read_op(fb::Op op) {
  if (static_cast<unsigned>(op) > static_cast<unsigned>(fb::Op::MAX)) return std::nullopt;
  return static_cast<Op>(op);
}
static_assert(static_cast<int>(fb::Op::is_unknown) == static_cast<int>(Op::is_unknown) &&
              fb::Op::MAX == fb::Op::is_unknown);
static_assert(static_cast<int>(fb::Op::has) == static_cast<int>(Op::has));
static_assert(static_cast<int>(fb::Op::is_null) == static_cast<int>(Op::is_null));
static_assert(static_cast<int>(fb::LiteralKind::string) == static_cast<int>(ParsedLiteral::Kind::string));
static_assert(static_cast<int>(fb::LiteralKind::json) == static_cast<int>(ParsedLiteral::Kind::json));
static_assert(static_cast<int>(fb::LiteralKind::number) == static_cast<int>(ParsedLiteral::Kind::number));

/// FlatBuffers' verifier knows nothing of UTF-8, and names end up in messages. It does not count strings
/// either, and any number of offsets may share one.
Result<std::string> read_string(TextLeft& left, const flatbuffers::String* string, const std::string& path) {
  if (string == nullptr) return std::string();
  if (!left.take(string->size())) return invalid(path, kTooMuchText);
  std::string text = string->str();
  if (!storable_text(text)) return invalid(path, "is not UTF-8, or holds a NUL");
  return text;
}

Result<ParsedLiteral> read_literal(TextLeft& left, const fb::Literal& literal, const std::string& path) {
  if (static_cast<unsigned>(literal.kind()) > static_cast<unsigned>(fb::LiteralKind::MAX)) {
    return invalid(path, fmt::format("kind {} is not known", static_cast<unsigned>(literal.kind())));
  }
  ParsedLiteral parsed;
  parsed.kind = static_cast<ParsedLiteral::Kind>(literal.kind());
  if (parsed.kind == ParsedLiteral::Kind::null) return parsed;
  if (literal.text() == nullptr) return invalid(path, "needs `text`");
  auto text = read_string(left, literal.text(), path + ".text");
  if (!text) return text.error();
  parsed.text = std::move(*text);
  if (parsed.kind == ParsedLiteral::Kind::boolean && parsed.text != "true" && parsed.text != "false") {
    return invalid(path + ".text", "must be true or false");
  }
  return parsed;
}

Status read_path(TextLeft& left, const fb::Condition& condition, const std::string& path,
                 ParsedCondition& read) {
  const auto* steps = condition.path();
  for (std::uint32_t i = 0; steps != nullptr && i < steps->size(); ++i) {
    const fb::Step& step = *steps->Get(i);
    if (step.key() == nullptr) {
      read.path.push_back({std::to_string(step.place()), true});
      continue;
    }
    auto key = read_string(left, step.key(), fmt::format("{}.path[{}]", path, i));
    if (!key) return key.error();
    read.path.push_back({std::move(*key), false});
  }
  read.as_text = condition.as_text();
  return {};
}

static_assert(static_cast<int>(fb::Arithmetic::modulo) == static_cast<int>(Arithmetic::modulo) &&
              fb::Arithmetic::MAX == fb::Arithmetic::modulo);
static_assert(static_cast<int>(fb::Arithmetic::constant) == static_cast<int>(Arithmetic::constant));
static_assert(static_cast<int>(fb::Arithmetic::negate) == static_cast<int>(Arithmetic::negate));
static_assert(static_cast<int>(fb::NumberType::numeric) + static_cast<int>(Type::int2) ==
              static_cast<int>(Type::numeric));

/// Recurses as deep as the buffer, which its verifier bounds.
Result<ParsedExpression> read_expression(TextLeft& left, const fb::Expression& expression,
                                         const std::string& path) {
  ParsedExpression read;
  if (expression.kind() > fb::Arithmetic::MAX || expression.type() > fb::NumberType::MAX)
    return invalid(path, "its kind or type is not known");
  read.kind = static_cast<Arithmetic>(expression.kind());
  auto column = read_string(left, expression.column(), path + ".column");
  if (!column) return column.error();
  read.column = std::move(*column);
  if (read.kind == Arithmetic::constant) {
    if (expression.constant() == nullptr) return invalid(path, "needs `constant`");
    auto literal = read_literal(left, *expression.constant(), path + ".constant");
    if (!literal) return literal.error();
    read.constant = std::move(*literal);
  }
  if (read.kind == Arithmetic::cast)
    read.cast = static_cast<Type>(static_cast<int>(Type::int2) + static_cast<int>(expression.type()));
  const auto* operands = expression.operands();
  for (std::uint32_t i = 0; operands != nullptr && i < operands->size(); ++i) {
    auto operand = read_expression(left, *operands->Get(i), fmt::format("{}.operands[{}]", path, i));
    if (!operand) return operand;
    read.operands.push_back(std::move(*operand));
  }
  return read;
}

Status read_term(TextLeft& left, const fb::Expression* expression, const std::string& path,
                 std::shared_ptr<const ParsedExpression>& term) {
  if (expression == nullptr) return {};
  auto read = read_expression(left, *expression, path);
  if (!read) return read.error();
  term = std::make_shared<const ParsedExpression>(std::move(*read));
  return {};
}

/// Recurses as deep as the buffer, which its verifier bounds.
Result<ParsedCondition> read_condition(TextLeft& left, const fb::Condition& condition,
                                       const std::string& path) {
  ParsedCondition read;
  auto column = read_string(left, condition.column(), path + ".column");
  if (!column) return column.error();
  read.column = std::move(*column);
  const auto op = read_op(condition.op());
  if (!op)
    return invalid(path + ".op", fmt::format("{} is not known", static_cast<unsigned>(condition.op())));
  read.op = *op;
  const auto* values = condition.values();
  for (std::uint32_t i = 0; values != nullptr && i < values->size(); ++i) {
    auto literal = read_literal(left, *values->Get(i), fmt::format("{}.values[{}]", path, i));
    if (!literal) return literal.error();
    read.values.push_back(std::move(*literal));
  }
  auto other = read_string(left, condition.other(), path + ".other");
  if (!other) return other.error();
  read.other = std::move(*other);
  if (auto status = read_path(left, condition, path, read); !status) return status.error();
  if (auto status = read_term(left, condition.left(), path + ".left", read.left); !status)
    return status.error();
  if (auto status = read_term(left, condition.right(), path + ".right", read.right); !status)
    return status.error();
  const auto* children = condition.children();
  for (std::uint32_t i = 0; children != nullptr && i < children->size(); ++i) {
    auto child = read_condition(left, *children->Get(i), fmt::format("{}.children[{}]", path, i));
    if (!child) return child;
    read.children.push_back(std::move(*child));
  }
  return read;
}

Result<ParsedQuery> read_query(TextLeft& left, const fb::Query& buffer) {
  ParsedQuery query;
  auto table = read_string(left, buffer.table(), "query.table");
  if (!table) return table.error();
  query.table = std::move(*table);
  const auto* columns = buffer.columns();
  for (std::uint32_t i = 0; columns != nullptr && i < columns->size(); ++i) {
    auto column = read_string(left, columns->Get(i), fmt::format("query.columns[{}]", i));
    if (!column) return column.error();
    query.columns.push_back(std::move(*column));
  }
  const auto* where = buffer.where();
  for (std::uint32_t i = 0; where != nullptr && i < where->size(); ++i) {
    auto comparison = read_condition(left, *where->Get(i), fmt::format("query.where[{}]", i));
    if (!comparison) return comparison.error();
    query.where.push_back(std::move(*comparison));
  }
  return query;
}

}  // namespace

Result<ParsedQuery> parse_flatbuffer(std::string_view bytes) {
  // Scalars are read in place, so the copy is aligned; the bounds keep a small buffer from standing for a
  // huge query (offsets may share their targets).
  constexpr std::size_t kTablesMax = 20'000;
  constexpr std::size_t kBufferDepthMax = query::kDepthMax + query::kExpressionDepthMax + 8;
  std::vector<std::uint64_t> aligned((bytes.size() + 7) / 8);
  if (!bytes.empty()) std::memcpy(aligned.data(), bytes.data(), bytes.size());
  const auto* data = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(data, bytes.size(), kBufferDepthMax, kTablesMax);
  if (bytes.empty() || !fb::VerifyQueryBuffer(verifier)) {
    return invalid("query", "the bytes are no FlatBuffer of schemas/query.fbs");
  }
  TextLeft left;
  return read_query(left, *fb::GetQuery(data));
}

}  // namespace tidegate::query
