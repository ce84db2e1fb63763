#include "auth/algorithm.h"

#include <algorithm>
#include <array>

namespace tidegate::auth {
namespace {

// In the order of Algorithm.
constexpr std::array<std::string_view, kAlgorithms> kNames{"HS256", "HS384", "HS512", "RS256",
                                                           "RS384", "RS512", "PS256", "PS384",
                                                           "PS512", "ES256", "ES384", "EdDSA"};

}  // namespace

std::optional<Algorithm> algorithm_named(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Algorithm>(found - kNames.begin());
}

std::string_view name_of(Algorithm algorithm) {
  return kNames.at(static_cast<std::size_t>(algorithm));
}

}  // namespace tidegate::auth
