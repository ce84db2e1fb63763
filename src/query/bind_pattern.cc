#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"
#include "query/bind_condition.h"
#include "query/like.h"
#include "query/regex.h"

namespace tidegate::query {
namespace {

Error invalid(std::string message) {
  return {Fault::invalid, std::move(message)};
}

/// A regular expression as LIKE where that says the same, else in its one spelling.
Status canonicalise_regex(const Operand& operand, Condition& leaf) {
  std::string& value = leaf.values.front();
  const bool fold = leaf.op == Op::imatch;
  auto same = like_of_regex(value);
  if (!same) {
    auto text = canonical_regex(value, false, operand.ascii_case);
    if (!text) return text.error();
    same = like_of_regex(*text);
    if (!same) {
      if (fold) text = canonical_regex(value, true, operand.ascii_case);
      if (!text) return text.error();
      value = std::move(*text);
      leaf.op = Op::match;
      return {};
    }
  }
  value = std::move(*same);
  leaf.op = fold ? Op::ilike : Op::like;
  return {};
}

Status canonicalise_like(const Operand& operand, Condition& leaf) {
  std::string& value = leaf.values.front();
  auto pattern = canonical_like(value, "\\");
  if (!pattern) return invalid(fmt::format("the pattern {} ends with its escape", in_quotes(value)));
  value = leaf.op == Op::ilike ? ascii_lower(*pattern) : std::move(*pattern);
  const auto plain = plain_pattern(value);
  if (plain && leaf.op == Op::like && operand.type != Type::bpchar) {
    leaf.op = plain->prefix ? Op::starts_with : Op::eq;
    value = plain->text;
  } else if (value.size() > kPatternBytesMax) {
    return invalid(fmt::format("a pattern of {} bytes; {} are allowed", value.size(), kPatternBytesMax));
  }
  return {};
}

}  // namespace

Status ConditionBinder::bind_pattern(const ParsedCondition& parsed, const Operand& operand, Condition& leaf) {
  const auto refused = [&](const Error& error) {
    return invalid(fmt::format("column {}: {}{}", operand.name, error.message, in_text(parsed.place)));
  };
  if (leaf.op == Op::match || leaf.op == Op::imatch) {
    if (auto status = canonicalise_regex(operand, leaf); !status) return refused(status.error());
  }
  if (leaf.op != Op::match) {
    auto status = canonicalise_like(operand, leaf);
    return status ? status : Status(refused(status.error()));
  }
  if (++regexes_ > kRegexesMax)
    return invalid(
        fmt::format("a query has at most {} regular expressions{}", kRegexesMax, in_text(parsed.place)));
  const std::string& pattern = leaf.values.front();
  auto compiled = projections_ == nullptr ? Regex::compile(pattern) : projections_->compiled(pattern);
  if (!compiled) return refused(compiled.error());
  leaf.computed = std::make_shared<const Computed>(Computed{std::nullopt, std::move(*compiled)});
  return {};
}

}  // namespace tidegate::query
