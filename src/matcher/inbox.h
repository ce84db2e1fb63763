#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/mailbox.h"
#include "base/result.h"
#include "registry/registry.h"
#include "source/source.h"

namespace tidegate::matcher {

// What other threads tell the matcher's.

/// Everything that the control topic held when it was opened has been given.
struct CaughtUp {};
/// Our start record is stored; its offset is the generation.
struct Enthroned {
  Offset offset;
};
/// Our new epoch is stored.
struct EpochStored {
  Offset offset;
};
/// A record of the start that must stand before the stream is handled is stored.
struct Stored {};
/// An activation's record is stored, or its end.
struct Began {
  std::string key;
  Activation activation;
};
struct Ended {
  std::string key;
  Activation activation;
};
/// A `progress` is acknowledged.
struct Progressed {
  Partition partition;
  Offset offset;
  Lsn lsn;
};
/// Its checkpoint is stored.
struct Noted {
  Partition partition;
  Lsn lsn;
};
using Notice = std::variant<registry::Entry, CaughtUp, EpochStored, Enthroned, Stored, Began, Ended,
                            Progressed, Noted, Error>;

/// Where callbacks of the registry and the log leave what they have to say; shared with them, since they may
/// come after the matcher has gone. Wakes the stream that the matcher waits on.
class Inbox {
 public:
  explicit Inbox(source::ChangeStream& stream) : stream_(&stream) {}

  /// Any thread. Above the bound `flooded` is set: the matcher can't go on without what it missed.
  void post(Notice notice, std::size_t bytes = sizeof(Notice)) {
    if (!box_.post(std::move(notice), bytes)) flooded_ = true;
    std::lock_guard lock(mutex_);
    if (stream_) stream_->wake();
  }
  /// The matcher's thread.
  std::vector<Notice> take() { return box_.take(); }
  std::vector<Notice> wait(std::chrono::milliseconds timeout) { return box_.wait(timeout); }
  [[nodiscard]] bool flooded() const { return flooded_; }
  /// The stream is not touched any more afterwards.
  void close() {
    std::lock_guard lock(mutex_);
    stream_ = nullptr;
  }

 private:
  /// A hundred thousand registrations of some hundred bytes fit well.
  static constexpr std::size_t kBytesMax = std::size_t{256} << 20;
  Mailbox<Notice> box_{kBytesMax};
  std::atomic<bool> flooded_{false};
  std::mutex mutex_;
  source::ChangeStream* stream_;  // guarded by mutex_
};

}  // namespace tidegate::matcher
