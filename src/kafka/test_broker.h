#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kafka/options.h"
#include "rig/kafka.h"

namespace tidegate::kafka {

/// The broker that this program's tests share, started by the first that wants it; each uses topics of its
/// own. It dies with the process.
inline rig::KafkaBroker& broker() {
  static rig::KafkaBroker shared;
  return shared;
}

/// The shared broker is killed as long as this lives.
class Outage {
 public:
  Outage() { broker().kill(); }
  ~Outage() { end(); }
  Outage(const Outage&) = delete;
  Outage& operator=(const Outage&) = delete;
  void end() {
    if (!std::exchange(over_, true)) broker().start();
  }

 private:
  bool over_ = false;
};

inline std::string new_topic() {
  static std::atomic<int> count = 0;
  return "topic-" + std::to_string(++count);
}

inline std::string created_topic(int partitions = 1, const rig::KafkaBroker::Settings& config = {}) {
  std::string name = new_topic();
  broker().create_topic(name, partitions, config);
  return name;
}

inline Options options_for(std::vector<std::string> topics) {
  Options options;
  options.brokers = broker().brokers();
  options.topics = std::move(topics);
  return options;
}

/// What takes no longer was not waited for as long as librdkafka, or our own defaults, would: with `nobody`'s
/// options all is over in a second or two, on whatever machine.
constexpr double kInTime = 20;

/// A port where nobody listens, and little patience.
inline Options nobody(std::vector<std::string> topics) {
  static const rig::Port port;
  Options options;
  options.brokers = "127.0.0.1:" + std::to_string(port.number());
  options.topics = std::move(topics);
  options.open_timeout = std::chrono::milliseconds(400);
  options.answer_timeout = std::chrono::milliseconds(400);
  return options;
}

/// What must have succeeded; an error ends the test.
template <class T>
T good(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// That no first append waits for the library's timer, which takes a second and would hit every tenth: 12 of
/// these 120. Where the machine stands still a few are slow as well.
template <class Append>
testing::AssertionResult no_timer_is_waited_for(Append seconds_of_a_first_append) {
  int slow = 0;
  for (int i = 0; i < 120; ++i) slow += seconds_of_a_first_append() < 0.9 ? 0 : 1;
  if (slow <= 3) return testing::AssertionSuccess();
  return testing::AssertionFailure() << slow << " of 120 first appends took as long as the timer";
}

/// That an error is of this fault and its text names something.
inline testing::AssertionResult is(const Error& error, Fault fault, const std::vector<std::string>& names) {
  if (error.fault != fault) {
    return testing::AssertionFailure() << "fault " << static_cast<int>(error.fault) << ": " << error.message;
  }
  for (const std::string& name : names) {
    if (error.message.find(name) != std::string::npos) continue;
    return testing::AssertionFailure() << '"' << error.message << "\" does not say \"" << name << '"';
  }
  return testing::AssertionSuccess();
}

}  // namespace tidegate::kafka
