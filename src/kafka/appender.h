#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "kafka/places.h"
#include "kafka/producer.h"
#include "log/log.h"

namespace tidegate::kafka {

/// Numbers what a producer sends and follows its answers, which come out of order across partitions.
class KafkaAppender final : public log::Appender {
 public:
  static Result<std::unique_ptr<log::Appender>> open(const Options& options, const Places& places);

  Result<std::uint64_t> append(log::Append record, std::function<void(Offset)> acknowledged) override;
  [[nodiscard]] std::uint64_t acknowledged() const override {
    return acknowledged_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::optional<Error> failure() const override { return producer_->failure(); }
  void set_on_acknowledged(std::function<void()> wake) override { on_acknowledged_ = std::move(wake); }
  Status flush(std::chrono::milliseconds timeout) override;

 private:
  explicit KafkaAppender(Places places) : places_(std::move(places)) {}
  void answered(std::uint64_t number);
  void after_answers();

  const Places places_;
  std::function<void()> on_acknowledged_;
  std::uint64_t count_ = 0;  // the appending thread's
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::deque<bool> answered_;  // of the numbers above acknowledged_; the producer's thread
  bool risen_ = false;         // the producer's thread
  std::mutex mutex_;           // for waiting only
  std::condition_variable changed_;
  std::unique_ptr<Producer> producer_;  // last: its thread uses the rest
};

}  // namespace tidegate::kafka
