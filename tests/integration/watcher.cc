#include "integration/watcher.h"

#include "integration/reference.h"

namespace tidegate::test {

namespace {

std::string subscribe_text(const std::string& query, const std::string& frames) {
  const std::string how = frames.empty() ? "" : R"("frames":")" + frames + R"(",)";
  return R"({"op":"subscribe","hashId":"q",)" + how + query;
}

}  // namespace

Watcher::Watcher(client::Loop& loop, int port, std::string query, std::string frames,
                 int receive_buffer_bytes, bool paused, std::string token)
    : loop_(loop),
      subscribe_(subscribe_text(query, frames)),
      receive_buffer_bytes_(receive_buffer_bytes),
      token_(std::move(token)),
      replica_("q", true) {
  connect(port, paused);
}

void Watcher::reconnect(int port) {
  close();
  {
    const std::lock_guard lock(mutex_);
    replica_.resubscribed();
    fault_.clear();
  }
  connect(port);
}

void Watcher::close() {
  {
    const std::lock_guard lock(mutex_);
    connected_ = false;  // handlers touch the client no more
  }
  client_.reset();
}

void Watcher::pause() {
  client_->pause_reading();
}

void Watcher::resume() {
  client_->resume_reading();
}

std::string Watcher::subscribe_message() const {
  const std::string cursor = replica_.cursor_json();
  return subscribe_ + (cursor.empty() ? "" : R"(,"cursor":)" + cursor) + "}";
}

void Watcher::on_text(std::string_view text) {
  const std::lock_guard lock(mutex_);
  replica_.on_text(text);
  if (text.starts_with(R"({"op":"status")")) {
    if (text.find(R"("waiting":)") != std::string_view::npos) ++waits_;
    if (text.find(R"("stale_since":)") != std::string_view::npos) ++stales_;
  }
  if (connected_ && replica_.error_code() == "unavailable" && text.starts_with(R"({"op":"error")")) {
    ++refusals_;
    replica_.resubscribed();
    client_->send_text(subscribe_message());
  }
  received();
}

void Watcher::connect(int port, bool paused) {
  client::Settings settings;
  settings.port = static_cast<std::uint16_t>(port);
  settings.subprotocols = {"tidegate.v1"};
  settings.receive_buffer_bytes = receive_buffer_bytes_;
  if (!token_.empty()) settings.headers = {{"Authorization", "Bearer " + token_}};
  client::Handlers handlers;
  handlers.on_text = [this](std::string_view text) { on_text(text); };
  handlers.on_binary = [this](std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    replica_.on_binary(bytes);
    received();
  };
  handlers.on_close = [this](std::uint16_t code) {
    const std::lock_guard lock(mutex_);
    fault_ = "closed with " + std::to_string(code);
    changed_.notify_all();
  };
  handlers.on_error = [this](const client::Failure& failure) {
    const std::lock_guard lock(mutex_);
    fault_ = failure.message + " " + failure.body;
    changed_.notify_all();
  };
  std::string subscribe;
  {
    const std::lock_guard lock(mutex_);
    subscribe = subscribe_message();
    connected_ = true;
  }
  client_ = std::make_unique<client::Client>(loop_, std::move(settings), std::move(handlers));
  if (paused) client_->pause_reading();
  client_->send_text(std::move(subscribe));
}

void Watcher::received() {
  const std::string& error = replica_.error_code();
  if (!error.empty() && error != "unavailable") fault_ = "error " + error;
  if (replica_.whole() && replica_.counts().snapshots > snapshots_) {
    snapshots_ = replica_.counts().snapshots;
    diffs_ = replica_.counts().diffs;
    Span span;
    if (replica_.cursor()) {
      span.fence = replica_.cursor()->fence;
      span.epoch = replica_.cursor()->epoch;
    }
    span.fingerprint = fingerprint(replica_.rows());
    spans_.push_back(std::move(span));
  } else if (replica_.whole() && replica_.counts().diffs > diffs_) {
    diffs_ = replica_.counts().diffs;
    spans_.back().diffs.push_back({replica_.last_diff().value_or(Lsn()), fingerprint(replica_.rows())});
  }
  changed_.notify_all();
}

bool Watcher::wait_for(std::uint64_t wanted, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const auto reached = [&] { return replica_.whole() && fingerprint(replica_.rows()) == wanted; };
  changed_.wait_for(lock, timeout, [&] { return !fault_.empty() || reached(); });
  return reached();
}

bool Watcher::wait_whole(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return replica_.whole(); });
}

std::vector<Watcher::Span> Watcher::spans() const {
  const std::lock_guard lock(mutex_);
  return spans_;
}

client::ReplicaCounts Watcher::counts() const {
  const std::lock_guard lock(mutex_);
  return replica_.counts();
}

std::map<std::string, std::string> Watcher::rows() const {
  const std::lock_guard lock(mutex_);
  return replica_.rows();
}

std::optional<protocol::Cursor> Watcher::cursor() const {
  const std::lock_guard lock(mutex_);
  return replica_.cursor();
}

bool Watcher::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return replica_.acknowledged();
}

bool Watcher::resumed() const {
  const std::lock_guard lock(mutex_);
  return replica_.acknowledged() && replica_.resumed();
}

std::string Watcher::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

std::string Watcher::standing() const {
  const std::lock_guard lock(mutex_);
  const auto counts = replica_.counts();
  return std::string(replica_.acknowledged() ? "acknowledged, " : "not acknowledged, ") +
         (replica_.whole() ? "whole, " : "not whole, ") + std::to_string(counts.snapshots) + " snapshots, " +
         std::to_string(counts.diffs) + " diffs, " + std::to_string(refusals_) + " refusals, " +
         std::to_string(waits_) + " waits, at " + std::to_string(replica_.version().value()) +
         (fault_.empty() ? "" : ", " + fault_);
}

int Watcher::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

int Watcher::stales() const {
  const std::lock_guard lock(mutex_);
  return stales_;
}

int Watcher::waits() const {
  const std::lock_guard lock(mutex_);
  return waits_;
}

}  // namespace tidegate::test
