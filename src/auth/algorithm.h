#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tidegate::auth {

/// The signatures that are understood: RFC 7518 section 3 and RFC 8037. `none` is not among them, so no key
/// can permit it.
enum class Algorithm : std::uint8_t {
  hs256,
  hs384,
  hs512,
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  eddsa
};
inline constexpr std::size_t kAlgorithms = 12;
using Algorithms = std::bitset<kAlgorithms>;

/// By its exact name (`RS256`); nothing for any other.
std::optional<Algorithm> algorithm_named(std::string_view name);
std::string_view name_of(Algorithm algorithm);

}  // namespace tidegate::auth
