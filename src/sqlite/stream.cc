#include "sqlite/stream.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tidegate::sqlite {

using source::Idle;
using source::StreamEvent;

Stream::Stream(Options options, Follower& follower)
    : options_(std::move(options)), follower_(follower), watch_(options_.path) {
  follower_.set_on_event([this] { watch_.wake(); });
}

Stream::~Stream() {
  follower_.set_on_event({});
}

Status Stream::start() {
  if (auto prepared = started_ ? follower_.prepare_again() : follower_.prepare(); !prepared) return prepared;
  if (started_) watch_.look_anew();
  auto connection = follower_.connect();
  if (!connection) return connection.error();
  connection_ = std::move(*connection);
  identity_ = follower_.identity();
  start_ = follower_.start();
  data_version_ = -1;
  started_ = true;
  position_asked_ = true;
  return {};
}

Result<StreamEvent> Stream::next(std::chrono::milliseconds wait) {
  assert(started_);
  const auto end = std::chrono::steady_clock::now() + wait;
  for (;;) {
    if (stopped_) return StreamEvent(Idle{});
    if (auto event = follower_.take()) return std::move(*event);
    if (!watch_.same_file()) {
      return Error{Fault::lost,
                   "the database file " + options_.path + " was replaced or removed; start again"};
    }
    if (auto looked = look(); !looked) return looked.error();
    if (auto event = follower_.take()) return std::move(*event);
    if (auto event = answer()) return std::move(*event);
    // Busy is no fault: the next round prunes.
    (void)follower_.prune(Lsn(confirmed_.load()));
    if (woken_.exchange(false)) return StreamEvent(Idle{});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return StreamEvent(Idle{});
    watch_.wait(std::min(left, options_.poll_interval));
  }
}

/// Reads what others have committed since, if they have.
Status Stream::look() {
  auto version = connection_->integer("PRAGMA main.data_version");
  if (!version) return version.error();
  if (*version == data_version_) return {};
  auto view = follower_.begin_read(*connection_);
  if (!view) return view.error();
  connection_->rollback();
  // The version was read before the transaction began: what came between is looked at once more.
  data_version_ = *version;
  return {};
}

std::optional<StreamEvent> Stream::answer() {
  const Lsn position = follower_.position();
  if (visibility_asked_.exchange(false)) {
    // SQLite has no xids, and what is streamed is visible: a snapshot of now sees everything.
    const Xid all(std::numeric_limits<std::uint64_t>::max());
    return source::Visibility{{all, all, {}}, position};
  }
  if (position_asked_.exchange(false)) return source::StreamPosition{position};
  return std::nullopt;
}

void Stream::request_visibility() {
  visibility_asked_ = true;
  watch_.wake();
}

void Stream::nudge() {
  position_asked_ = true;
  watch_.wake();
}

void Stream::confirm(Lsn lsn) {
  auto before = confirmed_.load();
  while (before < lsn.value() && !confirmed_.compare_exchange_weak(before, lsn.value())) {
  }
}

void Stream::wake() {
  woken_ = true;
  watch_.wake();
}

void Stream::stop() {
  stopped_ = true;
  watch_.wake();
}

}  // namespace tidegate::sqlite
