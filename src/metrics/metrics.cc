#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>

namespace tidegate::metrics {
namespace {

prometheus::Labels to_labels(const Labels& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace

void Counter::add(std::uint64_t count) {
  counter_->Increment(static_cast<double>(count));
}
std::uint64_t Counter::value() const {
  return static_cast<std::uint64_t>(counter_->Value());
}

void Gauge::set(std::int64_t value) {
  gauge_->Set(static_cast<double>(value));
}
void Gauge::add(std::int64_t delta) {
  gauge_->Increment(static_cast<double>(delta));
}
std::int64_t Gauge::value() const {
  return static_cast<std::int64_t>(gauge_->Value());
}

void Histogram::observe(double value) {
  histogram_->Observe(value);
}

class Registry::State {
 public:
  // Ours for one of theirs: the same every time, since callers keep the reference.
  template <class Ours, class Theirs>
  Ours& handle(std::map<const void*, Ours>& handles, Theirs& theirs) {
    std::lock_guard lock(mutex_);
    return handles.try_emplace(&theirs, theirs).first->second;
  }

  prometheus::Registry registry;
  std::map<const void*, Counter> counters;  // guarded by mutex_, as the two below
  std::map<const void*, Gauge> gauges;
  std::map<const void*, Histogram> histograms;

 private:
  std::mutex mutex_;
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) noexcept {
  auto& family =
      prometheus::BuildCounter().Name(std::string(name)).Help(std::string(help)).Register(state_->registry);
  return state_->handle(state_->counters, family.Add(to_labels(labels)));
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) noexcept {
  auto& family =
      prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(state_->registry);
  return state_->handle(state_->gauges, family.Add(to_labels(labels)));
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                               const Labels& labels) noexcept {
  auto& family =
      prometheus::BuildHistogram().Name(std::string(name)).Help(std::string(help)).Register(state_->registry);
  return state_->handle(state_->histograms, family.Add(to_labels(labels), std::move(bounds)));
}

std::string Registry::text() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace tidegate::metrics
