#include "app/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <utility>

#include "config/values.h"

namespace tidegate::app {
namespace {

constexpr std::chrono::seconds kRetry{1};
constexpr std::chrono::seconds kAnswer{5};  // of the feed, to an operator

/// Ok where the time is over or a signal came.
Status paused(Interrupts& interrupts, std::chrono::milliseconds time) {
  Status waited = interrupts.wait(time);
  return waited || waited.error().message.empty() ? Status() : waited;
}

}  // namespace

std::string place(const std::string& address, std::uint16_t port) {
  const bool brackets = address.find(':') != std::string::npos;
  return fmt::format("{}:{}", brackets ? "[" + address + "]" : address, port);
}

Gateway::Gateway(Process process, Routes extra_routes, Lasting lasting)
    : process_(process),
      lasting_(std::move(lasting)),
      memory_(std::make_shared<Budget>(process.settings.memory_budget)),
      policies_(std::make_shared<const policy::Options>(process.settings.policy)) {
  Routes routes = admin::public_routes([this] { return ready(); });
  routes.merge(extra_routes);
  session::Parts parts{process.clock,
                       process.metrics,
                       [this](feed::Command command) { return post(std::move(command)); },
                       std::move(routes),
                       memory_,
                       lasting_.keys,
                       lasting_.credentials,
                       lasting_.revocations ? lasting_.revocations->revocations() : nullptr};
  const config::Settings& settings = process.settings;
  edge_ = std::make_unique<session::Edge>(std::move(parts), settings.session, settings.hub, settings.auth);
  if (lasting_.revocations) {
    lasting_.revocations->revocations()->on_added([this](const auto& one) { edge_->revoke(one); });
  }
  admin_ = std::make_unique<admin::Surface>(
      settings.admin, admin_calls(), process.clock,
      config::is_loopback(settings.admin.address) ? nullptr : lasting_.credentials);
}

Gateway::~Gateway() {
  stop();
  if (lasting_.revocations) lasting_.revocations->revocations()->on_added({});
}

admin::Calls Gateway::admin_calls() {
  admin::Calls calls;
  calls.ready = [this] { return ready(); };
  calls.metrics = [this] { return process_.metrics.text(); };
  calls.connections = [this](const auto& which, std::size_t max) { return edge_->connections(which, max); };
  calls.disconnect = [this](const auto& which) { return edge_->disconnect(which); };
  calls.query = [this](const QueryHash& query) { return inspect(query); };
  if (lasting_.revocations)
    calls.revoke = [this](auth::Revocation one) { return lasting_.revocations->revoke(std::move(one)); };
  calls.reload = [this] { return reload(); };
  return calls;
}

Result<feed::ChannelView> Gateway::inspect(const QueryHash& query) {
  using Answer = std::optional<feed::ChannelView>;
  const auto answer = std::make_shared<std::promise<Answer>>();
  auto given = answer->get_future();
  if (!post(feed::InspectCommand{query, [answer](Answer view) { answer->set_value(std::move(view)); }}))
    return Error{Fault::unavailable, "the gateway is not ready, or busy: try again"};
  if (given.wait_for(kAnswer) != std::future_status::ready)
    return Error{Fault::unavailable, "the feed did not answer in time: try again"};
  auto view = given.get();
  if (!view) return Error{Fault::not_found, "no client of this gateway has that query"};
  return std::move(*view);
}

bool Gateway::post(feed::Command command) {
  const std::shared_lock lock(mutex_);
  return backend_ && backend_->post(std::move(command));
}

Status Gateway::ready() const {
  if (lasting_.keys) {
    if (Status keys = lasting_.keys->ready(); !keys) return keys;
  }
  if (lasting_.revocations) {
    if (Status read = lasting_.revocations->revocations()->ready(); !read) return read;
  }
  const std::shared_lock lock(mutex_);
  return backend_ ? backend_->ready() : Status(Error{Fault::unavailable, waiting_});
}

Status Gateway::listen() {
  if (Status started = edge_->start(); !started) return started;
  if (Status started = admin_->start(); !started) return started;
  const bool tls = !process_.settings.tls.certificate.empty();
  process_.logger.info(fmt::format(
      "listening on {}{}", place(process_.settings.session.address, edge_->port()), tls ? ", with TLS" : ""));
  process_.logger.info("operators at " + place(process_.settings.admin.address, admin_->port()));
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
  if (lasting_.credentials) lasting_.credentials->reload();
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
  if (changed) {
    policies_ = std::make_shared<const policy::Options>(settings->policy);
    give_access();
  }
  // Last: whoever reads it and then subscribes meets the tables of now.
  process_.logger.info("configuration reloaded", {{"tables", changed ? "changed" : "as before"}});
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

Status Gateway::run(const std::optional<Anew>& anew) {
  if (anew && anew->pause.count() > 0) {
    waits_for(anew->reason);
    Status waited = paused(process_.interrupts, anew->pause);
    if (!waited || process_.interrupts.signalled()) return waited;
  }
  for (;;) {
    Status started = start_backend();
    if (started) break;
    const Fault fault = started.error().fault;
    if (fault != Fault::unavailable && !(anew && fault == Fault::not_found)) return started;
    waits_for(started.error().message);
    Status waited = paused(process_.interrupts, kRetry);
    if (!waited || process_.interrupts.signalled()) return waited;
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
  admin_->stop();
}

}  // namespace tidegate::app
