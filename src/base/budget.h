#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace tidegate {

/// Bytes that are held somewhere, counted across threads against a bound. Any thread.
class Budget {
 public:
  explicit Budget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes_max() const { return bytes_max_; }
  /// How much is held above the bound.
  [[nodiscard]] std::size_t excess() const {
    const std::size_t now = used();
    return now > bytes_max_ ? now - bytes_max_ : 0;
  }

 private:
  friend class Charge;
  bool take(std::size_t bytes, bool beyond) {
    std::size_t now = used();
    do {
      if (!beyond && (now > bytes_max_ || bytes > bytes_max_ - now)) return false;
    } while (!used_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
    return true;
  }

  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
};

/// What one holder has of a budget; given back when it is destroyed. One thread at a time; without a budget
/// it only counts.
class Charge {
 public:
  Charge() = default;
  explicit Charge(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
  Charge(Charge&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() { set(0); }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Holds so much from now on, whatever the bound is: what exists is counted.
  void set(std::size_t bytes) {
    if (budget_ && bytes > bytes_) budget_->take(bytes - bytes_, true);
    if (budget_ && bytes < bytes_) budget_->used_.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
    bytes_ = bytes;
  }
  /// Holds so much more. False, and nothing changed, where the budget has no room for it; for nothing there
  /// is always room.
  [[nodiscard]] bool add(std::size_t bytes) {
    if (budget_ && bytes > 0 && !budget_->take(bytes, false)) return false;
    bytes_ += bytes;
    return true;
  }

 private:
  std::shared_ptr<Budget> budget_;
  std::size_t bytes_ = 0;
};

}  // namespace tidegate
