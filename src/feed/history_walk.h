#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "feed/history.h"
#include "protocol/deflate.h"

namespace tidegate::feed {

/// One walk over one partition's past for some jobs. One thread.
class HistoryWalk {
 public:
  HistoryWalk(log::Log& log, Probe& probe, const Options& options, HeldBytes held,
              const std::function<void(RereadResult)>& done, std::vector<RereadJob> jobs);

  /// Answers every job.
  void run(const std::atomic<bool>& stopping);

 private:
  /// One channel's stretch, from the place of the lowest LSN that waits on. Who holds more is placed in it by
  /// LSN, as in a tail.
  struct Span {
    std::vector<const RereadJob*> jobs;  // by LSN; those that are not answered
    bool begun = false;
    std::size_t bytes_before = 0;  // what the walk had read when it began
    Lsn last_complete;
    std::optional<Unfinished> unfinished;
    std::string parts;  // of the unfinished diff, where text is wanted
    std::shared_ptr<History> history;
  };

  bool open();
  void read(const log::Batch& batch);
  void look(const log::Record& record);
  void begin(Span& span, const log::Record& record);
  void take(Span& span, const log::Record& record);
  void diff(Span& span, const log::Record& record);
  void finish(bool at_end);
  /// Nothing of before `at` counts; who stands behind it may still begin.
  void fail_before(Span& span, Offset at, Refusal reason);
  void fail_all(Refusal reason);
  void bound();
  void refuse(const RereadJob& job, Refusal reason);
  void await(Span& span);
  static FeedSeq seq(const Span& span, Offset offset);

  log::Log& log_;
  Probe& probe_;
  const Options& options_;
  const HeldBytes held_;
  const std::function<void(RereadResult)>& done_;
  const std::vector<RereadJob> jobs_;
  std::unordered_map<std::string_view, Span> spans_;  // by key; those that are not answered
  std::multimap<Offset, std::string_view> begins_;    // spans that wait for their first record
  std::unique_ptr<log::Reader> reader_;
  protocol::Deflater deflater_;
  Offset read_{-1};
  Generation seen_{-1};
  std::size_t bytes_ = 0;  // read since the walk, or what is left of it, began
};

}  // namespace tidegate::feed
