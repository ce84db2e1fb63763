#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a client's opening request means, as far as it can be read off its headers. Pure functions.
namespace tidegate::session {

/// docs/PROTOCOL.md, "Opening".
struct Opening {
  /// The subprotocol to answer with; empty: none.
  std::string selected;
  bool v1 = false;
  /// From `Authorization: Bearer`, else from the first `bearer.` subprotocol, else from the query parameter.
  std::optional<std::string> token;
};

/// `offered` is the value of Sec-WebSocket-Protocol (several such headers joined with commas),
/// `authorization` that of Authorization, `parameter` that of the query parameter where one is switched on;
/// any may be empty.
Opening read_opening(std::string_view offered, std::string_view authorization,
                     std::string_view parameter = {});

/// What answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2); nothing where it is not 16 bytes in base64.
std::optional<std::string> accept_of(std::string_view key);

/// The whole answer that opens a WebSocket. `selected` and `extension` empty: none.
std::string switching_protocols(std::string_view accept, std::string_view selected,
                                std::string_view extension = {});

/// The first value of `name` in a target's query part, as it stands there: a token has no character that a
/// URL would escape. Empty where there is none, and for an empty name.
std::string_view query_parameter(std::string_view target, std::string_view name);

/// Whether a browser that comes from `origin` may connect. Without an Origin header no browser is involved.
/// `allowed` empty: all. Scheme and host are compared without regard to case.
bool origin_allowed(std::string_view origin, const std::vector<std::string>& allowed);

/// Pass-through: `{tenant}`, `{table}` and `{hashId}` in `key_template` replaced, each once from left to
/// right, so that what a client sends can't bring in a placeholder of its own. Nothing where the key would
/// not say which tenant's it is: a character that stands between `{tenant}` and its neighbour is in the
/// tenant's name, or in what comes before the name.
std::optional<std::string> templated_key(std::string_view key_template, std::string_view tenant,
                                         std::string_view table, std::string_view hash_id);

}  // namespace tidegate::session
