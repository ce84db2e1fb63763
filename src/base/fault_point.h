#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace tidegate {

/// A step at which a process may be ended, stalled or cut off in a test: it stops itself there (SIGSTOP, all
/// threads) and the test does what it likes at that very moment.
struct FaultPoint {
  std::string_view name;
  std::string_view meaning;
};

/// All of them, in the order of the journey. `stream.`, `spill.` and `matcher.` are hit where the matcher
/// runs, `gateway.` and `snapshot.` in gateways.
inline constexpr auto kFaultPoints = std::to_array<FaultPoint>({
    // A matcher's start.
    {"matcher.slot_taken", "the slot is ours, nothing is written yet"},
    {"matcher.epoch_decided", "the epoch is known, and stored if it is a new one"},
    {"matcher.start_written", "the start record is stored: earlier matchers end when they read it"},
    {"matcher.first_progress", "the first record is in every partition, no fence says so"},
    {"matcher.fenced", "the fences are stored, no activation is kept yet"},
    {"matcher.inherited", "the open activations were answered, the stream is not handled yet"},
    // A commit's journey to the log.
    {"stream.received", "a change was read, its transaction is not whole"},
    {"spill.filed", "memory shall not hold what is open: the largest has a file, nothing is in it"},
    {"spill.written", "some of an open transaction was written to its file"},
    {"spill.read", "some of a whole one was read from its file, to be matched"},
    {"spill.closed", "a file's transaction was matched and its diffs given to the log, or it was aborted"},
    {"stream.whole", "a whole transaction waits to be matched"},
    {"matcher.matched", "its queries are known, nothing is appended"},
    {"matcher.between_parts", "a part of a large diff is appended, the next is not"},
    {"matcher.appended", "all its diffs were given to the log, which need not have acknowledged them"},
    {"matcher.acknowledged", "the log acknowledged some record"},
    {"matcher.visibility_asked", "the database was asked what is visible"},
    {"matcher.visible", "and answered: V may have moved"},
    {"matcher.progressed", "a progress was given to every partition"},
    {"matcher.checkpoint_stored", "the control topic holds where the log is"},
    {"matcher.confirming", "the slot is about to be confirmed"},
    {"matcher.confirmed", "the slot was confirmed, the server need not know yet"},
    // A registration, as the matcher sees it.
    {"matcher.control_read", "a record of the control topic was read"},
    {"matcher.activation_stored", "an activation is stored, no `active` is appended"},
    {"matcher.active_appended", "an `active` was given to the log"},
    {"matcher.end_stored", "an activation's end is stored, it is matched still"},
    {"matcher.closed_appended", "it is not matched any more, `closed` was given to the log"},
    // A gateway.
    {"gateway.registered", "a registration was given to the control topic"},
    {"gateway.lease_sent", "a lease was given to the control topic"},
    {"gateway.control_read", "the control topic said something of epoch or generation"},
    {"gateway.batch_read", "records were read, nothing is done with them"},
    {"gateway.encoded", "a diff is in the tail, no shard knows of it"},
    {"gateway.posted", "a batch was posted to the shards"},
    {"gateway.in_outbox", "a diff is in a client's outbox"},
    {"gateway.half_written", "a socket took a part of what waits for it"},
    // A snapshot.
    {"snapshot.locked", "its transaction is open and the table locked, no snapshot is taken"},
    {"snapshot.begun", "the snapshot is taken, no row is read"},
    {"snapshot.rows_read", "all rows are read, the transaction is open"},
    {"snapshot.spooled", "its parts are made, the feed does not know"},
    {"snapshot.served", "its parts were posted to the shards"},
});

/// A name of the list; any other does not compile.
class FaultName {
 public:
  consteval FaultName(const char* name) : index_(find(name)) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] std::size_t index() const { return index_; }

 private:
  static consteval std::size_t find(std::string_view name) {
    for (std::size_t i = 0; i < kFaultPoints.size(); ++i) {
      if (kFaultPoints[i].name == name) return i;
    }
    throw "no such fault point";
  }
  std::size_t index_;
};

#ifdef TIDEGATE_NO_FAULT_POINTS
inline void fault_point(FaultName) {}
#else
/// Any thread. Where the environment has `TIDEGATE_FAULT=<name>` or `<name>:<n>`, the n-th passing of that
/// point (1: the first) writes `fault point <name>` to standard error and stops the process until somebody
/// continues it.
void fault_point(FaultName name);
#endif

}  // namespace tidegate
