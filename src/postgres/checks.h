#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace tidegate::postgres {

/// What must hold of server and role before a change stream can be had. Each function gives the first thing
/// that is wrong, as an Error (`denied`; `unavailable` for what passes by itself) that says exactly what to
/// type.

/// Version, primary, wal_level, synchronous_standby_names (rule 2).
Status check_server(Connection& connection, const Options& options);
/// The REPLICATION attribute.
Status check_role(Connection& connection);
/// The publication exists.
Status check_publication(Connection& connection, const Options& options);

/// Whether `synchronous_standby_names` would make a walsender of that application_name a synchronous standby.
bool names_standby(std::string_view synchronous_standby_names, std::string_view application_name);

/// A durable slot as pg_replication_slots shows it.
struct SlotState {
  NextByte confirmed = 0;
  std::optional<std::string> active_pid;
  std::string wal_status;
  /// It fell behind max_slot_wal_keep_size and its WAL is gone: it is good for nothing any more.
  [[nodiscard]] bool lost() const { return wal_status == "lost"; }
};
/// Nothing where there is none. `denied` where it is another database's or another plugin's.
/// From this server on a slot can be kept on standbys, too.
inline constexpr int kFailoverSlots = 170'000;

Result<std::optional<SlotState>> read_slot(Connection& connection, const std::string& slot);

/// Lower-case letters, digits, `_`, at most 40.
Status check_slot_name(std::string_view slot);

/// Warnings that don't stop anything: a durable slot without `max_slot_wal_keep_size`.
std::vector<std::string> slot_warnings(Connection& connection);

}  // namespace tidegate::postgres
