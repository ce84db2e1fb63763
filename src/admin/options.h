#pragma once

#include <cstdint>
#include <string>

namespace tidegate::admin {

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9080;
  /// What `Authorization: Bearer` must say; empty: /admin is refused to everybody. Never logged.
  std::string token;
};

/// A token that can't be guessed, and that a header can hold.
inline constexpr std::size_t kTokenBytesMin = 16;

}  // namespace tidegate::admin
