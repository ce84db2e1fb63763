#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How single values are written in flags, variables and the file. Blanks around a value don't count.
namespace tidegate::config {

std::string_view trimmed(std::string_view text);
/// `a, b,c`; empty pieces are dropped.
std::vector<std::string> split_list(std::string_view text);

/// `4194304`, `4096KiB`, `4MiB`.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
std::string show_bytes(std::uint64_t bytes);

/// `true`, `false`, `1`, `0`.
std::optional<bool> parse_boolean(std::string_view text);

/// `name=value`.
std::optional<std::pair<std::string, std::string>> parse_property(std::string_view text);

struct Listen {
  std::string address;  ///< an IP address; empty: not said
  std::uint16_t port = 0;
};
/// `address:port`, `[v6]:port`, `:port` (every IPv4 interface), `localhost:port`, `port` (no address). Port 0
/// is any.
std::optional<Listen> parse_listen(std::string_view text);
/// Whether only this machine reaches it.
bool is_loopback(const std::string& address);

/// The one of `names` that was probably meant, or empty.
std::string nearest(std::string_view name, const std::vector<std::string>& names);

}  // namespace tidegate::config
