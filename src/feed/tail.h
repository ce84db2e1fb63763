#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>

#include "feed/channel.h"
#include "feed/channels.h"

namespace tidegate::feed {

/// The recent batches of all channels, oldest out first, bounded in bytes held (rule 26); each channel's
/// `entries` point into it. One batch at a time is being built: its frames can be found before it is posted.
/// The feed's thread only.
class Tail {
 public:
  Tail(std::size_t bytes_max, Channels& channels) : bytes_max_(bytes_max), channels_(channels) {}

  /// The batch being built.
  [[nodiscard]] FrameBatch& building();
  /// Enters a frame that was appended to `building()`.
  void enter(Channel& channel, std::uint32_t frame);
  /// Ends the building and evicts what is above the bound. Null where nothing was built.
  std::shared_ptr<const FrameBatch> close();
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
  std::deque<std::shared_ptr<FrameBatch>> ring_;
  std::uint64_t first_ = 0;  // the number of the ring's front
  std::shared_ptr<FrameBatch> building_;
  std::size_t bytes_ = 0;  // of the ring
};

/// What a batch holds in memory.
std::size_t bytes_of(const FrameBatch& batch);

}  // namespace tidegate::feed
