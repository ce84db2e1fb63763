#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <utility>

namespace tidegate::feed {

/// Which batches the tail is asked to keep (rule 19), by their numbers. The feed's thread.
class Pins {
 public:
  /// All batches from this one on; the highest number where nothing is pinned.
  [[nodiscard]] std::uint64_t lowest() const {
    return counts_.empty() ? std::numeric_limits<std::uint64_t>::max() : counts_.begin()->first;
  }

 private:
  friend class Pin;
  std::map<std::uint64_t, std::size_t> counts_;
};

/// One flight's, or one subscriber's, until it is destroyed.
class Pin {
 public:
  Pin() = default;
  Pin(std::shared_ptr<Pins> pins, std::uint64_t batch) : pins_(std::move(pins)), batch_(batch) {
    ++pins_->counts_[batch_];
  }
  Pin(Pin&& other) noexcept : pins_(std::move(other.pins_)), batch_(other.batch_) {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(pins_, other.pins_);
    std::swap(batch_, other.batch_);
    return *this;
  }
  ~Pin() {
    if (!pins_) return;
    const auto found = pins_->counts_.find(batch_);
    if (--found->second == 0) pins_->counts_.erase(found);
  }
  explicit operator bool() const { return pins_ != nullptr; }

 private:
  std::shared_ptr<Pins> pins_;
  std::uint64_t batch_ = 0;
};

}  // namespace tidegate::feed
