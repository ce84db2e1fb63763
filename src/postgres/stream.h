#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "postgres/aside.h"
#include "postgres/assembly.h"
#include "postgres/decoder.h"
#include "postgres/probe.h"
#include "postgres/relations.h"
#include "postgres/replication.h"
#include "postgres/slot.h"
#include "source/source.h"

namespace tidegate::postgres {

/// The change stream of one publication (source/source.h): whole transactions in
/// commit order.
///
/// One thread calls `next` and friends and owns all but what `link_mutex_` guards. A SchemaChanged that falls
/// inside a transaction comes before it; each change points to its own table's shape. With a temporary slot a
/// broken connection is `lost`; with a durable one the stream connects again by itself and whole transactions
/// may come again. Where the server failed at what it sent, it is asked for large ones after their commits.
class Stream final : public source::ChangeStream {
 public:
  Stream(Options options, const Clock& clock, metrics::Registry& registry);
  ~Stream() override;

  Status start() override;
  [[nodiscard]] const SourceIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::string slot() const override { return slot_; }
  [[nodiscard]] Lsn start_position() const override { return start_position_; }
  Result<source::StreamEvent> next(std::chrono::milliseconds wait) override;
  void request_visibility() override { aside_.want_visibility(); }
  void nudge() override { aside_.want_nudge(); }
  void confirm(Lsn lsn) override;
  void wake() override;
  void stop() override;

 private:
  Status take_slot();
  Status connect_again(Steady deadline);
  void drop_link();
  Error broken(const Error& error);
  Error ended(Error error);

  /// Handles what is there until there is an event to give. False where nothing is left to read.
  Result<bool> read_some();
  Status handle_frame(const std::string& bytes);
  Status handle(const Message& message);
  Status commit(Result<Assembled> assembled);
  /// Makes events of what has committed. `unavailable`, and it stays where it is, while a table of it can't
  /// be looked up.
  Status give();
  Status resolve();
  Result<source::Changes> changes_of(Assembled& assembled);
  /// Ends the stream, or has what has committed given again later.
  Error hold(const Error& error);
  void reached(Lsn position);

  Status serve_aside();
  /// The server was heard of now.
  void heard();
  /// Nothing is there to read: asks for a sign of life when it is time.
  void listen();
  /// Whether it owes one for too long.
  [[nodiscard]] bool silent() const;
  [[nodiscard]] Error silence() const;
  /// Waits for the stream, the second connection, or `wake`. True when woken.
  bool wait(Steady until);
  bool wait_socket(int socket, Steady until);
  bool drain_wake();

  const Options options_;
  const Clock& clock_;
  Probe probe_;
  SlotTaker taker_;
  Relations relations_;
  Assembly assembly_;
  Aside aside_;
  SourceIdentity identity_;
  std::string slot_;
  Lsn start_position_;
  Lsn position_;   // of the last event that moved it
  Xid reference_;  // xmax of a recent snapshot
  std::deque<source::StreamEvent> events_;
  std::optional<Assembled> committed_;  // a transaction whose tables could not all be looked up yet
  std::vector<std::shared_ptr<const query::TableSchema>> tables_;  // those that were
  std::optional<Error> terminal_;                                  // given by every further call
  Steady heard_{};                                                 // when the link gave something last
  std::optional<Steady> asked_;                                    // for a sign of life, since then
  Steady retry_at_{};
  std::chrono::milliseconds backoff_;
  SlotTaker::Large large_ = SlotTaker::Large::in_blocks;
  std::uint64_t refused_told_ = 0;

  const int wake_;  // an eventfd
  std::atomic<bool> stopped_{false};
  std::mutex link_mutex_;
  std::unique_ptr<ReplicationLink>
      link_;                // guarded by link_mutex_ where other threads look; replaced by the owner
  NextByte confirmed_ = 0;  // guarded by link_mutex_
};

}  // namespace tidegate::postgres
