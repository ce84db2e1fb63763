#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/result.h"
#include "metrics/metrics.h"

namespace tidegate::auth {

/// Tokens that count no more before they expire: one, by its `jti`, or all that a subject had been issued.
struct Revocation {
  enum class Of : std::uint8_t { token, subject } of = Of::token;
  std::string name;               ///< the `jti` or the subject
  std::int64_t at_unix_s = 0;     ///< of a subject: tokens issued until then, that second included
  std::int64_t until_unix_s = 0;  ///< by then all of them have expired, and this is forgotten

  /// A subject's token without an `iat` may be of any time: it is concerned.
  [[nodiscard]] bool concerns(const Principal& principal) const;
  /// What it is kept under, in a file or a topic; a later one of that key holds what earlier ones did.
  [[nodiscard]] std::string key() const;
  /// `{"jti":"…","until":…}` or `{"subject":"…","at":…,"until":…}`.
  [[nodiscard]] std::string json() const;
  /// `invalid` says what is wrong. Other members are passed over.
  static Result<Revocation> parse(std::string_view json);
};

/// The tokens that are revoked, bounded in bytes; each is forgotten when it would have expired (`until` and
/// the tokens' leeway). Until `whole` says that the list has been read, and for good once something of it had
/// no room, it is not `ready`: nobody knows then whether a token is revoked, and none may be accepted. Any
/// thread.
class Revocations {
 public:
  Revocations(std::size_t bytes_max, std::chrono::seconds leeway, const Clock& clock,
              metrics::Registry& metrics);

  [[nodiscard]] Status ready() const;
  /// Not yet, for this reason: for people.
  void wait_for(std::string reason);
  void whole();
  [[nodiscard]] bool concern(const Principal& principal) const;

  /// All that it concerns has expired.
  [[nodiscard]] bool is_over(const Revocation& revocation) const {
    return now() >= revocation.until_unix_s + leeway_s_;
  }
  /// From now on it counts, together with what its key held before, which is what is given back. One that is
  /// over already does nothing. Without room it counts for those who are connected, and `ready` is an error.
  Revocation add(Revocation revocation);
  /// Whether an operator may add it. A part of the room is left to what others add at the same time.
  [[nodiscard]] Status has_room(const Revocation& revocation) const;
  /// A record that could not be read.
  void unreadable() { unreadable_.add(); }
  /// What is told of each that is new, on the thread that adds it. Null: nobody. When this returns, the
  /// earlier one is not running and will not be called.
  void on_added(std::function<void(const Revocation&)> tell);
  /// Keys of what was forgotten since the last call and has not been added again.
  [[nodiscard]] std::vector<std::string> take_forgotten();

 private:
  struct Entry {
    std::int64_t at_unix_s = 0;
    std::int64_t until_unix_s = 0;
  };
  [[nodiscard]] std::int64_t now() const;
  void forget_over();
  static std::size_t bytes_of(std::string_view key);

  const std::size_t bytes_max_;
  const std::int64_t leeway_s_;
  const Clock& clock_;
  metrics::Gauge& count_;
  metrics::Gauge& bytes_gauge_;
  metrics::Counter& unreadable_;
  metrics::Counter& without_room_;

  mutable std::shared_mutex mutex_;                      // of all below but tell_
  std::map<std::string, Entry, std::less<>> entries_;    // by key
  std::set<std::pair<std::int64_t, std::string>> ends_;  // until, key
  std::size_t bytes_ = 0;
  std::vector<std::string> forgotten_;
  std::string waiting_ = "starting";  // for what; empty: the list is whole
  bool overflowed_ = false;
  std::mutex tell_mutex_;
  std::function<void(const Revocation&)> tell_;  // guarded by tell_mutex_
};

}  // namespace tidegate::auth
