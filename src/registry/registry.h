#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/identity.h"
#include "base/ids.h"
#include "base/result.h"

namespace tidegate::registry {

/// What the control topic holds (rules 4, 10, 14, 15). It compacts by key, so each type says its key; the
/// last record of a key is the one that counts. `docs/PROTOCOL.md` has the formats.

/// Key `epoch`. What the epoch is bound to; a change of any of it is a new epoch.
struct EpochBound {
  Epoch epoch;
  SourceIdentity source;
  std::string slot;
  std::int32_t partitions = 0;
  bool operator==(const EpochBound&) const = default;
};
/// Key `start`. A matcher's reign begins; its generation is this record's offset.
struct MatcherStart {
  std::uint64_t process = 0;  ///< random, so that a matcher knows its own
  bool operator==(const MatcherStart&) const = default;
};
/// Key `fence/<partition>`. From this offset on, records of a lower generation are dropped.
struct GenerationFence {
  Partition partition;
  Generation generation;
  Offset offset;
  bool operator==(const GenerationFence&) const = default;
};
/// Key `checkpoint/<partition>`. The last acknowledged `progress` there.
struct Checkpoint {
  Partition partition;
  Generation generation;
  Offset offset;
  Lsn lsn;
  bool operator==(const Checkpoint&) const = default;
};
/// Key `lease/<incarnation>`. A gateway lives; `ended` when it leaves in order.
struct Lease {
  Incarnation incarnation;
  bool ended = false;
  bool operator==(const Lease&) const = default;
};
/// Key `query/<incarnation>/<routing key>`. A gateway wants a query matched; `ended` when it no longer does.
struct Registration {
  Incarnation incarnation;
  std::string routing_key;
  std::string canonical;  ///< Query::canonical(); empty when ended
  bool ended = false;
  bool operator==(const Registration&) const = default;
};
/// Key `activation/<routing key>`. Written before the first `active`, and `ended` before matching stops.
struct ActivationRecord {
  std::string routing_key;
  Activation activation;
  bool ended = false;
  bool operator==(const ActivationRecord&) const = default;
};

using ControlRecord = std::variant<EpochBound, MatcherStart, GenerationFence, Checkpoint, Lease, Registration,
                                   ActivationRecord>;

/// The record's compaction key.
std::string control_key(const ControlRecord& record);
/// Whether the record says that its key is over, so that nothing of it need be kept or told to a later
/// follower.
[[nodiscard]] bool ends_its_key(const ControlRecord& record);
/// JSON text, one object; and back. `invalid` names what is wrong; a reader skips and counts such a record.
std::string encode_control(const ControlRecord& record);
Result<ControlRecord> decode_control(std::string_view key, std::string_view value);

/// One record with its place.
struct Entry {
  Offset offset;
  ControlRecord record;
};

/// SEAM. The control topic: an ordered, compacted log of ControlRecords; Kafka's, or this process's memory
/// (the direct registry). Any thread.
class Registry {
 public:
  using Appended = std::function<void(Result<Offset>)>;
  using OnEntry = std::function<void(const Entry&)>;
  using OnCaughtUp = std::function<void()>;

  virtual ~Registry() = default;
  /// Appends in the order of a thread's calls. `done` is called once, on a thread of the registry's (the
  /// direct one: on the caller's, or on that of another caller that is just delivering), with the offset when
  /// the record is stored. After a record that ends its key nothing of that key need be kept.
  virtual void append(ControlRecord record, Appended done) = 0;
  /// Reads everything from the start and then follows. `on_entry` is called in order, on one thread of the
  /// registry's (the direct one: also on an appender's thread, before `done`). `on_caught_up` is called once,
  /// when everything that was there at the time of the call has been given. Ends with the returned handle.
  /// Any number of followers.
  virtual Result<std::unique_ptr<class Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) = 0;
  /// Whether gateways live elsewhere and must renew leases (rule 28: not on one node).
  [[nodiscard]] virtual bool leases() const = 0;
};

/// Ends the following when destroyed; no callback runs after that.
class Following {
 public:
  virtual ~Following() = default;
  /// Whether the follower is at the log's end as far as is known (rule 15).
  [[nodiscard]] virtual bool at_end() const = 0;
  /// Set once what it follows is gone or is another log than before: nothing comes any more. `lost`.
  [[nodiscard]] virtual std::optional<Error> failure() const { return std::nullopt; }
};

}  // namespace tidegate::registry
