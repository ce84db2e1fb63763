#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/account.h"
#include "base/budget.h"
#include "hub/hub.h"
#include "hub/outbox.h"
#include "hub/subscription.h"

namespace tidegate::hub {

/// What stands behind a client's name for a query. Two names may share a subscription.
struct Named {
  Subscription* subscription = nullptr;
  std::string request;  ///< SubscribeRequest's
  Charge kept;          ///< what it and its query take
};
using Names = std::map<std::string, Named, std::less<>>;

/// A connection as the hub sees it: its outbox and its subscriptions.
struct Session {
  Session(SessionId id_in, SessionTraits traits_in, std::shared_ptr<Budget> memory,
          std::shared_ptr<Account> account_in)
      : id(id_in), traits(traits_in), account(std::move(account_in)), copies(std::move(memory)) {}
  SessionId id;
  SessionTraits traits;
  std::shared_ptr<Account> account;  ///< null: nobody counts
  Outbox outbox;
  Names by_name;
  std::size_t kept = 0;  ///< what all of them take
  /// Those that wait for room in the outbox: their snapshot goes on, or they ask to catch up.
  std::vector<Subscription*> unfinished;
  int asked = 0;                      ///< its subscriptions whose question is under way
  std::size_t outbox_bytes_told = 0;  ///< what the gauge has of this outbox
  Charge copies;                      ///< what this outbox alone holds
  std::size_t copies_told = 0;        ///< what its account has of them, besides `kept`
  bool holding = false;               ///< listed among those that may hold frames
  bool starved = false;  ///< listed: its snapshot waits for memory, or what it missed for its account
  bool dirty = false;
  bool debtor = false;
};

}  // namespace tidegate::hub
