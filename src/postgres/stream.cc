#include "postgres/stream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/fence.h"

namespace tidegate::postgres {
namespace {

using namespace std::chrono_literals;

int milliseconds_until(Steady until, Steady now) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

}  // namespace

Stream::Stream(Options options, const Clock& clock, metrics::Registry& registry)
    : options_(std::move(options)),
      clock_(clock),
      probe_(registry),
      taker_(options_, clock_, [this](int socket, Steady until) { return wait_socket(socket, until); }),
      relations_(options_),
      assembly_(options_, probe_),
      aside_(options_, clock_),
      backoff_(options_.reconnect_min),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Stream::~Stream() {
  link_.reset();
  ::close(wake_);
}

Status Stream::start() {
  if (link_) return {};
  if (const Status taken = take_slot(); !taken) return taken;
  start_position_ = position_;
  return {};
}

Status Stream::take_slot() {
  auto taken = taker_.take(slot_.empty() ? std::nullopt : std::optional(identity_), large_);
  if (!taken) return taken.error();
  if (!slot_.empty() && !(identity_ == taken->identity)) {
    return Error{Fault::lost, "the database is another one than before, or was restored or promoted"};
  }
  if (!slot_.empty() && taken->confirmed > next_byte(position_)) {
    // Whoever moved it, or dropped it and made it again: what lies between would be missing without a sign
    // (rule 10).
    return Error{Fault::lost, "the replication slot " + taken->slot + " begins above what was read of it"};
  }
  Options same = options_;
  same.server = server_of(taken->connection.get());
  if (slot_.empty()) {
    auto connection = Connection::open(same);
    if (!connection) return connection.error();
    if (const Status primed = relations_.prime(*connection); !primed) return primed;
    position_ = inclusive(taken->confirmed);
  }
  identity_ = taken->identity;
  slot_ = taken->slot;
  aside_.watch_slot(slot_);
  reference_ = std::max(reference_, taken->reference);
  relations_.new_session();
  relations_.keep_to(same.server);
  aside_.keep_to(std::move(same.server));
  auto link =
      std::make_unique<ReplicationLink>(std::move(taken->connection), taken->confirmed, options_, clock_);
  heard();
  const std::lock_guard lock(link_mutex_);
  link_ = std::move(link);
  if (confirmed_ > taken->confirmed) link_->confirm(confirmed_);
  return {};
}

void Stream::drop_link() {
  std::unique_ptr<ReplicationLink> dropped;
  {
    const std::lock_guard lock(link_mutex_);
    dropped = std::move(link_);
  }
  aside_.disconnect();
  assembly_.abandon();
  committed_.reset();
  tables_.clear();
}

Error Stream::broken(const Error& error) {
  using Large = SlotTaker::Large;
  const bool failed = link_ && link_->server_failed();
  drop_link();
  probe_.stream_broke();
  retry_at_ = clock_.steady() + backoff_;
  // A server that fails at an open transaction does so each time that it gets there. Once that is committed
  // it knows all of it, and does not ("The stream" in LIMITATIONS.md).
  if (failed && large_ == Large::whole) backoff_ = std::min(backoff_ * 2, options_.reconnect_max);
  large_ = failed ? Large::whole : Large::in_blocks;
  if (!options_.temporary_slot) {
    if (!failed) return error;
    const Error said{error.fault,
                     error.message + "; large transactions are read after their commits from here on"};
    if (options_.warn) options_.warn(said.message);
    return said;
  }
  return ended({Fault::lost, error.message + "; the temporary slot is gone with it"});
}

Error Stream::ended(Error error) {
  drop_link();
  terminal_ = error;
  return error;
}

Status Stream::connect_again(Steady deadline) {
  wait(std::min(deadline, retry_at_));
  if (stopped_) return Error{Fault::unavailable, "the change stream was stopped"};
  if (clock_.steady() < retry_at_)
    return Error{Fault::unavailable, "the change stream's connection is broken"};
  const Status taken = take_slot();
  if (taken) {
    if (large_ == SlotTaker::Large::in_blocks) backoff_ = options_.reconnect_min;
    return {};
  }
  backoff_ = std::min(backoff_ * 2, options_.reconnect_max);
  retry_at_ = clock_.steady() + backoff_;
  const Fault fault = taken.error().fault;
  if (fault == Fault::not_found) return ended({Fault::lost, taken.error().message});
  if (fault == Fault::lost || fault == Fault::fatal) return ended(taken.error());
  return Error{Fault::unavailable, taken.error().message};  // a person may mend it meanwhile
}

Result<source::StreamEvent> Stream::next(std::chrono::milliseconds wait_for) {
  const Steady deadline = clock_.steady() + wait_for;
  for (;;) {
    if (!events_.empty()) {
      source::StreamEvent event = std::move(events_.front());
      events_.pop_front();
      return event;
    }
    if (terminal_) return *terminal_;
    if (stopped_) {
      aside_.disconnect();
      return Error{Fault::unavailable, "the change stream was stopped"};
    }
    if (!link_) {
      if (const Status again = connect_again(deadline); !again) return again.error();
    }
    if (const Status served = serve_aside(); !served) return served.error();
    const auto more = read_some();
    if (!more) return more.error();
    if (!events_.empty()) continue;
    const bool woken = *more ? drain_wake() : wait(deadline);
    if (silent()) return silence();
    if (woken) return source::StreamEvent(source::Idle{});
    // Also while a transaction keeps coming: the caller has its own to do meanwhile.
    if (clock_.steady() >= deadline) return source::StreamEvent(source::Idle{});
  }
}

Status Stream::serve_aside() {
  // What is visible must not vouch for a stream that stands still; it is asked for again.
  if (auto visibility = aside_.step(); visibility && !silent()) {
    reference_ = std::max(reference_, visibility->snapshot.xmax);
    events_.emplace_back(std::move(*visibility));
  }
  if (const auto health = aside_.take_health()) probe_.slot(*health);
  const auto failing = aside_.failing_since();
  if (failing && clock_.steady() - *failing > options_.aside_patience) {
    return broken({Fault::unavailable, "the database takes no second connection"});
  }
  return {};
}

void Stream::heard() {
  heard_ = clock_.steady();
  asked_.reset();
}

void Stream::listen() {
  if (asked_ || clock_.steady() - heard_ < options_.silence_max / 3) return;
  asked_ = clock_.steady();
  link_->ask();
}

bool Stream::silent() const {
  // Counted from the question: whoever reads seldom may find an old answer, but not lack one.
  return link_ && asked_ && clock_.steady() - *asked_ >= options_.silence_max - options_.silence_max / 3;
}

Error Stream::silence() const {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - heard_);
  return {Fault::unavailable,
          "the database has said nothing for " + std::to_string(since.count()) + " ms, though asked"};
}

