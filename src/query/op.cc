#include "query/op.h"

#include <algorithm>
#include <array>
#include <string>

namespace tidegate::query {
namespace {
constexpr std::array<std::string_view, 9> kTexts = {"=",  "<>",      "<",           "<=", ">",
                                                    ">=", "is null", "is not null", "in"};
}  // namespace

std::string_view op_text(Op op) {
  return kTexts[static_cast<std::size_t>(op)];
}

std::optional<Op> parse_op(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower == "!=") return Op::ne;
  const auto found = std::find(kTexts.begin(), kTexts.end(), lower);
  if (found == kTexts.end()) return std::nullopt;
  return static_cast<Op>(found - kTexts.begin());
}

}  // namespace tidegate::query
