#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "feed/channel.h"
#include "feed/channels.h"

namespace tidegate::feed {

/// The recent batches of all channels, oldest out first, bounded in bytes held (rule 26); each channel's
/// `entries` point into it. One batch at a time is being built: its frames can be found before it is posted.
/// Of what is pinned, and of the newest batch, nothing goes for the bound's sake, only when the whole process
/// holds too much (`relieve`). The feed's thread only.
class Tail {
 public:
  /// `memory` may be null: nobody counts.
  Tail(std::size_t bytes_max, Channels& channels, std::shared_ptr<Budget> memory = nullptr)
      : bytes_max_(bytes_max), channels_(channels), memory_(std::move(memory)) {}

  /// The batch being built.
  [[nodiscard]] FrameBatch& building();
  /// Enters a frame that was appended to `building()`.
  void enter(Channel& channel, std::uint32_t frame);
  /// Ends the building and evicts what is above the bound. Null where nothing was built.
  std::shared_ptr<const FrameBatch> close();
  /// Evicts the oldest, pinned or not, until so many bytes have gone or nothing is left. How many have.
  std::size_t relieve(std::size_t bytes);
  /// The highest number of the batches evicted since the last call that somebody else still holds.
  [[nodiscard]] std::optional<std::uint64_t> take_evicted() { return std::exchange(evicted_, std::nullopt); }
  /// Keeps every entry of the channel above `after`, and so all batches from the first one's on.
  [[nodiscard]] Pin pin(const Channel& channel, FeedSeq after) const;
  /// Counts a batch that is not the tail's against the process's memory.
  void charge(FrameBatch& batch) const;
  /// Forgets what is held of the channel: it is complete from `since` and `lsn` on.
  void cut(Channel& channel, FeedSeq since, std::optional<Lsn> lsn);

  [[nodiscard]] const Frame& frame(const TailEntry& entry) const;
  [[nodiscard]] std::shared_ptr<const FrameBatch> batch(const TailEntry& entry) const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// The index of the first entry above.
  static std::size_t first_after(const Channel& channel, FeedSeq after);
  /// The seq that the record before has, or would have; of a further text, that before its own record.
  static FeedSeq before(FeedSeq seq);
  /// The seq of the record before the first entry with an LSN above `lsn`; `now` if there is none.
  static FeedSeq before_lsn(const Channel& channel, Lsn lsn, FeedSeq now);

 private:
  void evict();
  [[nodiscard]] const std::shared_ptr<FrameBatch>& held(std::uint64_t number) const;

  const std::size_t bytes_max_;
  Channels& channels_;
  const std::shared_ptr<Budget> memory_;
  const std::shared_ptr<Pins> pins_ = std::make_shared<Pins>();
  std::optional<std::uint64_t> evicted_;
  std::deque<std::shared_ptr<FrameBatch>> ring_;
  std::uint64_t first_ = 1;  // the number of the ring's front
  std::shared_ptr<FrameBatch> building_;
  std::size_t bytes_ = 0;  // of the ring
};

/// What a batch holds in memory.
std::size_t bytes_of(const FrameBatch& batch);

}  // namespace tidegate::feed