bool Stream::wait(Steady until) {
  std::array<pollfd, 3> sockets{};
  nfds_t count = 0;
  sockets[count++] = {wake_, POLLIN, 0};
  if (link_ && !committed_) sockets[count++] = {link_->socket(), POLLIN, 0};
  if (const auto aside = aside_.interest()) sockets[count++] = *aside;
  // Without the stream nobody serves the second connection: it must not wake us for nothing.
  if (const auto due = link_ ? aside_.due() : std::nullopt) until = std::min(until, *due);
  if (committed_) until = std::min(until, retry_at_);
  if (link_ && !committed_ && !silent()) {
    until = std::min(until, asked_ ? *asked_ + options_.silence_max : heard_ + options_.silence_max / 3);
  }
  ::poll(sockets.data(), count, milliseconds_until(until, clock_.steady()));
  return drain_wake();
}

bool Stream::wait_socket(int socket, Steady until) {
  std::array<pollfd, 2> sockets{{{wake_, POLLIN, 0}, {socket, POLLIN, 0}}};
  while (!stopped_ && clock_.steady() < until) {
    ::poll(sockets.data(), sockets.size(), milliseconds_until(until, clock_.steady()));
    if (sockets[1].revents != 0) return true;
    drain_wake();
  }
  return false;
}

bool Stream::drain_wake() {
  std::uint64_t count = 0;
  return ::read(wake_, &count, sizeof count) == sizeof count;
}

void Stream::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      ::write(wake_, &one, sizeof one);  // full means that it is awake anyway
}

void Stream::stop() {
  stopped_ = true;
  wake();
}

void Stream::confirm(Lsn lsn) {
  const std::lock_guard lock(link_mutex_);
  confirmed_ = std::max(confirmed_, next_byte(lsn));
  if (link_) link_->confirm(confirmed_);
}

}  // namespace tidegate::postgres
