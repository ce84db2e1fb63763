#include "config/values.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "base/encoding.h"

namespace tidegate::config {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 3> kUnits{{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};

bool is_address(int family, const std::string& text) {
  in6_addr parsed{};
  return inet_pton(family, text.c_str(), &parsed) == 1;
}

// The number of single-character edits between two names.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view piece = trimmed(text.substr(0, comma));
    if (!piece.empty()) out.emplace_back(piece);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  int shift = 0;
  for (const auto& [unit, bits] : kUnits) {
    if (text.size() > unit.size() && text.substr(text.size() - unit.size()) == unit) {
      shift = bits;
      text = trimmed(text.substr(0, text.size() - unit.size()));
    }
  }
  const auto number = parse_u64(text);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

std::string show_bytes(std::uint64_t bytes) {
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend(); ++unit) {
    const std::uint64_t size = std::uint64_t{1} << unit->second;
    if (bytes != 0 && bytes % size == 0) return fmt::format("{}{}", bytes / size, unit->first);
  }
  return std::to_string(bytes);
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::pair<std::string, std::string>> parse_property(std::string_view text) {
  const std::size_t sign = text.find('=');
  if (sign == std::string_view::npos || trimmed(text.substr(0, sign)).empty()) return std::nullopt;
  return std::pair(std::string(trimmed(text.substr(0, sign))), std::string(trimmed(text.substr(sign + 1))));
}

std::optional<Listen> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view port_text = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const auto port = parse_u64(port_text);
  if (!port || *port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  Listen out{.address = "", .port = static_cast<std::uint16_t>(*port)};
  if (colon == std::string_view::npos) return out;
  out.address = std::string(text.substr(0, colon));
  if (out.address.empty()) out.address = "0.0.0.0";
  if (out.address == "localhost") out.address = "127.0.0.1";
  if (is_address(AF_INET, out.address)) return out;
  if (out.address.size() < 2 || out.address.front() != '[' || out.address.back() != ']') return std::nullopt;
  out.address = out.address.substr(1, out.address.size() - 2);
  if (!is_address(AF_INET6, out.address)) return std::nullopt;
  return out;
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string nearest(std::string_view name, const std::vector<std::string>& names) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : names) {
    const std::size_t edits = distance(name, candidate);
    if (edits < best_distance) {
      best_distance = edits;
      best = candidate;
    }
  }
  return best;
}

}  // namespace tidegate::config
