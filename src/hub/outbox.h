#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "feed/events.h"

namespace tidegate::hub {

/// Shared bytes as one shard holds them: one shared reference a shard and batch (or spool), counted here
/// without atomics by the outboxes that point into it (rule 26). Deletes itself with its last reference.
class Held {
 public:
  explicit Held(std::shared_ptr<const void> bytes) : bytes_(std::move(bytes)) {}
  void acquire() { ++references_; }
  void release() {
    if (--references_ == 0) delete this;
  }

 private:
  ~Held() = default;
  std::shared_ptr<const void> bytes_;
  std::uint32_t references_ = 0;
};

/// Keeps a Held alive for a scope.
class HeldReference {
 public:
  explicit HeldReference(std::shared_ptr<const void> bytes) : held_(new Held(std::move(bytes))) {
    held_->acquire();
  }
  ~HeldReference() { held_->release(); }
  HeldReference(const HeldReference&) = delete;
  HeldReference& operator=(const HeldReference&) = delete;
  [[nodiscard]] Held& get() const { return *held_; }

 private:
  Held* held_;
};

/// What waits to be written to one socket, in order: whole WebSocket frames (or what Beast writes), some by
/// reference into shared bytes, some private. One shard's thread. The session gathers from the front and says
/// what the kernel took. An empty outbox holds no memory.
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox();

  /// Bytes of its own: control messages, Beast's frames, heads.
  void push(std::string bytes);
  /// Bytes that `held` keeps alive; a reference is counted until they are written or dropped. What follows in
  /// memory what was pushed last, of the same Held, becomes one entry with it.
  void push_shared(Held& held, std::string_view bytes);

  /// Fills at most `max` iovecs from the front; returns how many.
  [[nodiscard]] std::size_t gather(iovec* out, std::size_t max) const;
  /// The kernel took so many bytes from the front.
  void consume(std::size_t bytes);

  [[nodiscard]] bool empty() const { return pushed_ == written_; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(pushed_ - written_); }
  /// Running totals: Beast's write is complete when `written()` has reached what `pushed()` was after it.
  [[nodiscard]] std::uint64_t pushed() const { return pushed_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  struct Entry {
    const char* data = nullptr;
    std::size_t size = 0;
    Held* held = nullptr;        // shared bytes, or
    std::string* own = nullptr;  // private ones
  };
  static void drop(Entry& entry);

  std::vector<Entry> entries_;  // those before first_ are written
  std::size_t first_ = 0;
  std::uint64_t pushed_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace tidegate::hub
