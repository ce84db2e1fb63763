#include "session/opening.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"

namespace tidegate::session {
namespace {

constexpr std::string_view kBearer = "bearer.";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> names;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (auto name = trimmed(list.substr(0, comma)); !name.empty()) names.push_back(name);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

}  // namespace

Opening read_opening(std::string_view offered, std::string_view authorization, std::string_view parameter) {
  Opening opening;
  const auto names = split(offered);
  const auto bearer =
      std::find_if(names.begin(), names.end(), [](auto name) { return name.starts_with(kBearer); });
  const auto known = std::find_if(names.begin(), names.end(),
                                  [](auto name) { return name == "json" || name == "tidegate.v1"; });
  const bool only_bearers = !names.empty() && std::all_of(names.begin(), names.end(), [](auto name) {
    return name.starts_with(kBearer);
  });
  if (known != names.end()) {
    opening.selected = *known;
    opening.v1 = *known == "tidegate.v1";
  } else if (only_bearers) {
    opening.selected = *bearer;
  }
  constexpr std::string_view scheme = "Bearer ";
  if (equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) {
    opening.token = trimmed(authorization.substr(scheme.size()));
  } else if (bearer != names.end()) {
    opening.token = bearer->substr(kBearer.size());
  } else if (!parameter.empty()) {
    opening.token = parameter;
  }
  return opening;
}

std::optional<std::string> accept_of(std::string_view key) {
  const auto nonce = base64_decode(key);
  if (!nonce || nonce->size() != 16) return std::nullopt;
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string switching_protocols(std::string_view accept, std::string_view selected,
                                std::string_view extension) {
  std::string answer = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\n",
      accept);
  if (!selected.empty()) answer += fmt::format("Sec-WebSocket-Protocol: {}\r\n", selected);
  if (!extension.empty()) answer += fmt::format("Sec-WebSocket-Extensions: {}\r\n", extension);
  return answer + "\r\n";
}

std::string_view query_parameter(std::string_view target, std::string_view name) {
  const auto mark = target.find('?');
  if (name.empty() || mark == std::string_view::npos) return {};
  auto rest = target.substr(mark + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const auto pair = rest.substr(0, rest.find('&'));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
  }
  return {};
}

bool origin_allowed(std::string_view origin, const std::vector<std::string>& allowed) {
  if (origin.empty() || allowed.empty()) return true;
  return std::any_of(allowed.begin(), allowed.end(),
                     [origin](const std::string& one) { return equal_ignoring_case(one, origin); });
}

namespace {

constexpr std::string_view kTenant = "{tenant}";

/// Where the characters of `separator` can't be told from those of a part.
bool mixes(std::string_view part, std::string_view separator) {
  return part.find_first_of(separator) != part.npos;
}

/// Whether the key says whose it is: its reader finds the tenant's name again, whatever a client has put into
/// the other parts.
bool tells_tenant(std::string_view key_template, std::string_view tenant, std::string_view table,
                  std::string_view hash_id) {
  const std::size_t at = key_template.find(kTenant);
  if (at == key_template.npos) return true;
  const std::string_view head = key_template.substr(0, at);
  std::string_view after = key_template.substr(at + kTenant.size());
  const bool first = head.find('}') == head.npos;  // no part that a client chooses
  const bool last = after.find('{') == after.npos;
  const std::string_view before = head.substr(first ? head.size() : head.rfind('}') + 1);
  after = after.substr(0, last ? 0 : after.find('{'));
  if (mixes(tenant, before) || mixes(tenant, after)) return false;
  if (first || last) return true;
  return !(head.find("{table}") != head.npos && mixes(table, before)) &&
         !(head.find("{hashId}") != head.npos && mixes(hash_id, before));
}

}  // namespace

std::optional<std::string> templated_key(std::string_view key_template, std::string_view tenant,
                                         std::string_view table, std::string_view hash_id) {
  const std::array<std::pair<std::string_view, std::string_view>, 3> places{
      {{kTenant, tenant}, {"{table}", table}, {"{hashId}", hash_id}}};
  if (!tells_tenant(key_template, tenant, table, hash_id)) return std::nullopt;
  std::string key;
  while (!key_template.empty()) {
    const auto place = std::find_if(places.begin(), places.end(),
                                    [&](const auto& one) { return key_template.starts_with(one.first); });
    if (place == places.end()) {
      key.push_back(key_template.front());
      key_template.remove_prefix(1);
    } else {
      key += place->second;
      key_template.remove_prefix(place->first.size());
    }
  }
  return key;
}

}  // namespace tidegate::session
