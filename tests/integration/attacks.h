#pragma once

#include <string>
#include <vector>

namespace tidegate::test {

/// Whom a hostile client is after, and what it knows of it: everything but its rows.
struct Victim {
  std::string name;
  std::string cursor;  ///< of its query of the whole table
  std::string query;   ///< its hash
  std::string own;     ///< the attacker's own query's hash
};

struct Attack {
  std::string kind;
  std::string message;
};
/// What a client with a good token of its own may try. `orders` has the hidden column `hush`, `notes` has
/// all; `secrets`, `"Orders"` and `other.orders` have no policy.
std::vector<Attack> attacks_on(const Victim& victim);

struct ForgedToken {
  std::string what;
  std::string token;
};
/// What a client may try who has no good token of the victim's. The first of them are refused at the door;
/// those behind `good` are signed as they should be, for tenants that are called so as to confuse.
std::vector<ForgedToken> tokens_against(const std::string& victim, const std::string& secret);

}  // namespace tidegate::test
