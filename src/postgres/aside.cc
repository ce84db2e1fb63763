#include "postgres/aside.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>

#include "postgres/lsn.h"

namespace tidegate::postgres {
namespace {

constexpr const char* kVisibility = "select pg_current_snapshot()::text, pg_current_wal_insert_lsn()";
constexpr std::chrono::seconds kHealthInterval{10};
constexpr const char* kHealth =
    "select coalesce(wal_status, 'lost'), safe_wal_size, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), "
    "restart_lsn), 0)::bigint from pg_replication_slots where slot_name = $1 union all select '', null, 0 "
    "limit 1";

std::int64_t signed_of(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

SlotHealth health_of(const Cells& row) {
  SlotHealth health{row.at(0).value_or(""), std::nullopt, signed_of(row.at(2).value_or("0"))};
  if (row[1]) health.safe_bytes = signed_of(*row[1]);
  return health;
}

}  // namespace

Result<source::Visibility> visibility_of(const Cells& row) {
  if (row.size() == 2 && row[0] && row[1]) {
    auto snapshot = XidSnapshot::parse(*row[0]);
    const auto position = parse_position(*row[1]);
    if (snapshot && position) return source::Visibility{std::move(*snapshot), inclusive(*position)};
  }
  return Error{Fault::fatal, "the server's snapshot or WAL position can't be read"};
}

std::optional<source::Visibility> Aside::step() {
  if (state_ == State::closed && (wanted() || health_due()) && clock_.steady() >= retry_at_) connect();
  if (state_ == State::connecting) go_on_connecting();
  std::optional<source::Visibility> found;
  if (asking()) found = read_answer();
  if (state_ == State::idle && (wanted() || health_due())) send_next();
  return found;
}

void Aside::connect() {
  const auto parameters = connection_parameters(options_, Purpose::ordinary);
  if (!parameters) return broken();
  const ParameterArrays arrays(*parameters);
  connection_.reset(PQconnectStartParams(arrays.names.data(), arrays.values.data(), 0));
  if (!connection_ || PQstatus(connection_.get()) == CONNECTION_BAD) return broken();
  silence_notices(connection_.get());
  give_up_at_ = clock_.steady() + options_.connect_timeout;
  events_ = POLLOUT;
  state_ = State::connecting;
}

void Aside::go_on_connecting() {
  pollfd ready{PQsocket(connection_.get()), events_, 0};
  if (::poll(&ready, 1, 0) == 0) {
    if (clock_.steady() >= give_up_at_) broken();
    return;
  }
  switch (PQconnectPoll(connection_.get())) {
    case PGRES_POLLING_READING:
      events_ = POLLIN;
      break;
    case PGRES_POLLING_WRITING:
      events_ = POLLOUT;
      break;
    case PGRES_POLLING_OK:
      PQsetnonblocking(connection_.get(), 1);
      events_ = POLLIN;
      failing_since_.reset();
      state_ = State::idle;
      break;
    default:
      broken();
  }
}

void Aside::send_next() {
  int sent = 0;
  if (wanted()) {
    state_ = visibility_wanted_ ? State::asking_visibility : State::nudging;
    sent = PQsendQuery(connection_.get(), visibility_wanted_ ? kVisibility : kFlush);
  } else {
    state_ = State::asking_health;
    const char* const slot = slot_.c_str();
    sent = PQsendQueryParams(connection_.get(), kHealth, 1, nullptr, &slot, nullptr, nullptr, 0);
  }
  // A few bytes into an empty socket.
  if (sent == 0 || PQflush(connection_.get()) != 0) broken();
}

std::optional<source::Visibility> Aside::read_answer() {
  if (PQconsumeInput(connection_.get()) == 0) {
    broken();
    return std::nullopt;
  }
  while (PQisBusy(connection_.get()) == 0) {
    ResultHandle result(PQgetResult(connection_.get()));
    if (result) {
      answer_ = std::move(result);
      continue;
    }
    // The answer is complete. A failed one is asked again on a new connection.
    const ResultHandle answer = std::move(answer_);
    if (PQresultStatus(answer.get()) == PGRES_TUPLES_OK && PQntuples(answer.get()) == 1) {
      return answered(cells_of(answer.get(), 0));
    }
    broken();
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<source::Visibility> Aside::answered(const Cells& row) {
  switch (std::exchange(state_, State::idle)) {
    case State::asking_visibility: {
      visibility_wanted_ = false;
      auto found = visibility_of(row);
      if (found) return std::move(*found);
      broken();
      break;
    }
    case State::nudging:
      nudge_wanted_ = false;
      break;
    default:
      health_ = health_of(row);
      health_at_ = clock_.steady() + kHealthInterval;
  }
  return std::nullopt;
}

void Aside::broken() {
  connection_.reset();
  answer_.reset();
  state_ = State::closed;
  const Steady now = clock_.steady();
  retry_at_ = now + options_.reconnect_min;
  health_at_ = now + kHealthInterval;  // the stream does not depend on it
  if (wanted() && !failing_since_) failing_since_ = now;
}

void Aside::disconnect() {
  connection_.reset();
  answer_.reset();
  state_ = State::closed;
  failing_since_.reset();
}

std::optional<pollfd> Aside::interest() const {
  if (state_ == State::closed || !connection_) return std::nullopt;
  return pollfd{PQsocket(connection_.get()), events_, 0};
}

std::optional<Steady> Aside::due() const {
  if (state_ == State::connecting) return give_up_at_;
  if (state_ == State::closed && wanted()) return retry_at_;
  if (asking() || slot_.empty()) return std::nullopt;
  return state_ == State::closed ? std::max(retry_at_, health_at_) : health_at_;
}

}  // namespace tidegate::postgres
