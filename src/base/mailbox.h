#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace tidegate {

/// Many producers, one consumer, bounded in bytes. The producer says what an item weighs; above the limit
/// `post` refuses and the producer decides what that means (its outcome has a name and a counter there).
/// `on_post` wakes a consumer that waits elsewhere (an eventfd, a reader's wake()); it runs on the producer's
/// thread.
template <class T>
class Mailbox {
 public:
  explicit Mailbox(std::size_t bytes_max, std::function<void()> on_post = {})
      : bytes_max_(bytes_max), on_post_(std::move(on_post)) {}

  /// Set before the first post.
  void set_on_post(std::function<void()> on_post) { on_post_ = std::move(on_post); }

  /// Any thread. False, and nothing posted, where the item does not fit. An item above the limit fits an
  /// empty box.
  [[nodiscard]] bool post(T item, std::size_t bytes = sizeof(T)) {
    {
      std::lock_guard lock(mutex_);
      if (!items_.empty() && bytes_ + bytes > bytes_max_) return false;
      items_.push_back(std::move(item));
      bytes_ += bytes;
    }
    ready_.notify_one();
    if (on_post_) on_post_();
    return true;
  }

  /// The consumer's thread: everything that is there, in order; empties the box.
  std::vector<T> take() {
    std::lock_guard lock(mutex_);
    bytes_ = 0;
    return std::exchange(items_, {});
  }

  /// The consumer's thread: waits until something is there or the time is over.
  std::vector<T> wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout, [this] { return !items_.empty(); });
    bytes_ = 0;
    return std::exchange(items_, {});
  }

 private:
  const std::size_t bytes_max_;
  std::function<void()> on_post_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> items_;   // guarded by mutex_
  std::size_t bytes_ = 0;  // guarded by mutex_
};

}  // namespace tidegate
