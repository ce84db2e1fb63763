#include "feed/reading.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace tidegate::feed {
namespace {

constexpr std::chrono::seconds kMarkedAgain{1};

}  // namespace

Reading::Reading(log::Log& log, log::Reader& reader, const Options& options,
                 std::function<void(EndResult)> answer)
    : reader_(reader),
      options_(options),
      states_(static_cast<std::size_t>(log.partitions())),
      worker_(states_.size() * 2, options.snapshot_threads > 0,
              [&log, answer = std::move(answer)](const std::vector<Question>& questions,
                                                 const std::atomic<bool>& stopping) {
                for (const Question& each : questions) {
                  if (stopping) return;
                  const auto range = log.watermarks(each.partition);
                  answer({each.partition, each.number,
                          range ? Result<Offset>(range->end) : Result<Offset>(range.error())});
                }
              }) {}

void Reading::ask(Partition partition) {
  State& state = of(partition);
  state.phase = Phase::asking;
  state.question = ++questions_;
  state.failed = !worker_.start({partition, state.question});
}

void Reading::join(Partition partition, Steady now) {
  State& state = of(partition);
  ++state.channels;
  state.idle_since = now;
  if (state.phase == Phase::closed) ask(partition);
}

void Reading::leave(Partition partition, Steady now) {
  State& state = of(partition);
  --state.channels;
  state.idle_since = now;
}

std::int64_t Reading::count() const {
  return std::count_if(states_.begin(), states_.end(),
                       [](const State& each) { return each.phase == Phase::reading; });
}

bool Reading::answered(const EndResult& result, const std::function<std::uint64_t()>& mark, Steady now) {
  State& state = of(result.partition);
  if (state.phase != Phase::asking || state.question != result.question) return false;
  if (!result.end) {
    state.failed = true;
    return false;
  }
  state.phase = Phase::marking;
  state.end = *result.end;
  state.mark = mark();
  state.marked_at = now;
  return true;
}

std::vector<log::Start> Reading::reached(std::uint64_t mark) {
  std::vector<log::Start> starts;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    if (state.phase != Phase::marking || state.mark > mark) continue;
    state.phase = Phase::reading;
    starts.push_back({Partition(static_cast<std::int32_t>(i)), state.end});
  }
  return starts;
}

void Reading::lost() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].phase == Phase::marking) ask(Partition(static_cast<std::int32_t>(i)));
  }
}

std::vector<Partition> Reading::on_time(Steady now, const std::function<std::uint64_t()>& mark) {
  std::vector<Partition> closed;
  std::optional<std::uint64_t> again;  // one for all
  std::int64_t left = count();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    const Partition partition(static_cast<std::int32_t>(i));
    if (state.phase == Phase::asking && state.failed) ask(partition);
    if (state.phase == Phase::marking && now - state.marked_at >= kMarkedAgain) {
      // A later one does as well; the first still counts, or a topic that takes longer would never do.
      if (!again) again = mark();
      state.marked_at = now;
    }
    const bool idle = state.channels == 0 && now - state.idle_since >= options_.linger;
    if (!idle || state.phase != Phase::reading || left <= 1) continue;
    state.phase = Phase::closed;
    reader_.pause(partition);
    --left;
    closed.push_back(partition);
  }
  return closed;
}

}  // namespace tidegate::feed
