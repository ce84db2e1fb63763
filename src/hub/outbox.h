#pragma once

#include <sys/uio.h>

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feed/events.h"

namespace tidegate::hub {

/// Shared bytes as one shard holds them: one shared reference an event and batch (or spool), counted here
/// without atomics by the outboxes that point into it (rule 26). Deletes itself with its last reference.
class Held {
 public:
  explicit Held(std::shared_ptr<const feed::FrameBatch> batch)
      : batch_(batch.get()), bytes_(std::move(batch)) {}
  explicit Held(std::shared_ptr<const void> bytes) : bytes_(std::move(bytes)) {}
  void acquire() { ++references_; }
  void release() {
    if (--references_ == 0) delete this;
  }
  /// Null where it is something else.
  [[nodiscard]] const feed::FrameBatch* batch() const { return batch_; }

 private:
  ~Held() = default;
  const feed::FrameBatch* batch_ = nullptr;
  std::shared_ptr<const void> bytes_;
  std::uint32_t references_ = 0;
};

/// Keeps a Held alive for a scope.
class HeldReference {
 public:
  template <class Bytes>
  explicit HeldReference(std::shared_ptr<Bytes> bytes) : held_(new Held(std::move(bytes))) {
    held_->acquire();
  }
  ~HeldReference() { held_->release(); }
  HeldReference(const HeldReference&) = delete;
  HeldReference& operator=(const HeldReference&) = delete;
  [[nodiscard]] Held& get() const { return *held_; }

 private:
  Held* held_;
};

/// What bytes in an outbox belong to. A frame of several pieces has at least one of its batch's bytes among
/// them.
struct Piece {
  enum class Kind : std::uint8_t {
    control,   ///< must be written
    position,  ///< says how far all before it goes: is dropped with what is before it
    part,      ///< of a snapshot
    frame,     ///< of a batch: can be fetched again
  };
  Kind kind = Kind::control;
  SubscriptionId owner;
  bool begins = true;  ///< a frame's first piece
};

/// What waits to be written to one socket, in order: whole WebSocket frames (or the opening's answer), some
/// by reference into shared bytes, some private. One shard's thread. The session gathers from the front and
/// says what the kernel took. An empty outbox holds no memory.
class Outbox {
 public:
  using Kind = Piece::Kind;

  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox();

  /// Bytes of its own: control messages, control frames, heads.
  void push(std::string bytes, Piece mark = {});
  /// The same of a copy of these, one behind the other, without an allocation where what others of this
  /// thread wrote left memory for it: the head of a frame that is the subscriber's own.
  void push_copy(std::initializer_list<std::string_view> bytes, Piece mark);
  /// Bytes that `held` keeps alive; a reference is counted until they are written or dropped. What follows in
  /// memory what was pushed last, of the same Held and owner, becomes one entry with it. Of kind `frame`:
  /// whole frames of a batch, or what a `begins` piece of their own precedes.
  void push_shared(Held& held, std::string_view bytes, Piece mark = {});

  /// Fills at most `max` iovecs from the front, up to the running total `end`; returns how many.
  [[nodiscard]] std::size_t gather(iovec* out, std::size_t max,
                                   std::uint64_t end = std::numeric_limits<std::uint64_t>::max()) const;
  /// The kernel took so many bytes from the front.
  void consume(std::size_t bytes);

  /// What became of an owner's frames: the first that was dropped or, where there is none, one that follows
  /// is void: a part of a snapshot stays behind it.
  struct Cut {
    SubscriptionId owner;
    std::optional<feed::Frame> lost;
  };
  /// Rule 26: drops all frames and positions, but not what is half written, which is copied. In order.
  [[nodiscard]] std::vector<Cut> drop_frames();
  /// Drops frames and parts of one owner, and positions, which speak of it too. Where it is one of its that
  /// is half written nothing more can be said to this peer: all is dropped, whatever is pushed later too, and
  /// it is false.
  [[nodiscard]] bool drop_owned(SubscriptionId owner) { return drop_data(owner); }
  /// The same of all owners.
  [[nodiscard]] bool drop_all_owned() { return drop_data(std::nullopt); }

  [[nodiscard]] bool empty() const { return pushed_ == written_; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(pushed_ - written_) - gaps_; }
  /// Of these, what is this outbox's alone in memory.
  [[nodiscard]] std::size_t own_bytes() const { return own_; }
  /// Of these, messages that can be neither dropped nor put off.
  [[nodiscard]] std::size_t control_bytes() const { return control_; }
  static constexpr std::uint64_t kNoBatch = std::numeric_limits<std::uint64_t>::max();
  /// It points into no batch with a lower number, but for batches that no tail holds.
  [[nodiscard]] std::uint64_t oldest_batch() const { return oldest_batch_; }
  /// Running totals: what was pushed last has been written when `written()` has reached `pushed()`'s value of
  /// then. What is dropped counts as written when all before it is.
  [[nodiscard]] std::uint64_t pushed() const { return pushed_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  /// `kept` is a Held or a string of our own; none: a gap, where something was dropped.
  struct Entry {
    const char* data = nullptr;
    void* kept = nullptr;
    SubscriptionId owner;
    std::uint32_t size = 0;
    Kind kind = Kind::control;
    bool shared = false;
    bool begins = true;

    [[nodiscard]] Held* held() const { return shared ? static_cast<Held*>(kept) : nullptr; }
    [[nodiscard]] std::string* own() const { return shared ? nullptr : static_cast<std::string*>(kept); }
    [[nodiscard]] bool gap() const { return kept == nullptr; }
  };
  struct Dropping;
  void release(const Entry& entry);
  void push_own(std::string* own, Piece mark);
  void pass_gaps();
  void tidy();
  [[nodiscard]] bool begun(const Entry& front) const;
  [[nodiscard]] bool drop_data(std::optional<SubscriptionId> owner);
  void fall_silent();
  void keep_rest(const Entry& entry, Dropping& dropping);
  void drop(const Entry& entry, Dropping& dropping);

  /// What comes alone, and is written at once, needs no memory of its own: a frame, or its head and the rest.
  static constexpr std::size_t kOwnEntries = 2;
  using Entries = boost::container::small_vector<Entry, kOwnEntries>;
  Entries entries_;  // those before first_ are written
  std::size_t first_ = 0;
  std::uint64_t pushed_ = 0;
  std::uint64_t written_ = 0;
  std::size_t gaps_ = 0;
  std::size_t own_ = 0;
  std::size_t control_ = 0;
  std::uint64_t oldest_batch_ = kNoBatch;
  bool silent_ = false;
};

}  // namespace tidegate::hub
