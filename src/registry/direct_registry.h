#pragma once

#include <cstddef>
#include <memory>

#include "registry/registry.h"

namespace tidegate::registry {

/// The control log in this process's memory, for a single process: no leases, and gone with the process. Of
/// each key it keeps the last record, and of a lease, registration or activation that ended none: a later
/// follower is not told of what is over.
///
/// Callbacks run on the threads of callers, one at a time, without a lock held that `append`, `follow` or
/// `at_end` want: a callback may call any of them, and what it appends is delivered after it has returned.
/// Where one thread delivers, another one's `append` or `follow` leaves its work to it and returns: `done`
/// and the first entries may then come a little later, on that thread.
class DirectRegistry final : public Registry {
 public:
  DirectRegistry();
  ~DirectRegistry() override;

  void append(ControlRecord record, Appended done) override;
  Result<std::unique_ptr<Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) override;
  [[nodiscard]] bool leases() const override { return false; }

  /// Records kept, one a key. Any thread.
  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  class DirectFollowing;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::registry
