#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "feed/events.h"

namespace tidegate::hub {

/// A batch as one shard holds it: one shared reference a shard and batch (rule 26), counted here without atomics by the
/// outboxes that point into it.
struct HeldBatch {
  std::shared_ptr<const feed::FrameBatch> batch;
  std::uint32_t references = 0;
};

/// What waits to be written to one socket, in order: whole WebSocket frames (or what Beast writes), some by reference
/// into batches, some private. One shard's thread. The session gathers from the front and says what the kernel took;
/// only a half-written entry is ever copied.
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox();

  /// Bytes of its own: control messages, Beast's frames, heads.
  void push(std::string bytes);
  /// Bytes inside a batch; counts a reference until written or dropped.
  void push_shared(HeldBatch& held, feed::Slice slice);
  /// Bytes inside a spool (a snapshot's tail), kept alive by the pointer.
  void push_spool(std::shared_ptr<const feed::Spool> spool, std::string_view bytes);

  /// Fills at most `max` iovecs from the front; returns how many.
  [[nodiscard]] std::size_t gather(iovec* out, std::size_t max) const;
  /// The kernel took so many bytes from the front.
  void consume(std::size_t bytes);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(pushed_ - written_); }
  /// Running totals: Beast's write is complete when `written()` has reached what `pushed()` was after it.
  [[nodiscard]] std::uint64_t pushed() const { return pushed_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  struct Entry {
    std::string own;                            // set, or
    HeldBatch* held = nullptr;                  // a reference into a batch, or
    std::shared_ptr<const feed::Spool> spool;   // into a spool
    const char* data = nullptr;                 // for the latter two
    std::size_t size = 0;
  };
  std::deque<Entry> entries_;
  std::size_t front_written_ = 0;
  std::uint64_t pushed_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace tidegate::hub
