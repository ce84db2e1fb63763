#include "postgres/replication.h"

#include <libpq-fe.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "postgres/decoder.h"

namespace tidegate::postgres {
namespace {

using namespace std::chrono_literals;
constexpr std::string_view kInternalError = "XX000";
constexpr auto kFullSocketRetry = 100ms;  // a status that the kernel did not take yet

}  // namespace

ReplicationLink::ReplicationLink(ConnectionHandle connection, NextByte confirmed, const Options& options,
                                 const Clock& clock)
    : interval_(options.status_interval),
      clock_(clock),
      connection_(std::move(connection)),
      socket_(PQsocket(connection_.get())),
      written_(confirmed),
      flushed_(confirmed) {
  PQsetnonblocking(connection_.get(), 1);
  thread_ = std::thread([this] { feedback(); });
}

ReplicationLink::~ReplicationLink() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wanted_.notify_all();
  thread_.join();
}

Result<std::optional<std::string>> ReplicationLink::receive() {
  const std::lock_guard lock(libpq_);
  char* bytes = nullptr;
  int size = PQgetCopyData(connection_.get(), &bytes, 1);
  if (size == 0) {
    if (PQconsumeInput(connection_.get()) == 0)
      return Error{Fault::unavailable, "the change stream's connection broke"};
    size = PQgetCopyData(connection_.get(), &bytes, 1);
  }
  if (size == 0) return std::optional<std::string>();
  if (size < 0) {
    const ResultHandle result(PQgetResult(connection_.get()));
    const char* sqlstate = result ? PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) : nullptr;
    Error error{Fault::unavailable, "the server ended the change stream"};
    if (sqlstate != nullptr) error.message += ", SQLSTATE " + std::string(sqlstate);
    server_failed_ = sqlstate != nullptr && std::string_view(sqlstate) == kInternalError;
    if (server_failed_) error.message += ", an internal error of its own: its log says which";
    return error;
  }
  std::optional<std::string> frame(std::in_place, bytes, static_cast<std::size_t>(size));
  PQfreemem(bytes);
  return frame;
}

void ReplicationLink::received(NextByte position) {
  const std::lock_guard lock(mutex_);
  written_ = std::max(written_, position);
}

void ReplicationLink::confirm(NextByte position) {
  {
    const std::lock_guard lock(mutex_);
    if (position <= flushed_) return;
    flushed_ = position;
    written_ = std::max(written_, position);
    now_ = true;
  }
  wanted_.notify_one();
}

void ReplicationLink::reply_now() {
  {
    const std::lock_guard lock(mutex_);
    now_ = true;
  }
  wanted_.notify_one();
}

void ReplicationLink::ask() {
  {
    const std::lock_guard lock(mutex_);
    now_ = ask_ = true;
  }
  wanted_.notify_one();
}

void ReplicationLink::feedback() {
  auto pause = interval_;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wanted_.wait_for(lock, pause, [this] { return stop_ || now_; });
      if (stop_) return;
      now_ = false;
    }
    pause = send_status() ? interval_ : std::min<std::chrono::milliseconds>(interval_, kFullSocketRetry);
  }
}

bool ReplicationLink::send_status() {
  std::string status;
  {
    const std::lock_guard lock(mutex_);
    status = encode_status(written_, flushed_, unix_us(clock_.wall()), std::exchange(ask_, false));
  }
  const std::lock_guard lock(libpq_);
  // What does not fit stays with libpq or is said again; a broken connection is the reader's to notice.
  const int put = PQputCopyData(connection_.get(), status.data(), static_cast<int>(status.size()));
  return put != 0 && PQflush(connection_.get()) != 1;
}

}  // namespace tidegate::postgres
