#include "registry/direct_registry.h"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tidegate::registry {
namespace {

struct Follower {
  Registry::OnEntry on_entry;
  Registry::OnCaughtUp on_caught_up;
  /// Held while a callback runs, so that the end of the following waits for it; recursive, so that a callback
  /// may end its own.
  std::recursive_mutex running;
  bool ended = false;              // guarded by running
  std::atomic<std::int64_t> next;  // the offset that it has not been given yet

  void give(const Entry& entry) {
    std::lock_guard lock(running);
    if (!ended) on_entry(entry);
    next = entry.offset.value() + 1;
  }
};

struct Item {
  Entry entry;
  Registry::Appended done;
  std::shared_ptr<Follower> joining;  // instead of an entry
};

}  // namespace

/// Work is queued under the mutex and carried out by whoever finds nobody doing it. The queue holds no more
/// than the calls that came while a callback ran.
struct DirectRegistry::State {
  mutable std::mutex mutex;
  // Guarded by mutex:
  std::deque<Item> items;
  bool delivering = false;
  std::map<std::int64_t, Entry> kept;  // by offset
  std::unordered_map<std::string, std::int64_t> offset_of;
  std::int64_t end = 0;
  // Touched by the one who delivers:
  std::vector<std::shared_ptr<Follower>> followers;

  void deliver(std::unique_lock<std::mutex>& lock) {
    if (std::exchange(delivering, true)) return;
    while (!items.empty()) {
      Item item = std::move(items.front());
      items.pop_front();
      if (item.joining) {
        join(item, lock);
      } else {
        keep(item.entry);
        lock.unlock();
        spread(item);
        lock.lock();
      }
    }
    delivering = false;
  }

  void keep(const Entry& entry) {
    const std::string key = control_key(entry.record);
    if (const auto old = offset_of.find(key); old != offset_of.end()) {
      kept.erase(old->second);
      offset_of.erase(old);
    }
    if (ends_its_key(entry.record)) return;
    kept.emplace(entry.offset.value(), entry);
    offset_of.emplace(key, entry.offset.value());
  }

  void spread(Item& item) {
    std::erase_if(followers, [](const auto& follower) {
      std::lock_guard running(follower->running);
      return follower->ended;
    });
    for (const auto& follower : followers) follower->give(item.entry);
    if (item.done) item.done(item.entry.offset);
  }

  void join(const Item& item, std::unique_lock<std::mutex>& lock) {
    const std::shared_ptr<Follower>& follower = item.joining;
    const std::map<std::int64_t, Entry> content = kept;
    lock.unlock();
    for (const auto& [offset, entry] : content) follower->give(entry);
    {
      std::lock_guard running(follower->running);
      follower->next = item.entry.offset.value();
      if (!follower->ended && follower->on_caught_up) follower->on_caught_up();
    }
    followers.push_back(follower);
    lock.lock();
  }
};

class DirectRegistry::DirectFollowing final : public Following {
 public:
  DirectFollowing(std::shared_ptr<State> state, std::shared_ptr<Follower> follower)
      : state_(std::move(state)), follower_(std::move(follower)) {}
  ~DirectFollowing() override {
    std::lock_guard lock(follower_->running);
    follower_->ended = true;
  }
  [[nodiscard]] bool at_end() const override {
    std::lock_guard lock(state_->mutex);
    return follower_->next >= state_->end;
  }

 private:
  const std::shared_ptr<State> state_;
  const std::shared_ptr<Follower> follower_;
};

DirectRegistry::DirectRegistry() : state_(std::make_shared<State>()) {}
DirectRegistry::~DirectRegistry() = default;

void DirectRegistry::append(ControlRecord record, Appended done) {
  const std::shared_ptr<State> state = state_;  // a callback may end this object
  std::unique_lock lock(state->mutex);
  state->items.push_back({Entry{Offset(state->end++), std::move(record)}, std::move(done), nullptr});
  state->deliver(lock);
}

Result<std::unique_ptr<Following>> DirectRegistry::follow(OnEntry on_entry, OnCaughtUp on_caught_up) {
  const std::shared_ptr<State> state = state_;
  auto follower = std::make_shared<Follower>();
  follower->on_entry = std::move(on_entry);
  follower->on_caught_up = std::move(on_caught_up);
  follower->next = 0;
  auto following = std::make_unique<DirectFollowing>(state, follower);
  std::unique_lock lock(state->mutex);
  state->items.push_back({Entry{Offset(state->end), {}}, {}, std::move(follower)});
  state->deliver(lock);
  return std::unique_ptr<Following>(std::move(following));
}

std::size_t DirectRegistry::size() const {
  std::lock_guard lock(state_->mutex);
  return state_->kept.size();
}

}  // namespace tidegate::registry
