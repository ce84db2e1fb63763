#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/fence.h"
#include "client/client.h"
#include "client/replica.h"
#include "rig/process.h"

namespace tidegate::test {

/// A client of one query that remembers a fingerprint of what it held after every snapshot and every diff. It
/// asks again where the server says `unavailable`, as a client should.
class Watcher {
 public:
  struct Step {
    Lsn lsn;
    std::uint64_t fingerprint = 0;
  };
  /// From one snapshot to the next.
  struct Span {
    std::optional<Fence> fence;
    std::optional<Epoch> epoch;
    std::uint64_t fingerprint = 0;  // of the snapshot
    std::vector<Step> diffs;
  };

  /// `query` is what stands in the subscribe behind `hashId`, e.g. `"sql":"select …"`. `frames`: `json`, or
  /// empty. `receive_buffer_bytes`: of its socket, 0 the system's. `paused`: it has read nothing of what is
  /// sent when this returns, and reads nothing until `resume`.
  /// `token`: shown at each opening; empty: none.
  Watcher(client::Loop& loop, int port, std::string query, std::string frames, int receive_buffer_bytes = 0,
          bool paused = false, std::string token = {});

  /// Cuts the connection and comes back with the cursor that it has; what it holds and its history stay.
  void reconnect(int port);
  /// Ends the connection; the history stays.
  void close();
  /// Reads no further, so that the server sees a slow client; and goes on.
  void pause();
  void resume();

  /// Waits until what it holds has this fingerprint; not any longer once something went wrong.
  bool wait_for(std::uint64_t fingerprint, std::chrono::milliseconds timeout = rig::kPatience);
  /// Waits until it has a whole snapshot.
  bool wait_whole(std::chrono::milliseconds timeout = rig::kPatience);
  [[nodiscard]] std::vector<Span> spans() const;
  [[nodiscard]] client::ReplicaCounts counts() const;
  [[nodiscard]] std::map<std::string, std::string> rows() const;
  [[nodiscard]] std::optional<protocol::Cursor> cursor() const;
  /// Whether its last `ack` has come, and said so.
  [[nodiscard]] bool acknowledged() const;
  [[nodiscard]] bool resumed() const;
  /// What went wrong with the connection or the query; empty: nothing.
  [[nodiscard]] std::string fault() const;
  /// Where it stands, in words, for whoever looks into a failure.
  [[nodiscard]] std::string standing() const;
  /// How often it was told `unavailable`, and asked again.
  [[nodiscard]] int refusals() const;
  /// How often a `status` called its data stale.
  [[nodiscard]] int stales() const;
  /// How often a `status` said that the snapshot has to wait.
  [[nodiscard]] int waits() const;

 private:
  void connect(int port, bool paused = false);
  void on_text(std::string_view text);
  void received();
  /// With the cursor, where there is one. With mutex_ held.
  [[nodiscard]] std::string subscribe_message() const;

  client::Loop& loop_;
  const std::string subscribe_;  // without its end: a cursor may follow
  const int receive_buffer_bytes_;
  const std::string token_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  client::Replica replica_;  // guarded by mutex_, like what follows
  std::vector<Span> spans_;
  std::uint64_t snapshots_ = 0;
  std::uint64_t diffs_ = 0;
  bool connected_ = false;
  std::string fault_;
  int refusals_ = 0;
  int waits_ = 0;
  int stales_ = 0;
  std::unique_ptr<client::Client> client_;
};

}  // namespace tidegate::test
