#include "simulation/control_topic.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace tidegate::simulation {

// ---- the topic ----

void ControlTopic::append(const registry::ControlRecord& record) {
  if (const auto* epoch = std::get_if<registry::EpochBound>(&record)) epochs_[epoch->epoch] = *epoch;
  entries_.push_back({end_, record});
  end_ = end_.next();
}

void ControlTopic::store(Sending& sending, std::size_t count) {
  for (Sent& sent : sending) {
    if (sent.stored) continue;
    if (count-- == 0) break;
    sent.stored = end_;
    append(sent.record);
  }
}

void ControlTopic::acknowledge(Sending& sending, std::size_t count) {
  for (; count > 0 && !sending.empty() && sending.front().stored; --count) {
    const Sent sent = std::move(sending.front());
    sending.pop_front();
    if (sent.done) sent.done(*sent.stored);
  }
}

void ControlTopic::orphan(Sending sending) {
  std::erase_if(sending, [](const Sent& sent) { return sent.stored.has_value(); });
  if (!sending.empty()) orphans_.push_back(std::move(sending));
}

void ControlTopic::land_orphans(std::size_t count) {
  for (Sending& orphan : orphans_) {
    for (std::size_t left = count; left > 0 && !orphan.empty(); --left) {
      append(orphan.front().record);
      orphan.pop_front();
    }
  }
  std::erase_if(orphans_, [](const Sending& orphan) { return orphan.empty(); });
}

void ControlTopic::compact() {
  std::map<std::string, Offset> last;
  for (const auto& entry : entries_) last[registry::control_key(entry.record)] = entry.offset;
  std::erase_if(entries_, [&](const registry::Entry& entry) {
    return last.at(registry::control_key(entry.record)) != entry.offset ||
           registry::ends_its_key(entry.record);
  });
}

// ---- one process's view ----

class ControlView::Handle final : public registry::Following {
 public:
  Handle(ControlView& view, std::shared_ptr<Follower> follower)
      : view_(view), follower_(std::move(follower)) {}
  ~Handle() override { std::erase(view_.followers_, follower_); }
  [[nodiscard]] bool at_end() const override { return follower_->at_end; }

 private:
  ControlView& view_;
  const std::shared_ptr<Follower> follower_;
};

ControlView::~ControlView() {
  for (auto& sent : sending_) sent.done = {};
  topic_.orphan(std::move(sending_));
}

void ControlView::append(registry::ControlRecord record, Appended done) {
  sending_.push_back({std::move(record), std::move(done), {}});
  if (sent_) sent_();
  if (broken_) return fail();
  if (!express_) return;
  store(SIZE_MAX);
  deliver(SIZE_MAX);
  acknowledge(SIZE_MAX);
}

void ControlView::fail() {
  ControlTopic::Sending failed = std::exchange(sending_, {});
  for (auto& sent : failed) {
    const auto done = std::exchange(sent.done, {});
    if (done) done(Error{Fault::unavailable, "timed out"});
  }
  topic_.orphan(std::move(failed));
}

Result<std::unique_ptr<registry::Following>> ControlView::follow(OnEntry on_entry, OnCaughtUp on_caught_up) {
  if (broken_) return Error{Fault::unavailable, "out of reach"};
  auto follower = std::make_shared<Follower>();
  follower->on_entry = std::move(on_entry);
  for (const auto& entry : std::vector(topic_.entries())) follower->on_entry(entry);
  follower->next = topic_.end();
  if (on_caught_up) on_caught_up();
  followers_.push_back(follower);
  return std::unique_ptr<registry::Following>(std::make_unique<Handle>(*this, std::move(follower)));
}

void ControlView::deliver(std::size_t count) {
  for (const auto& follower : std::vector(followers_)) {
    std::size_t left = count;
    const auto& entries = topic_.entries();
    auto next = std::lower_bound(entries.begin(), entries.end(), follower->next,
                                 [](const auto& entry, Offset at) { return entry.offset < at; });
    for (; next != entries.end() && left > 0; ++next, --left) {
      follower->next = next->offset.next();
      follower->on_entry(*next);
    }
    follower->at_end = next == entries.end();
  }
}

}  // namespace tidegate::simulation
