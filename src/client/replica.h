#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "protocol/cursor.h"
#include "protocol/diff.h"

namespace tidegate::client {

/// What a replica has seen. The last three stay 0 while the server keeps the contract.
struct ReplicaCounts {
  std::uint64_t snapshots = 0;  ///< whole ones
  std::uint64_t diffs = 0;      ///< whole ones, applied
  std::uint64_t changes = 0;
  /// An insert of a key that is there, an update or a delete of one that is not, a key twice in a snapshot.
  std::uint64_t contradictions = 0;
  /// A diff that is not above the one before it, a part that does not follow.
  std::uint64_t disorders = 0;
  std::uint64_t unreadable = 0;
};

/// What one managed subscription's client holds: applies the messages of its subscription, and watches that
/// they make sense. For `tail`, and as the tests' eyes. No I/O; one thread.
class Replica {
 public:
  /// `v1`: the connection speaks `tidegate.v1`, its binary frames have a header.
  Replica(std::string hash_id, bool v1) : hash_id_(std::move(hash_id)), v1_(v1) {}

  /// A text message of the connection; whether it concerned this subscription.
  bool on_text(std::string_view message);
  /// A binary frame of the connection; whether it was this subscription's.
  bool on_binary(std::string_view frame);
  /// A new connection, or a new subscribe with the same name: until its `ack` nothing counts. Rows and cursor
  /// stay, for a resume.
  void resubscribed();

  /// Key (JSON array) to row (JSON object), as the server wrote them.
  [[nodiscard]] const std::map<std::string, std::string>& rows() const { return rows_; }
  /// A snapshot or an exact resume has come, and no transaction is half there.
  [[nodiscard]] bool whole() const { return whole_ && parts_.empty() && first_of_diff_ && !snapshot_; }
  /// What to hand back to resume; empty where there is none yet.
  [[nodiscard]] std::string cursor_json() const;
  [[nodiscard]] const std::optional<protocol::Cursor>& cursor() const { return cursor_; }
  /// The LSN that the rows are of: the snapshot's, or that of the last diff above it.
  [[nodiscard]] Lsn version() const { return version_; }
  /// The LSN of the last diff since the snapshot, which may be below the snapshot's own.
  [[nodiscard]] std::optional<Lsn> last_diff() const { return last_diff_; }
  [[nodiscard]] const ReplicaCounts& counts() const { return counts_; }
  [[nodiscard]] bool acknowledged() const { return acknowledged_; }
  [[nodiscard]] bool resumed() const { return resumed_; }
  /// The name that this one follows (`same_as`), or empty.
  [[nodiscard]] const std::string& same_as() const { return same_as_; }
  /// Code of the last `error` for this subscription, or empty.
  [[nodiscard]] const std::string& error_code() const { return error_code_; }
  /// The query's hash (32 hexadecimal digits), once acknowledged.
  [[nodiscard]] const std::string& query() const { return query_; }
  [[nodiscard]] std::uint32_t channel() const { return channel_; }

 private:
  struct Snapshot {
    std::map<std::string, std::string> rows;
    std::uint64_t next_part = 0;
  };
  void on_ack(std::string_view message);
  void on_snapshot(std::string_view message);
  void on_diff(std::string_view message);
  void on_value(std::string_view value);
  void on_error(std::string_view message);
  void on_progress(std::string_view message);
  void apply(const protocol::RowChange& change);
  void moved_to(Lsn lsn, std::optional<Offset> offset);
  [[nodiscard]] bool in_order(Lsn lsn);
  [[nodiscard]] std::string key_of(std::string_view row) const;

  const std::string hash_id_;
  const bool v1_;
  bool acknowledged_ = false;
  bool resumed_ = false;
  bool whole_ = false;
  bool lagging_ = false;
  std::string same_as_;
  std::string error_code_;
  std::string query_;
  std::uint32_t channel_ = 0;
  std::vector<std::string> key_columns_;
  std::optional<Snapshot> snapshot_;  // while its parts come
  std::string parts_;                 // of an unfinished transaction
  std::uint32_t next_part_ = 0;
  bool first_of_diff_ = true;     // `diff` messages of one transaction
  std::optional<Lsn> last_diff_;  // since the snapshot
  std::map<std::string, std::string> rows_;
  std::optional<protocol::Cursor> cursor_;
  Lsn version_;
  ReplicaCounts counts_;
};

}  // namespace tidegate::client
