#include "kafka/appender.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace tidegate::kafka {

Result<std::unique_ptr<log::Appender>> KafkaAppender::open(const Options& options, const Places& places) {
  std::unique_ptr<KafkaAppender> appender(new KafkaAppender(places));
  std::vector<std::string> topics;
  for (const Places::Topic& topic : places.topics) topics.push_back(topic.name);
  auto producer = Producer::open(options, topics, [raw = appender.get()] { raw->after_answers(); });
  if (!producer.ok()) return producer.error();
  appender->producer_ = std::move(*producer);
  return std::unique_ptr<log::Appender>(std::move(appender));
}

Result<std::uint64_t> KafkaAppender::append(log::Append record, std::function<void(Offset)> acknowledged) {
  auto named = places_.named(record.partition);
  if (!named) {
    return Error{Fault::invalid, fmt::format("partition {} does not exist, the log has {}",
                                             record.partition.value(), places_.total())};
  }
  const std::uint64_t number = count_ + 1;
  Status sent = producer_->send({.topic = std::move(named->first),
                                 .partition = named->second,
                                 .key = std::move(record.key),
                                 .value = std::move(record.value),
                                 .headers = record.headers},
                                [this, number, done = std::move(acknowledged)](const Result<Offset>& offset) {
                                  if (!offset.ok()) return;  // the producer has failed
                                  if (done) done(*offset);
                                  answered(number);  // after it, so that a flush waits for every callback
                                });
  if (!sent.ok()) return sent.error();
  return count_ = number;
}

void KafkaAppender::answered(std::uint64_t number) {
  const std::uint64_t base = acknowledged_.load(std::memory_order_relaxed);
  if (answered_.size() < number - base) answered_.resize(number - base);
  answered_[number - base - 1] = true;
  std::uint64_t risen = base;
  while (!answered_.empty() && answered_.front()) {
    answered_.pop_front();
    ++risen;
  }
  if (risen == base) return;
  acknowledged_.store(risen, std::memory_order_release);
  risen_ = true;
}

void KafkaAppender::after_answers() {
  {
    std::lock_guard lock(mutex_);
  }  // so that a flush which has just looked is waiting
  changed_.notify_all();
  if (std::exchange(risen_, false) && on_acknowledged_) on_acknowledged_();
}

Status KafkaAppender::flush(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool over =
      changed_.wait_for(lock, timeout, [this] { return acknowledged() == count_ || failure(); });
  if (auto error = failure()) return *error;
  if (over) return {};
  return Error{Fault::unavailable,
               fmt::format("{} of {} records are not acknowledged yet", count_ - acknowledged(), count_)};
}

}  // namespace tidegate::kafka
