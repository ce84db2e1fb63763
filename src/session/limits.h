#pragma once

#include <array>
#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "auth/auth.h"
#include "base/clock.h"
#include "metrics/metrics.h"
#include "session/account.h"
#include "session/options.h"
#include "session/share.h"

namespace tidegate::session {

/// What the connections of one address have together. Any thread.
struct Address {
  Rate handshakes;
  std::atomic<std::size_t> openings{0};
};

/// A connection of an address that is no WebSocket, or not yet; given back with it.
class AddressOpening {
 public:
  explicit AddressOpening(std::shared_ptr<Address> address) : address_(std::move(address)) {}
  AddressOpening(AddressOpening&&) noexcept = default;
  AddressOpening& operator=(AddressOpening&&) = delete;
  ~AddressOpening() {
    if (address_) address_->openings.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<Address> address_;  // null: nobody counts
};

class Limits;

/// One connection's part in its shares, given back when it ends. The shard's thread.
class Admission {
 public:
  Admission(Limits& limits, std::shared_ptr<Share> principal, std::shared_ptr<Share> tenant);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// Whether one more may pass, which is then counted.
  [[nodiscard]] std::optional<Limited> message(Steady now);
  /// `again`: its name has a query already, whose place this one takes. `more`: bytes that would be kept of
  /// it, above what is kept of that one.
  [[nodiscard]] std::optional<Limited> subscribe(bool again, std::size_t more, Steady now);
  /// So many at once, of what it has: all of them, or nothing is spent. More than ten seconds' worth passes
  /// where nothing else was spent.
  [[nodiscard]] std::optional<Limited> subscribe_anew(std::size_t count, Steady now);
  /// How many subscriptions the connection has now.
  void subscriptions(std::size_t count);
  /// What is done for it is put down to this; it may outlive the connection.
  [[nodiscard]] const std::shared_ptr<ConnectionAccount>& account() const { return account_; }

 private:
  const std::shared_ptr<ConnectionAccount> account_;
  std::size_t subscriptions_ = 0;  // as the shares have them
};

/// The shares of all who are connected, and what addresses do. Any thread; locks are taken for an opening and
/// a handshake alone. Who has left, and has spent nothing for ten seconds, is forgotten.
class Limits {
 public:
  using Options = session::Options::Limits;
  Limits(Options options, metrics::Registry& metrics);

  /// One more connection of this address, IPv6: of its /64, before anything of it was read.
  [[nodiscard]] std::optional<AddressOpening> open(const boost::asio::ip::address& from, Steady now);
  /// One more handshake of the same, be it one of TLS, an upgrade, both, or one that comes to nothing.
  [[nodiscard]] std::optional<Limited> handshake(const boost::asio::ip::address& from, Steady now);
  /// One more connection. `principal` null: it is limited by itself alone.
  [[nodiscard]] std::shared_ptr<Admission> admit(const auth::Principal* principal, Steady now, Limited& why);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const std::shared_ptr<const LimitCounters>& counters() const { return counters_; }

 private:
  template <class Value>
  struct Slice {
    std::mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<Value>> known;  // guarded by mutex, as is the next
    std::size_t sweep_at = 64;
    Steady swept{};
  };
  static constexpr std::size_t kSlices = 16;
  static constexpr std::size_t kAddressesMax = 4'096;  // a slice: beyond them they share one
  [[nodiscard]] std::shared_ptr<Share> share(const std::string& key, const Share::Of& of, Steady now);
  [[nodiscard]] std::shared_ptr<Address> address(const std::string& key, Steady now);
  template <class Value, class Gone>
  static void forget(Slice<Value>& slice, Steady now, Gone gone);

  const Options options_;
  const std::shared_ptr<const LimitCounters> counters_;
  std::array<Slice<Share>, kSlices> shares_;
  std::array<Slice<Address>, kSlices> addresses_;
  const std::shared_ptr<Address> other_addresses_ = std::make_shared<Address>();
};

}  // namespace tidegate::session
