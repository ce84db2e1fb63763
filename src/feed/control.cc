#include "feed/control.h"

#include <deque>
#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"

namespace tidegate::feed {

struct Control::Answers {
  std::mutex mutex;
  std::optional<Steady> renewed;    // when the last acknowledged renewal was sent
  Incarnation renewed_incarnation;  // of whom
  std::vector<Failed> failed;
  std::optional<Error> failure;
  std::deque<std::pair<std::uint64_t, Offset>> marks;  // stored and not yet reached
  std::function<void()> wake;                          // absent once there is nobody to be woken

  /// Of an append; `fatal` is for good, `denied` until a person does something. With mutex held.
  void failed_with(const Error& error) {
    const bool denied = error.fault == Fault::denied;
    if ((denied || error.fault == Fault::fatal) && !failure) {
      failure = Error{denied ? Fault::denied : Fault::lost,
                      "the control topic did not take a record: " + error.message};
    }
  }
};

Control::Control(registry::Registry& registry, Clock& clock, const Options& options,
                 std::function<void()> on_news)
    : registry_(registry),
      clock_(clock),
      options_(options),
      on_news_(std::move(on_news)),
      incarnation_(random_u64()),
      answers_(std::make_shared<Answers>()) {
  answers_->wake = on_news_;
}

Control::~Control() {
  std::lock_guard lock(answers_->mutex);
  answers_->wake = nullptr;
}

Status Control::start(std::chrono::milliseconds timeout) {
  auto following = registry_.follow([this](const registry::Entry& entry) { on_entry(entry); },
                                    [this] {
                                      std::lock_guard lock(mutex_);
                                      caught_up_ = true;
                                      changed_.notify_all();
                                    });
  if (!following) return following.error();
  following_ = std::move(*following);
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, [this] { return caught_up_; })) {
    lock.unlock();
    const auto failure = following_->failure();
    return failure ? *failure : Error{Fault::unavailable, "the control topic could not be read to its end"};
  }
  lock.unlock();
  if (registry_.leases()) send_lease(false);
  return {};
}

void Control::on_entry(const registry::Entry& entry) {
  {
    std::lock_guard lock(mutex_);
    read_ = entry.offset;
    if (const auto* epoch = std::get_if<registry::EpochBound>(&entry.record)) {
      news_.epoch = *epoch;
    } else if (const auto* fence = std::get_if<registry::GenerationFence>(&entry.record)) {
      // What was there before us is of before what we read: the last of each partition says it all.
      if (!caught_up_) {
        std::erase_if(news_.fences, [fence](const registry::GenerationFence& each) {
          return each.partition == fence->partition && each.generation < fence->generation;
        });
      }
      news_.flooded |= news_.fences.size() >= kFencesMax;
      if (!news_.flooded) news_.fences.push_back(*fence);
    } else if (!marking_) {
      return;
    }
  }
  fault_point("gateway.control_read");
  on_news_();
}

Control::News Control::take() {
  std::lock_guard lock(mutex_);
  if (marking_) {
    std::lock_guard answers_lock(answers_->mutex);
    auto& marks = answers_->marks;
    for (; !marks.empty() && marks.front().second <= read_; marks.pop_front()) {
      news_.mark = marks.front().first;
    }
    marking_ = news_.mark != last_mark_;
  }
  return std::exchange(news_, {});
}

std::uint64_t Control::mark() {
  {
    std::lock_guard lock(mutex_);
    marking_ = true;
  }
  send_lease(false, ++last_mark_);
  return last_mark_;
}

bool Control::caught_up() const {
  std::lock_guard lock(mutex_);
  return caught_up_;
}

void Control::enlist(const std::string& routing_key, const std::string& canonical) {
  registry_.append(registry::Registration{incarnation_, routing_key, canonical, false},
                   [answers = answers_, routing_key](const Result<Offset>& stored) {
                     if (stored) return;
                     std::lock_guard lock(answers->mutex);
                     answers->failed.push_back({routing_key, stored.error().fault == Fault::invalid});
                     answers->failed_with(stored.error());
                   });
  fault_point("gateway.registered");
}

void Control::retire(const std::string& routing_key) {
  // Where this is not stored, the matcher matches a query too many until our lease ends.
  registry_.append(registry::Registration{incarnation_, routing_key, "", true}, [](const Result<Offset>&) {});
}

void Control::send_lease(bool ended, std::uint64_t mark) {
  sent_ = clock_.steady();
  registry_.append(
      registry::Lease{incarnation_, ended},
      [answers = answers_, sent = sent_, incarnation = incarnation_, mark](const Result<Offset>& stored) {
        std::lock_guard lock(answers->mutex);
        if (!stored) return answers->failed_with(stored.error());
        answers->renewed = sent;
        answers->renewed_incarnation = incarnation;
        if (mark == 0) return;
        answers->marks.emplace_back(mark, *stored);
        if (answers->wake) answers->wake();
      });
  fault_point("gateway.lease_sent");
}

bool Control::renew() {
  if (!registry_.leases()) return false;
  const Steady now = clock_.steady();
  bool lost = false;
  {
    std::lock_guard lock(answers_->mutex);
    // An incarnation that never had an acknowledged lease has nothing that could have been ended behind its
    // back.
    lost = answers_->renewed && answers_->renewed_incarnation == incarnation_ &&
           now - *answers_->renewed > options_.lease / 2;
  }
  if (lost) incarnation_ = Incarnation(random_u64());
  if (lost || now - sent_ >= options_.lease / 3) send_lease(false);
  return lost;
}

std::vector<Control::Failed> Control::take_failed() {
  std::lock_guard lock(answers_->mutex);
  return std::exchange(answers_->failed, {});
}

std::optional<Error> Control::failure() const {
  if (auto failure = following_ ? following_->failure() : std::nullopt) return failure;
  std::lock_guard lock(answers_->mutex);
  return answers_->failure;
}

void Control::leave() {
  if (registry_.leases()) send_lease(true);
}

}  // namespace tidegate::feed
