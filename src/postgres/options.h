#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/identity.h"
#include "base/result.h"

namespace tidegate::postgres {

/// How to reach one database of a PostgreSQL server (14 or newer), and under which names.
struct Options {
  /// `postgres://user@host/database`, or any other libpq connection string.
  std::string url;
  /// A file whose first line is the password, read for each connection; empty: `url` and libpq's own ways.
  std::string password_file;
  /// libpq's host, hostaddr and port of one server, where `url` names several and it must be this one (see
  /// `keep_to`); empty: whichever `url` leads to.
  std::vector<std::pair<std::string, std::string>> server;
  /// The publication whose tables may be subscribed to.
  std::string publication = "tidegate";
  /// A temporary slot gets a random end and dies with its connection (rule 28). A durable one is made by
  /// `setup`, keeps WAL while nobody reads it, and survives restarts: only with a log that does too.
  bool temporary_slot = true;
  /// Takes snapshots; false: the change stream alone, so that the role need not be let read any table, and
  /// one that hides rows from it is no matter.
  bool reads_rows = true;
  /// Lower-case letters, digits and `_`, at most 40 of them.
  std::string slot = "tidegate";
  /// Asked where the durable slot is not there: where it has been streamed from, if it has. Then it was
  /// dropped, and is made anew.
  std::function<std::optional<SourceIdentity>()> slot_known_at;
  /// All our connections carry it; no `synchronous_standby_names` may name it (rule 2).
  std::string application_name = "tidegate";

  /// What transactions that are being streamed hold in memory together; the largest goes on in a file of this
  /// directory, of which all together take no more than that (rule 6).
  std::size_t transaction_memory_bytes = std::size_t{64} << 20;
  std::string spill_directory = "/var/tmp";
  std::uint64_t spill_bytes_max = std::uint64_t{64} << 30;

  std::chrono::milliseconds connect_timeout{10'000};
  /// How long a snapshot waits for its table's lock behind an ALTER.
  std::chrono::milliseconds lock_timeout{2'000};
  /// No statement, and no snapshot, takes longer (rule 20).
  std::chrono::milliseconds statement_timeout{60'000};
  /// Feedback to the server at least this often; the server cuts a silent client after `wal_sender_timeout`.
  std::chrono::milliseconds status_interval{10'000};
  /// A server that says nothing for so long, though asked, is taken as out of reach until it speaks again;
  /// its connection is kept, for it may only stand still.
  std::chrono::milliseconds silence_max{5'000};
  /// `start` gives the reason why the slot is not there yet after so long; called again it goes on waiting.
  std::chrono::milliseconds slot_wait{60'000};
  /// Told meanwhile, once a second, what it waits for (rule 28). On the thread that calls `start`.
  std::function<void(const std::string&)> on_waiting;
  /// Told what an operator should know of though it was mended. On the stream's thread.
  std::function<void(const std::string&)> warn;
  /// Between two attempts to connect again, doubling from the first to the second.
  std::chrono::milliseconds reconnect_min{100};
  std::chrono::milliseconds reconnect_max{5'000};
  /// The stream is dropped where no second connection could be made for so long: a server that shuts down
  /// waits for our feedback, which waits for an answer that only that connection could bring.
  std::chrono::milliseconds aside_patience{5'000};
};

/// Whether a connection string itself holds a password; false where it can't be read.
bool names_password(const std::string& url);
/// The first line of a file; `unavailable` where it can't be read or is empty.
Result<std::string> read_password(const std::string& file);

}  // namespace tidegate::postgres
