#include "postgres/snapshot.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>

#include "base/fault_point.h"
#include "postgres/aside.h"
#include "postgres/lsn.h"
#include "postgres/refusal.h"
#include "postgres/tables.h"

namespace tidegate::postgres {
namespace {

/// Of the key's columns, in its order.
std::vector<std::string> names_of(const query::TableSchema& table) {
  std::vector<std::string> names;
  for (const int column : table.key) names.push_back(table.columns[static_cast<std::size_t>(column)].name);
  return names;
}

bool is_class(const Failure& failure, std::string_view sqlstate_class) {
  return failure.sqlstate.compare(0, sqlstate_class.size(), sqlstate_class) == 0;
}

}  // namespace

Status SnapshotSession::read(const query::Query& query, source::SnapshotSink& sink) {
  const Status done = read_once(query, sink);
  if (done) {
    probe_.snapshot_read();
  } else {
    probe_.snapshot_failed();
  }
  return done;
}

Status SnapshotSession::read_once(const query::Query& query, source::SnapshotSink& sink) {
  const query::TableSchema& table = query.table();
  if (const Status open = open_transaction(table); !open) return open;
  fault_point("snapshot.locked");
  auto info = read_fence();
  Status status = info ? Status() : Status(info.error());
  if (status) {
    auto bound = bind_now(query);
    if (!bound) status = bound.error();
    if (bound) info->query = std::move(*bound);
  }
  fault_point("snapshot.begun");
  if (status && sink.begin(*info)) {
    status = read_rows(info->query->to_sql(), info->query->table().columns.size(), sink);
    if (!status && connection_ && !connection_->failure().sqlstate.empty()) {
      status = explain(connection_->failure(), table);
    }
  }
  fault_point("snapshot.rows_read");
  if (connection_ && !connection_->simple("ROLLBACK")) connection_.reset();  // nothing was written
  if (status && connection_) status = make_durable(info->fence.until);
  return status;
}

/// Rule 17: what the fence says must outlive the server. A crash may take back WAL that is not written out:
/// then the numbers of transactions that had ended are given out again, at or below H, and the filter would
/// take their commits for those that the snapshot has seen.
Status SnapshotSession::make_durable(Lsn until) {
  const auto flushed = connection_->query("select pg_current_wal_flush_lsn()");
  if (!flushed) return flushed.error();
  const auto position = parse_position(flushed->at(0)[0].value_or(""));
  if (position && inclusive(*position) >= until) return {};
  const auto written = connection_->query(kFlush);
  return written ? Status() : Status(written.error());
}

Status SnapshotSession::open_transaction(const query::TableSchema& table) {
  if (connection_ && connection_->usable()) {
    Status begun = begin(table);
    if (begun || connection_->usable()) return begun;  // else the server went away since the last snapshot
  }
  connection_.reset();
  auto opened = Connection::open(options_);
  if (!opened) return opened.error();
  connection_.emplace(std::move(*opened));
  return begin(table);
}

Status SnapshotSession::begin(const query::TableSchema& table) {
  // The lock comes before the first query, which takes the snapshot: else a TRUNCATE between the two empties
  // a table that the snapshot holds to be full (rule 17).
  const auto locked = connection_->simple(
      fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; SET LOCAL "
                  "lock_timeout = "
                  "{}; SET LOCAL statement_timeout = {}; LOCK TABLE {} IN ACCESS SHARE MODE",
                  options_.lock_timeout.count(), options_.statement_timeout.count(), quoted(table)));
  if (locked) return {};
  const Error why = explain(connection_->failure(), table);
  if (connection_->usable()) (void)connection_->simple("ROLLBACK");
  return why;
}

Result<source::SnapshotInfo> SnapshotSession::read_fence() {
  // The first statement, so that its snapshot is the transaction's. What it sees was committed before H was
  // read.
  const auto rows = connection_->query(
      "select pg_current_snapshot()::text, case when not pg_is_in_recovery() then "
      "pg_current_wal_insert_lsn() end");
  if (!rows) return rows.error();
  if (!rows->at(0)[1]) {
    return Error{Fault::unavailable, "the database is a replica: snapshots must be taken on the primary"};
  }
  const auto visible = visibility_of(rows->at(0));
  if (!visible) return visible.error();
  auto identity = read_identity(*connection_);
  if (!identity) return identity.error();
  return source::SnapshotInfo{Fence{visible->inserted, visible->snapshot}, std::move(*identity)};
}

