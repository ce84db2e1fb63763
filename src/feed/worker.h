#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tidegate::feed {

/// Jobs for a thread of their own, which does all that wait at that moment together. Without the thread the
/// caller does them by `work`.
template <class Job>
class Worker {
 public:
  using Todo = std::function<void(std::vector<Job> jobs, const std::atomic<bool>& stopping)>;
  Worker(std::size_t jobs_max, bool threaded, Todo todo) : jobs_max_(jobs_max), todo_(std::move(todo)) {
    if (threaded) thread_ = std::jthread([this] { run(); });
  }
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Any thread. False where too many wait.
  [[nodiscard]] bool start(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.size() >= jobs_max_) return false;
      jobs_.push_back(std::move(job));
    }
    ready_.notify_one();
    return true;
  }
  /// False where nothing waits.
  bool work() {
    std::vector<Job> jobs;
    {
      const std::lock_guard lock(mutex_);
      jobs = std::exchange(jobs_, {});
    }
    if (jobs.empty()) return false;
    todo_(std::move(jobs), stopping_);
    return true;
  }

 private:
  void run() {
    while (true) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      lock.unlock();
      work();
    }
  }

  const std::size_t jobs_max_;
  const Todo todo_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Job> jobs_;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::jthread thread_;
};

}  // namespace tidegate::feed
