#include "matcher/probe.h"

#include <algorithm>

namespace tidegate::matcher {

Probe::Probe(metrics::Registry& registry)
    : transactions_(
          registry.counter("tidegate_matcher_transactions_total", "Committed transactions matched")),
      repeated_(registry.counter("tidegate_matcher_transactions_repeated_total",
                                 "Transactions streamed again within one reign, and left out")),
      changes_(registry.counter("tidegate_matcher_changes_total", "Row changes of tables with queries")),
      evaluations_(registry.counter("tidegate_matcher_evaluations_total", "Queries evaluated over a row")),
      diffs_(registry.counter("tidegate_matcher_diffs_total", "Diffs appended")),
      parts_(registry.counter("tidegate_matcher_parts_total", "Records that those diffs were cut into")),
      resets_(registry.counter("tidegate_matcher_resets_total", "Reset records appended")),
      given_up_(registry.counter("tidegate_matcher_netting_given_up_total",
                                 "Diffs that became resets because netting had reached its bound")),
      refusals_(
          registry.counter("tidegate_matcher_refusals_total", "Queries that could not be bound (any more)")),
      progress_(registry.counter("tidegate_matcher_progress_total", "Rounds of progress records")),
      nudges_(registry.counter("tidegate_matcher_nudges_total", "Messages that made a resting stream move")),
      netting_bytes_(registry.gauge("tidegate_matcher_netting_bytes",
                                    "The most that netting the last transaction held")),
      queries_(registry.gauge("tidegate_matcher_queries", "Queries being matched")),
      doubtful_(
          registry.gauge("tidegate_matcher_doubtful", "Transactions streamed but not yet seen visible")),
      position_(registry.gauge("tidegate_matcher_position_lsn", "Everything up to here has been matched")),
      visible_lag_(registry.gauge("tidegate_matcher_visible_lag_lsn", "Position less the visible watermark")),
      confirmed_(registry.gauge("tidegate_matcher_confirmed_lsn", "Confirmed to the source up to here")),
      commit_lag_ms_(
          registry.gauge("tidegate_matcher_commit_lag_ms", "Age of the last transaction when matched")),
      visible_after_(
          registry.histogram("tidegate_matcher_visible_after_milliseconds",
                             "From a commit's streaming to its being seen visible, one watched at a time",
                             {0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 5'000, 30'000})),
      stages_(registry) {}

void Probe::transaction(std::size_t changes, std::size_t evaluations) {
  transactions_.add();
  changes_.add(changes);
  evaluations_.add(evaluations);
}

void Probe::committed(std::chrono::microseconds age, std::chrono::nanoseconds matching) {
  const auto lag = std::chrono::duration_cast<std::chrono::milliseconds>(age + matching);
  commit_lag_ms_.set(std::max<std::int64_t>(0, lag.count()));
  stages_.took(metrics::Stage::received, age);
}

void Probe::diff(std::uint32_t parts) {
  diffs_.add();
  parts_.add(parts);
}

void Probe::standing(Lsn position, Lsn visible, std::size_t doubtful, std::size_t queries) {
  position_.set(static_cast<std::int64_t>(position.value()));
  visible_lag_.set(static_cast<std::int64_t>(position.value() - visible.value()));
  doubtful_.set(static_cast<std::int64_t>(doubtful));
  queries_.set(static_cast<std::int64_t>(queries));
}

}  // namespace tidegate::matcher
