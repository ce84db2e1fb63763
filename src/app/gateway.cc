#include "app/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace tidegate::app {
namespace {

constexpr std::chrono::seconds kRetry{1};

}  // namespace

Routes status_routes(Process process, std::function<Status()> ready) {
  Routes routes;
  routes["/healthz"] = [](const session::HttpRequest&) {
    return session::HttpAnswer{200, "text/plain", "ok\n"};
  };
  routes["/readyz"] = [ready = std::move(ready)](const session::HttpRequest&) {
    const Status status = ready();
    if (status) return session::HttpAnswer{200, "text/plain", "ready\n"};
    return session::HttpAnswer{503, "text/plain", "not ready: " + status.error().message + "\n"};
  };
  routes["/metrics"] = [process](const session::HttpRequest&) {
    return session::HttpAnswer{200, "text/plain; version=0.0.4", process.metrics.text()};
  };
  return routes;
}

Gateway::Gateway(Process process, Routes extra_routes, std::shared_ptr<auth::KeyRing> keys,
                 std::shared_ptr<transport::Credentials> credentials)
    : process_(process),
      keys_(std::move(keys)),
      credentials_(std::move(credentials)),
      memory_(std::make_shared<Budget>(process.settings.memory_budget)),
      policies_(std::make_shared<const policy::Options>(process.settings.policy)) {
  Routes routes = status_routes(process, [this] { return ready(); });
  routes.merge(extra_routes);
  session::Parts parts{
      process.clock,     process.metrics, [this](feed::Command command) { return post(std::move(command)); },
      std::move(routes), memory_,         keys_,
      credentials_};
  const config::Settings& settings = process.settings;
  edge_ = std::make_unique<session::Edge>(std::move(parts), settings.session, settings.hub, settings.auth);
}

Gateway::~Gateway() {
  stop();
}

bool Gateway::post(feed::Command command) {
  const std::shared_lock lock(mutex_);
  return backend_ && backend_->post(std::move(command));
}

Status Gateway::ready() const {
  if (keys_) {
    if (Status keys = keys_->ready(); !keys) return keys;
  }
  const std::shared_lock lock(mutex_);
  return backend_ ? backend_->ready() : Status(Error{Fault::unavailable, waiting_});
}

Status Gateway::listen() {
  if (Status started = edge_->start(); !started) return started;
  const std::string& host = process_.settings.session.address;
  const bool brackets = host.find(':') != std::string::npos;
  const bool tls = !process_.settings.tls.certificate.empty();
  process_.logger.info(fmt::format("listening on {}:{}{}", brackets ? "[" + host + "]" : host, edge_->port(),
                                   tls ? ", with TLS" : ""));
  return {};
}

Status Gateway::start_backend() {
  auto backend = std::make_shared<Backend>(
      process_, edge_->ports(), memory_,
      [this](auto catalogue) {
        const std::lock_guard lock(access_mutex_);
        catalogue_ = std::move(catalogue);
        give_access();
      },
      [this](const std::string& reason) { waits_for(reason); });
  if (Status started = backend->start(); !started) return started;
  const std::unique_lock lock(mutex_);
  backend_ = std::move(backend);
  return {};
}

/// To the shards, and what an operator has to mend, once, to the log. Under access_mutex_.
void Gateway::give_access() {
  if (!catalogue_) return;
  auto access = std::make_shared<const policy::Access>(catalogue_, policies_);
  for (const std::string& fault : access->faults()) {
    if (std::find(faults_.begin(), faults_.end(), fault) == faults_.end())
      process_.logger.error("a policy does not fit; its table does not exist for clients",
                            {{"reason", fault}});
  }
  faults_ = access->faults();
  edge_->set_access(std::move(access));
}

Status Gateway::reload() {
  if (credentials_) credentials_->reload();
  Status read = process_.settings.config_file.empty() ? Status() : read_policies();
  if (!read) process_.logger.error("configuration not reloaded", {{"reason", read.error().message}});
  return read;
}

Status Gateway::read_policies() {
  const auto settings = process_.read_settings();
  if (!settings) return settings.error();
  for (const std::string& name : config::changed_settings(process_.settings, *settings)) {
    process_.logger.warning("a changed setting needs a restart", {{"setting", name}});
  }
  const std::lock_guard lock(access_mutex_);
  const bool changed = !(*policies_ == settings->policy);
  process_.logger.info("configuration reloaded", {{"tables", changed ? "changed" : "as before"}});
  if (!changed) return {};
  policies_ = std::make_shared<const policy::Options>(settings->policy);
  give_access();
  return {};
}

policy::Options Gateway::policies() const {
  const std::lock_guard lock(access_mutex_);
  return *policies_;
}

/// For /readyz, and once for the log.
void Gateway::waits_for(const std::string& reason) {
  const std::unique_lock lock(mutex_);
  if (waiting_ == reason) return;
  waiting_ = reason;
  process_.logger.warning("waiting", {{"reason", reason}});
}

Status Gateway::run(bool again) {
  for (;;) {
    Status started = start_backend();
    if (started) break;
    const Fault fault = started.error().fault;
    if (fault != Fault::unavailable && !(again && fault == Fault::not_found)) return started;
    waits_for(started.error().message);
    Status waited = process_.interrupts.wait(kRetry);
    if (waited) return {};
    if (!waited.error().message.empty()) return waited;
  }
  process_.logger.info("ready");
  return process_.interrupts.wait();
}

void Gateway::stop() {
  edge_->stop();
  std::shared_ptr<Backend> backend;
  {
    const std::unique_lock lock(mutex_);
    backend = std::move(backend_);
  }
  if (backend) backend->stop();
}

}  // namespace tidegate::app
