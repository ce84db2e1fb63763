#include "policy/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "query/numeric.h"

namespace tidegate::policy {
namespace {

using query::Json;
using query::ParsedLiteral;

Error denied(const ClaimName& name, std::string_view what) {
  return {Fault::denied, fmt::format("{} {}", name.text, what)};
}

std::optional<ParsedLiteral> scalar(const Json& value) {
  switch (value.kind) {
    case Json::Kind::boolean:
      return ParsedLiteral{ParsedLiteral::Kind::boolean, value.text};
    case Json::Kind::number:
      if (!query::normalise_numeric(value.text)) return std::nullopt;
      return ParsedLiteral{ParsedLiteral::Kind::number, value.text};
    case Json::Kind::string:
      return ParsedLiteral{ParsedLiteral::Kind::string, value.text};
    default:
      return std::nullopt;
  }
}

bool same_json(const Json& left, const Json& right) {
  const auto same_member = [](const query::JsonMember& a, const query::JsonMember& b) {
    return a.name == b.name && same_json(a.value, b.value);
  };
  return left.kind == right.kind && left.text == right.text &&
         std::equal(left.items.begin(), left.items.end(), right.items.begin(), right.items.end(),
                    same_json) &&
         std::equal(left.members.begin(), left.members.end(), right.members.begin(), right.members.end(),
                    same_member);
}

}  // namespace

Claims::Claims(std::string_view json) {
  auto parsed = query::parse_json_tree(json);
  if (parsed) root_ = std::move(*parsed);
}

const Json* Claims::find(const ClaimName& name) const {
  const Json* value = &root_;
  for (const std::string& step : name.path) {
    value = value->kind == Json::Kind::object ? value->find(step) : nullptr;
    if (value == nullptr) return nullptr;
  }
  return value->kind == Json::Kind::null ? nullptr : value;
}

Result<ClaimValue> Claims::value_of(const ClaimName& name) const {
  const Json* value = find(name);
  if (value == nullptr) return denied(name, "is missing in the token");
  ClaimValue out;
  out.array = value->kind == Json::Kind::array;
  if (!out.array) {
    auto one = scalar(*value);
    if (!one) return denied(name, "is an object, or a number of too many digits");
    out.values.push_back(std::move(*one));
  }
  for (const Json& item : value->items) {
    auto one = scalar(item);
    if (!one || item.kind != value->items.front().kind) {
      return denied(name, "is an array of other things than strings alone, numbers alone or booleans alone");
    }
    out.values.push_back(std::move(*one));
  }
  const bool storable = std::all_of(out.values.begin(), out.values.end(),
                                    [](const ParsedLiteral& one) { return storable_text(one.text); });
  return storable ? Result<ClaimValue>(std::move(out)) : denied(name, "holds a NUL");
}

bool Claims::same(const Claims& left, const Claims& right, const ClaimName& name) {
  const Json* one = left.find(name);
  const Json* other = right.find(name);
  return one == nullptr || other == nullptr ? one == other : same_json(*one, *other);
}

}  // namespace tidegate::policy
