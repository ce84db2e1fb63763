#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "simulation/database.h"

namespace tidegate::simulation {

class Stream;

/// The replication slot: what the database remembers of us.
struct Slot {
  Lsn confirmed;
  int made = 0;  ///< rises when it is dropped and made again
  Stream* holder = nullptr;
};

/// A matcher's replication connection. What the server sends waits in it until the matcher takes it, also
/// when the connection is gone by then.
class Stream final : public source::ChangeStream {
 public:
  Stream(Database& database, Slot& slot) : database_(database), slot_(slot) {}
  ~Stream() override;

  // ---- the server's side ----

  /// Takes the matcher's feedback, and sends at most so many events.
  void serve(std::size_t count);
  /// Looks what is visible, if somebody has asked.
  void look();
  /// The connection breaks; what was sent can still be read.
  void cut();
  /// The server tells no position above the last commit until something is written (rule 3).
  void stand_still() { standing_ = true; }
  /// Whether answers to `look` come after what was sent before.
  void answers_last(bool last) { answers_last_ = last; }

  // ---- ChangeStream ----

  Status start() override;
  [[nodiscard]] const SourceIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::string slot() const override { return "slot"; }
  [[nodiscard]] Lsn start_position() const override { return start_; }
  Result<source::StreamEvent> next(std::chrono::milliseconds wait) override;
  void request_visibility() override { asked_ = true; }
  void nudge() override;
  void confirm(Lsn lsn) override { confirmed_ = std::max(confirmed_, lsn); }
  void wake() override {}
  void stop() override { cut(); }

 private:
  [[nodiscard]] Status connect();

  Database& database_;
  Slot& slot_;
  SourceIdentity identity_;
  int slot_made_ = 0;
  Lsn start_;
  Lsn sent_;
  Lsn confirmed_;
  bool connected_ = false;
  bool standing_ = false;
  bool asked_ = false;
  bool answers_last_ = false;
  std::deque<source::StreamEvent> sent_events_;
  std::deque<source::Visibility> answers_;
};

/// The database as gateways and matchers open it.
class Source final : public source::Source {
 public:
  explicit Source(Database& database) : database_(database) {}

  Result<std::unique_ptr<source::ChangeStream>> open_stream() override;
  Result<std::unique_ptr<source::SnapshotReader>> open_snapshot_reader() override;
  Result<std::unique_ptr<source::CatalogueReader>> open_catalogue() override;

  /// Called in a snapshot, after the transaction ids were taken and before H is read.
  std::function<void()> before_h;
  int failures = 0;  ///< so many snapshots fail
  int snapshots = 0;
  std::optional<SourceIdentity> other_identity;  ///< wired to another database by mistake (rule 29)
  [[nodiscard]] SourceIdentity identity() const { return other_identity.value_or(database_.identity()); }
  [[nodiscard]] Database& database() { return database_; }

 private:
  Database& database_;
};

/// The one table.
class Tables final : public source::CatalogueReader {
 public:
  explicit Tables(Source& source) : source_(source) {}
  Result<query::Catalogue> read() override;
  Result<SourceIdentity> identity() override { return source_.identity(); }
  Status reachable() override { return {}; }

 private:
  Source& source_;
};

}  // namespace tidegate::simulation
