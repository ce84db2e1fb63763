#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "feed/options.h"
#include "feed/worker.h"
#include "log/log.h"

namespace tidegate::feed {

/// Where a partition ended when it was asked.
struct EndResult {
  Partition partition;
  std::uint64_t question = 0;
  Result<Offset> end;
};

/// Which partitions of a managed log are read: those that have a channel, and always one, whose `progress`
/// says that the matcher is there. One that is not read has no channel, hence no tail that could be taken for
/// a whole one. A partition is opened in three steps:
///
///   asking   its end is asked for, aside; nobody of it is registered yet (rule 17)
///   marking  its channels are registered, so that their answers lie at or above that end; and a mark is set
///            in the control topic, stored after the end was known
///   reading  from that end on, once the control topic was read up to the mark: whatever a generation has
///            done after its fence in this partition is then either known to be a later one's, or above the
///            end (rule 4). Who begins to read at the end without it could take a dethroned matcher's word.
///
/// It is closed when it has had no channel for the time that a channel lingers. The feed's thread only.
class Reading {
 public:
  /// `answer` is called on a thread of its own.
  Reading(log::Log& log, log::Reader& reader, const Options& options, std::function<void(EndResult)> answer);

  /// The feed has begun to read it: from the start on.
  void begin(Partition partition) { of(partition).phase = Phase::reading; }
  /// A channel begins or ends.
  void join(Partition partition, Steady now);
  void leave(Partition partition, Steady now);
  /// Whether channels may be registered.
  [[nodiscard]] bool registers(Partition partition) const {
    return of(partition).phase == Phase::marking || of(partition).phase == Phase::reading;
  }
  [[nodiscard]] bool reads(Partition partition) const { return of(partition).phase == Phase::reading; }
  [[nodiscard]] std::int64_t count() const;

  /// True where this was the answer that was waited for: its channels are registered, and `mark` is the one
  /// to be waited for.
  [[nodiscard]] bool answered(const EndResult& result, const std::function<std::uint64_t()>& mark,
                              Steady now);
  /// Those whose mark was reached, with where they are read from now on.
  [[nodiscard]] std::vector<log::Start> reached(std::uint64_t mark);
  /// The log's ends are others than they were: who has not begun asks again.
  void lost();
  /// Asks again what had no answer, marks again what was not reached for a second: the control topic may have
  /// refused it. Those that are not read any more.
  [[nodiscard]] std::vector<Partition> on_time(Steady now, const std::function<std::uint64_t()>& mark);
  /// Without threads: asks what waits to be asked. False where nothing does.
  bool work() { return worker_.work(); }

 private:
  enum class Phase : std::uint8_t { closed, asking, marking, reading };
  struct State {
    Phase phase = Phase::closed;
    std::size_t channels = 0;
    Steady idle_since{};
    std::uint64_t question = 0;
    bool failed = false;  // the question had no answer
    Offset end;
    std::uint64_t mark = 0;
    Steady marked_at{};
  };
  [[nodiscard]] State& of(Partition partition) {
    return states_[static_cast<std::size_t>(partition.value())];
  }
  [[nodiscard]] const State& of(Partition partition) const {
    return states_[static_cast<std::size_t>(partition.value())];
  }
  void ask(Partition partition);

  struct Question {
    Partition partition;
    std::uint64_t number = 0;
  };
  log::Reader& reader_;
  const Options& options_;
  std::vector<State> states_;
  std::uint64_t questions_ = 0;
  Worker<Question> worker_;  // last: it uses what is above
};

}  // namespace tidegate::feed
