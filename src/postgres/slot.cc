#include "postgres/slot.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/fence.h"
#include "postgres/checks.h"

namespace tidegate::postgres {
namespace {

/// Between two words about what the slot waits for.
constexpr std::chrono::milliseconds kTold{1'000};

}  // namespace

Result<TakenSlot> SlotTaker::take(const std::optional<SourceIdentity>& before, Large large) {
  if (!creating_) {
    connection_.reset();
    taken_ = {};
    if (const Status ready = prepare(before); !ready) return ready.error();
    if (options_.temporary_slot || absent_) {
      if (const Status sent = send_create(); !sent) return sent.error();
    }
  }
  if (creating_) {
    if (const Status created = await_created(); !created) return created.error();
  }
  if (const Status started = start_streaming(large); !started) return started.error();
  taken_.connection = connection_->release();
  connection_.reset();
  return std::move(taken_);
}

Status SlotTaker::prepare(const std::optional<SourceIdentity>& before) {
  if (const Status name = check_slot_name(options_.slot); !name) return name;
  auto ordinary = Connection::open(options_);
  if (!ordinary) return ordinary.error();
  for (const Status& check :
       {check_server(*ordinary, options_), check_role(*ordinary), check_publication(*ordinary, options_)}) {
    if (!check) return check;
  }
  const auto xmax = ordinary->query("select pg_snapshot_xmax(pg_current_snapshot())::text");
  if (!xmax) return xmax.error();
  taken_.reference = Xid(parse_u64(xmax->at(0)[0].value_or("")).value_or(0));

  // What was checked is true of this server alone.
  Options same = options_;
  same.server = server_of(ordinary->handle());
  auto opened = Connection::open(same, Purpose::replication);
  if (!opened) return opened.error();
  connection_.emplace(std::move(*opened));
  const auto system = connection_->simple("IDENTIFY_SYSTEM");
  if (!system) return system.error();
  const Cells& row = system->at(0);
  taken_.identity = {row[0].value_or(""),
                     static_cast<std::uint32_t>(parse_u64(row[1].value_or("")).value_or(0)),
                     row[3].value_or("")};
  return options_.temporary_slot ? Status() : find_durable(*ordinary, before);
}

void SlotTaker::made_anew(const std::string& why) {
  absent_ = true;
  if (!options_.warn) return;
  options_.warn("the replication slot " + options_.slot + " " + why +
                ": it is made anew, and every client gets a fresh snapshot");
}

Status SlotTaker::find_durable(Connection& ordinary, const std::optional<SourceIdentity>& before) {
  absent_ = false;
  const auto state = read_slot(ordinary, options_.slot);
  if (!state) return state.error();
  if (!*state) {
    const auto known_at = !before && options_.slot_known_at ? options_.slot_known_at() : before;
    if (known_at == taken_.identity) {
      made_anew("was dropped");
      return {};
    }
    return Error{Fault::not_found,
                 fmt::format("there is no replication slot {0}: tidegate setup --database postgres://… "
                             "--slot {0}",
                             options_.slot)};
  }
  if ((*state)->active_pid) {
    return Error{
        Fault::unavailable,
        fmt::format(
            "the replication slot {} is in use by server process {}: end the other matcher, or SELECT "
            "pg_terminate_backend({})",
            options_.slot, *(*state)->active_pid, *(*state)->active_pid)};
  }
  if ((*state)->lost()) {
    const auto dropped = ordinary.query("select pg_drop_replication_slot($1)", {options_.slot});
    if (!dropped) return dropped.error();
    made_anew("fell behind max_slot_wal_keep_size and lost its WAL");
    return {};
  }
  taken_.slot = options_.slot;
  taken_.confirmed = (*state)->confirmed;
  return {};
}

Status SlotTaker::send_create() {
  const bool temporary = options_.temporary_slot;
  taken_.slot = options_.slot;
  if (temporary) taken_.slot += "_" + hex_encode(std::to_string(random_u64() % 100'000'000));
  const bool failover = !temporary && connection_->server_version() >= kFailoverSlots;
  const std::string command = "CREATE_REPLICATION_SLOT " + quote_name(taken_.slot) +
                              (temporary ? " TEMPORARY" : "") + " LOGICAL pgoutput " +
                              (failover ? "(SNAPSHOT 'nothing', FAILOVER true)" : "NOEXPORT_SNAPSHOT");
  if (PQsendQuery(connection_->handle(), command.c_str()) == 0) {
    return Error{Fault::unavailable, "the connection to the database broke"};
  }
  creating_ = true;
  return {};
}

Status SlotTaker::await_created() {
  const Steady until = clock_.steady() + options_.slot_wait;
  PGconn* const connection = connection_->handle();
  while (PQisBusy(connection) != 0) {
    const Steady next = std::min(until, clock_.steady() + kTold);
    if (wait_readable_(PQsocket(connection), next)) {
      if (PQconsumeInput(connection) == 0) break;
      continue;
    }
    std::string reason = still_open();
    // Over, or stopped before its time.
    if (clock_.steady() < next || clock_.steady() >= until)
      return Error{Fault::unavailable, std::move(reason)};
    if (options_.on_waiting) options_.on_waiting(reason);
  }
  creating_ = false;
  absent_ = false;
  const ResultHandle result(PQgetResult(connection));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
    connection_->fail(result.get());
    return slot_error(connection_->failure());
  }
  taken_.confirmed = parse_position(cells_of(result.get(), 0).at(1).value_or("")).value_or(0);
  while (const ResultHandle rest{PQgetResult(connection)}) {
  }
  return {};
}

std::string SlotTaker::still_open() {
  std::string message = "the replication slot is not ready: it waits for transactions that are open";
  auto ordinary = Connection::open(options_);
  if (!ordinary) return message;
  const auto open = ordinary->query(
      "select pid, usename from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() "
      "order by xact_start limit 5");
  if (!open) return message;
  for (const Cells& row : *open) {
    message += ", server process " + row[0].value_or("") + " of " + row[1].value_or("an unknown role");
  }
  return message;
}

Status SlotTaker::start_streaming(Large large) {
  const std::string command = "START_REPLICATION SLOT " + quote_name(taken_.slot) +
                              " LOGICAL 0/0 (proto_version '2', streaming '" +
                              (large == Large::in_blocks ? "on" : "off") + "', publication_names " +
                              quote_literal(quote_name(options_.publication)) + ", messages 'true')";
  const ResultHandle result(PQexec(connection_->handle(), command.c_str()));
  if (PQresultStatus(result.get()) == PGRES_COPY_BOTH) return {};
  connection_->fail(result.get());
  return slot_error(connection_->failure());
}

Error SlotTaker::slot_error(const Failure& failure) const {
  if (failure.sqlstate == "55006") {
    return {Fault::unavailable, "the replication slot " + taken_.slot + " is in use by another process"};
  }
  if (failure.sqlstate == "53400") {
    return {Fault::denied,
            "all replication slots are taken: SELECT * FROM pg_replication_slots to see by whom, or ALTER "
            "SYSTEM SET max_replication_slots to more; then restart the server"};
  }
  if (failure.sqlstate == "42704") {
    return {Fault::lost, "the replication slot " + taken_.slot + " is gone"};
  }
  if (failure.sqlstate.empty()) return {Fault::unavailable, "the connection to the database broke"};
  return {Fault::unavailable,
          "the replication slot " + taken_.slot + " can't be read, SQLSTATE " + failure.sqlstate};
}

}  // namespace tidegate::postgres
