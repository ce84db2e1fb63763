#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace tidegate::metrics {

/// Rises only; exact up to 2^53. Any thread.
class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  void add(std::uint64_t count = 1);
  [[nodiscard]] std::uint64_t value() const;

 private:
  prometheus::Counter* counter_;
};

/// Goes up and down; exact up to 2^53 on both sides of 0. Any thread.
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  void set(std::int64_t value);
  void add(std::int64_t delta);
  [[nodiscard]] std::int64_t value() const;

 private:
  prometheus::Gauge* gauge_;
};

/// Counts observations up to each of some bounds. Any thread; takes a lock for nanoseconds.
class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  void observe(double value);

 private:
  prometheus::Histogram* histogram_;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Owns a process's metrics and writes them as Prometheus text (exposition format 0.0.4). Registration from
/// any thread; references stay valid as long as the registry. The same name and labels give the same metric;
/// a name that Prometheus does not allow, or that is taken by another kind of metric, is a bug and ends the
/// process. Modules declare their own metrics as events in a `probe.h` (`probe.connection_rejected()`).
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {}) noexcept;
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {}) noexcept;
  /// `bounds`: upper ones, rising; +Inf is implied.
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                       const Labels& labels = {}) noexcept;
  [[nodiscard]] std::string text() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::metrics
