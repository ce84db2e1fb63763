#include "app/backend.h"

#include <chrono>
#include <utility>

#include "app/adapters.h"
#include "kafka/log.h"
#include "kafka/registry.h"
#include "log/memory_log.h"
#include "registry/direct_registry.h"

namespace tidegate::app {
namespace {

// How often the published tables are read again. Changes that the stream tells of reach the matcher at once;
// this is how soon new tables and columns can be subscribed to.
constexpr std::chrono::seconds kCatalogueInterval{2};

bool same_tables(const query::Catalogue& left, const query::Catalogue& right) {
  const auto& a = left.tables();
  const auto& b = right.tables();
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return *x == *y; });
}

/// Without tokens nobody has a tenant, for whom a part would have to be left.
feed::Options feed_options(const config::Settings& settings) {
  feed::Options options = settings.feed;
  if (settings.auth.mode == auth::Options::Mode::none) options.snapshot_tenant_percent = 100;
  return options;
}

}  // namespace

// ---- matching ----

Matching::Matching(Process process, source::Source& source, log::Log& log, registry::Registry& registry)
    : process_(process), source_(source), log_(log), registry_(registry) {}

Matching::~Matching() {
  stop();
}

Status Matching::start() {
  auto stream = source_.open_stream();
  if (!stream) return stream.error();
  stream_ = std::move(*stream);
  auto catalogue = source_.open_catalogue();
  if (!catalogue) return catalogue.error();
  catalogue_ = std::move(*catalogue);
  matcher_ = std::make_unique<matcher::Matcher>(
      matcher::Parts{*stream_, *catalogue_, log_, registry_, process_.clock, process_.metrics},
      process_.settings.matcher);
  if (Status started = matcher_->start(); !started) return started;
  started_ = true;
  const SourceIdentity& identity = stream_->identity();
  process_.logger.info(
      "matching", {{"system", identity.system}, {"database", identity.database}, {"slot", stream_->slot()}});
  thread_ = std::thread([this] {
    if (Status ended = matcher_->run(); !ended) process_.interrupts.fail(ended.error());
  });
  return {};
}

void Matching::stop() {
  if (matcher_) matcher_->stop();
  if (thread_.joinable()) thread_.join();
  if (stream_) stream_->stop();
}

Status Matching::ready() const {
  return started_ ? matcher_->ready() : Status(Error{Fault::unavailable, "starting"});
}

// ---- backend ----

Backend::Backend(Process process, std::vector<feed::ShardPort> shards, std::shared_ptr<Budget> memory,
                 OnCatalogue on_catalogue, std::function<void(const std::string&)> on_waiting)
    : process_(process),
      shards_(std::move(shards)),
      memory_(std::move(memory)),
      on_catalogue_(std::move(on_catalogue)),
      on_waiting_(std::move(on_waiting)) {}

Backend::~Backend() {
  stop();
}

Status Backend::open_parts() {
  const config::Settings& settings = process_.settings;
  const auto warn = [this](const std::string& message) { process_.logger.warning(message); };
  if (has_database(settings))
    source_ = make_source(settings, process_.clock, process_.metrics, on_waiting_, warn);
  if (has_kafka(settings)) {
    auto log = kafka::KafkaLog::open(kafka_options(settings));
    if (!log) return log.error();
    log_ = std::move(*log);
    if (!source_) return {};
    auto registry = kafka::KafkaRegistry::open(kafka_options(settings));
    if (!registry) return registry.error();
    registry_ = std::move(*registry);
    return {};
  }
  // One node: a new log, registry and slot a process, and so a new epoch (rule 28).
  log_ = std::make_unique<log::MemoryLog>(1, settings.feed.tail_bytes_max);
  registry_ = std::make_unique<registry::DirectRegistry>();
  matching_ = std::make_unique<Matching>(process_, *source_, *log_, *registry_);
  return matching_->start();
}

Status Backend::start_catalogue() {
  auto catalogue = source_->open_catalogue();
  if (!catalogue) return catalogue.error();
  catalogue_ = std::move(*catalogue);
  auto tables = catalogue_->read();
  if (!tables) return tables.error();
  process_.logger.info("catalogue read", {{"tables", std::to_string(tables->tables().size())}});
  publish(std::move(*tables));
  catalogue_thread_ = std::thread([this] { watch_catalogue(); });
  return {};
}

void Backend::publish(query::Catalogue tables) {
  for (const auto& table : tables.tables()) {
    if (!table->refusal.empty()) {
      process_.logger.warning("table not served",
                              {{"table", table->qualified()}, {"reason", table->refusal}});
    }
  }
  known_ = std::make_shared<const query::Catalogue>(std::move(tables));
  on_catalogue_(known_);
}

void Backend::watch_catalogue() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kCatalogueInterval, [this] { return stopping_; })) {
    lock.unlock();
    auto tables = catalogue_->read();
    if (tables && !same_tables(*known_, *tables)) publish(std::move(*tables));
    lock.lock();
  }
}

Status Backend::start() {
  if (Status opened = open_parts(); !opened) return opened;
  if (source_) {
    if (Status read = start_catalogue(); !read) return read;
  }
  feed_ = std::make_unique<feed::Feed>(
      feed::Parts{*log_, registry_.get(), source_.get(), process_.clock, process_.metrics, shards_, memory_,
                  [this](const std::string& message) { process_.logger.warning(message); }},
      feed_options(process_.settings));
  if (Status started = feed_->start(); !started) return started;
  feed_thread_ = std::thread([this] {
    if (Status ended = feed_->run(); !ended) process_.interrupts.fail(ended.error());
  });
  running_ = true;
  return {};
}

void Backend::stop() {
  running_ = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (catalogue_thread_.joinable()) catalogue_thread_.join();
  if (feed_) feed_->stop();
  if (feed_thread_.joinable()) feed_thread_.join();
  if (matching_) matching_->stop();
}

bool Backend::post(feed::Command command) {
  return running_ && feed_->post(std::move(command));
}

Status Backend::ready() const {
  if (!running_) return Error{Fault::unavailable, "starting"};
  if (Status feed = feed_->ready(); !feed) return feed;
  return matching_ ? matching_->ready() : Status();
}

}  // namespace tidegate::app
