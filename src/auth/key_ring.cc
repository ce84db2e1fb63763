#include "auth/key_ring.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tidegate::auth {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 1s;  // at files

}  // namespace

KeyRing::KeyRing(const Options& options, Fetch fetch, Voice voice, const Clock& clock,
                 metrics::Registry& metrics)
    : fetch_(std::move(fetch)),
      voice_(std::move(voice)),
      clock_(clock),
      probe_(metrics),
      schedule_(options.jwks_refresh, options.jwks_cooldown) {}

KeyRing::~KeyRing() = default;  // the thread's own destructor stops and joins it

Result<std::unique_ptr<KeyRing>> KeyRing::open(const Options& options, Fetch fetch, Voice voice,
                                               const Clock& clock, metrics::Registry& metrics) {
  std::unique_ptr<KeyRing> ring(new KeyRing(options, std::move(fetch), std::move(voice), clock, metrics));
  if (!options.secret.empty()) {
    auto key = Key::of_secret(options.secret);
    if (!key) return key.error();
    ring->fixed_.push_back(std::move(*key));
  }
  if (auto opened = ring->open_sources(options); !opened) return opened.error();
  ring->publish();
  if (ring->follows()) {
    ring->running_ = true;
    ring->thread_ = std::jthread([raw = ring.get()](const std::stop_token& stop) { raw->run(stop); });
  }
  return ring;
}

Status KeyRing::open_sources(const Options& options) {
  for (const std::string& path : options.public_key_files) {
    sources_.emplace_back(KeySource::Kind::pem_file, path);
  }
  if (!options.jwks.empty()) {
    const bool url = is_url(options.jwks);
    sources_.emplace_back(url ? KeySource::Kind::jwks_url : KeySource::Kind::jwks_file, options.jwks);
  }
  troubles_.resize(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].is_url()) continue;
    files_ = true;
    if (!load(i, {})) return Error{Fault::invalid, troubles_[i]};
  }
  return {};
}

std::shared_ptr<const KeySet> KeyRing::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Status KeyRing::ready() const {
  const std::lock_guard lock(mutex_);
  if (waits_for_.empty()) return {};
  return Error{Fault::unavailable, waits_for_};
}

void KeyRing::want() {
  {
    const std::lock_guard lock(mutex_);
    schedule_.want();
  }
  changed_.notify_all();
}

void KeyRing::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look_at_files(stop);
    fetch_if_due(stop);
    wait(stop);
  }
}

void KeyRing::look_at_files(const std::stop_token& stop) {
  bool news = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].changed()) news = load(i, stop) || news;
  }
  if (news) publish();
}

void KeyRing::fetch_if_due(const std::stop_token& stop) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (!sources_[i].is_url()) continue;
    {
      const std::lock_guard lock(mutex_);
      if (clock_.steady() < schedule_.due()) return;
      schedule_.began();
    }
    const bool ok = load(i, stop);
    {
      const std::lock_guard lock(mutex_);
      schedule_.ended(clock_.steady(), ok);
    }
    publish();
  }
}

bool KeyRing::load(std::size_t index, const std::stop_token& stop) {
  KeySource& source = sources_[index];
  const std::vector<std::string> ignored_before = source.ignored();
  const Status loaded = source.load(fetch_, stop);
  if (stop.stop_requested()) return false;
  std::string& trouble = troubles_[index];
  if (!loaded) {
    probe_.load_failed();
    // Once an outage, not once an attempt.
    if (std::exchange(trouble, loaded.error().message) != loaded.error().message && running_) {
      voice_.warning(loaded.error().message + (source.loaded() ? "; the earlier ones stay" : ""));
    }
    return false;
  }
  probe_.loaded();
  if (!std::exchange(trouble, {}).empty())
    voice_.info(fmt::format("the keys of `{}` are there again", source.place()));
  if (!source.ignored().empty() && source.ignored() != ignored_before) {
    voice_.warning(fmt::format("the keys of `{}`: {} can be used; ignored: {}", source.place(),
                               source.keys().size(), fmt::join(source.ignored(), "; ")));
  }
  return true;
}

void KeyRing::publish() {
  auto all = std::make_shared<KeySet>(fixed_);
  std::string waits_for;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const KeySet& keys = sources_[i].keys();
    all->insert(all->end(), keys.begin(), keys.end());
    if (sources_[i].loaded()) continue;
    waits_for = troubles_[i].empty() ? fmt::format("the keys of `{}` are being fetched", sources_[i].place())
                                     : troubles_[i];
  }
  probe_.keys(all->size());
  const std::lock_guard lock(mutex_);
  keys_ = std::move(all);
  waits_for_ = std::move(waits_for);
}

void KeyRing::wait(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const Steady look = clock_.steady() + (files_ ? Steady::duration(kLook) : Steady::duration(1h));
  const bool url = !sources_.empty() && sources_.back().is_url();
  const auto until = [&] { return url ? std::min(look, schedule_.due()) : look; };
  // Whatever wakes it: what is due is looked at anew.
  while (!stop.stop_requested() && clock_.steady() < until()) {
    changed_.wait_until(lock, stop, until(), [due = until(), &until] { return until() < due; });
  }
}

}  // namespace tidegate::auth