Result<std::shared_ptr<const query::Query>> SnapshotSession::bind_now(const query::Query& query) {
  const query::TableSchema& table = query.table();
  auto now = describe_table(*connection_, options_.publication, table.schema, table.name);
  if (!now) return now.error();
  const Error lost{Fault::lost, "the table " + table.qualified() + " has changed its columns or its key"};
  if (!*now || (*now)->table.relation != table.relation) return lost;
  if (!(*now)->table.refusal.empty()) return Error{Fault::denied, (*now)->table.refusal};
  auto shape = std::make_shared<const query::TableSchema>(std::move((*now)->table));
  auto bound = query::Query::from_canonical(query.canonical(), query::Catalogue({std::move(shape)}));
  if (!bound) return lost;
  // Rows are told apart by their key: what a client holds by another one it must drop.
  if (names_of((*bound)->table()) != names_of(table)) return lost;
  return bound;
}

Status SnapshotSession::read_rows(const query::SqlText& sql, std::size_t columns,
                                  source::SnapshotSink& sink) {
  std::vector<const char*> values;
  for (const std::string& parameter : sql.parameters) values.push_back(parameter.c_str());
  PGconn* const connection = connection_->handle();
  if (PQsendQueryParams(connection, sql.text.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                        nullptr, nullptr, 0) == 0 ||
      PQsetSingleRowMode(connection) == 0) {
    return Error{Fault::unavailable, "the connection to the database broke"};
  }
  return pump(columns, sink);
}

Status SnapshotSession::pump(std::size_t columns, source::SnapshotSink& sink) {
  const Steady until = clock_.steady() + options_.statement_timeout;
  query::Row row;
  Status status;
  while (const ResultHandle result{PQgetResult(connection_->handle())}) {
    const ExecStatusType kind = PQresultStatus(result.get());
    if (kind == PGRES_TUPLES_OK) continue;  // the end
    if (kind != PGRES_SINGLE_TUPLE) {
      status = connection_->fail(result.get());
      continue;
    }
    if (static_cast<std::size_t>(PQnfields(result.get())) != columns) {
      cut_off();
      return Error{Fault::lost, "the query gives other columns than the table has"};
    }
    row = cells_of(result.get(), 0);
    if (!sink.row(row)) {
      cut_off();
      return {};
    }
    if (clock_.steady() >= until) {
      cut_off();
      return Error{Fault::unavailable,
                   fmt::format("the snapshot took longer than {} ms", options_.statement_timeout.count())};
    }
  }
  return status;
}

void SnapshotSession::cut_off() {
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(connection_->handle()),
                                                                  PQfreeCancel);
  char why[256];
  if (cancel) PQcancel(cancel.get(), why, sizeof why);
  connection_.reset();
}

Error SnapshotSession::explain(const Failure& failure, const query::TableSchema& table) const {
  const std::string name = table.qualified();
  if (failure.sqlstate.empty() || is_class(failure, "57P") || is_class(failure, "08")) {
    return {Fault::unavailable, "the connection to the database broke"};
  }
  if (failure.sqlstate == "42501") {
    return {Fault::denied, "the database role may not read all of " + name};
  }
  if (failure.sqlstate == "42P01" || failure.sqlstate == "42703" || failure.sqlstate == "3F000") {
    return {Fault::lost, "the table " + name + " is not there any more"};
  }
  if (failure.sqlstate == "55P03") {
    return {Fault::unavailable, fmt::format("the table {} is locked, for longer than {} ms", name,
                                            options_.lock_timeout.count())};
  }
  if (failure.sqlstate == "57014") {
    return {Fault::unavailable,
            fmt::format("reading {} took longer than {} ms", name, options_.statement_timeout.count())};
  }
  return {Fault::unavailable, "reading " + name + " failed, SQLSTATE " + failure.sqlstate};
}

}  // namespace tidegate::postgres
