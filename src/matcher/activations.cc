#include "matcher/activations.h"

#include <cassert>
#include <utility>

namespace tidegate::matcher {

void Activations::apply(const registry::Lease& lease, Time now) {
  if (lease.ended) {
    depart(lease.incarnation, now);
  } else {
    members_[lease.incarnation].deadline = now + limits_.lease;
  }
}

void Activations::apply(const registry::Registration& registration, Time now) {
  const std::string& name = registration.routing_key;
  if (registration.ended) {
    leave(registration.incarnation, name, now);
    return;
  }
  // The first that we see of an incarnation may be a registration: it lives.
  auto [member, fresh] = members_.try_emplace(registration.incarnation);
  if (fresh) member->second.deadline = now + limits_.lease;
  member->second.keys.insert(name);
  Key& key = keys_[name];
  key.canonical = registration.canonical;
  key.wanted_by.insert(registration.incarnation);
  unwanted_.erase(name);
  if (!reigning_) return;
  switch (key.stage) {
    case Stage::idle:
      key.stage = Stage::beginning;
      tasks_.push_back({Step::begin, name});
      break;
    case Stage::active:
      tasks_.push_back({Step::answer, name});
      break;
    case Stage::beginning:  // answered when it is active
    case Stage::ending:     // begins anew when it has ended
      break;
  }
}

void Activations::apply(const registry::ActivationRecord& record) {
  if (reigning_) return;
  Key& key = keys_[record.routing_key];
  key.stage = record.ended ? Stage::idle : Stage::active;
  key.activation = record.activation;
  if (record.ended) forget_idle(record.routing_key);
}

Activations::Inherited Activations::reign(Time now) {
  assert(!reigning_);
  reigning_ = true;
  for (auto& [incarnation, member] : members_) member.deadline = now + limits_.lease;
  unwanted_.clear();
  Inherited inherited;
  for (auto& [name, key] : keys_) {
    const bool open = key.stage == Stage::active;
    if (open && key.wanted_by.empty()) {
      key.stage = Stage::ending;
      inherited.abandoned.push_back(name);
    } else if (open) {
      inherited.kept.push_back(name);
    } else if (!key.wanted_by.empty()) {
      key.stage = Stage::beginning;
      tasks_.push_back({Step::begin, name});
    }
  }
  return inherited;
}

void Activations::leave(Incarnation incarnation, const std::string& name, Time now) {
  if (auto member = members_.find(incarnation); member != members_.end()) member->second.keys.erase(name);
  auto place = keys_.find(name);
  if (place == keys_.end()) return;
  Key& key = place->second;
  if (key.wanted_by.erase(incarnation) == 0 || !key.wanted_by.empty()) return;
  if (key.stage == Stage::active || key.stage == Stage::beginning) unwanted_.emplace(name, now);
  forget_idle(name);
}

void Activations::depart(Incarnation incarnation, Time now) {
  auto member = members_.extract(incarnation);
  if (member.empty()) return;
  for (const auto& key : member.mapped().keys) leave(incarnation, key, now);
}

void Activations::forget_idle(const std::string& name) {
  auto place = keys_.find(name);
  if (place == keys_.end() || place->second.stage != Stage::idle || !place->second.wanted_by.empty()) return;
  keys_.erase(place);
}

void Activations::tick(Time now) {
  if (!reigning_) return;
  if (limits_.leases) {
    std::vector<Incarnation> gone;
    for (const auto& [incarnation, member] : members_) {
      if (member.deadline < now) gone.push_back(incarnation);
    }
    for (Incarnation incarnation : gone) depart(incarnation, now);
  }
  for (auto each = unwanted_.begin(); each != unwanted_.end();) {
    Key& key = keys_.at(each->first);
    // One that is still beginning waits here until it can be ended.
    if (key.stage != Stage::active || now - each->second < limits_.linger) {
      ++each;
      continue;
    }
    key.stage = Stage::ending;
    tasks_.push_back({Step::end, each->first});
    each = unwanted_.erase(each);
  }
}

std::vector<Activations::Task> Activations::take() {
  return std::exchange(tasks_, {});
}

void Activations::began(const std::string& name, Activation activation) {
  keys_.at(name).activation = activation;
}

bool Activations::active(const std::string& name, Activation activation) {
  auto place = keys_.find(name);
  if (place == keys_.end() || place->second.stage != Stage::beginning) return false;
  if (place->second.activation != activation) return false;
  place->second.stage = Stage::active;
  return true;
}

void Activations::refused(const std::string& name) {
  unwanted_.erase(name);
  auto place = keys_.find(name);
  if (place == keys_.end()) return;
  for (Incarnation incarnation : place->second.wanted_by) {
    if (auto member = members_.find(incarnation); member != members_.end()) member->second.keys.erase(name);
  }
  keys_.erase(place);
}

bool Activations::ended(const std::string& name, Activation activation) {
  auto place = keys_.find(name);
  if (place == keys_.end() || place->second.stage != Stage::ending) return false;
  if (place->second.activation != activation) return false;
  place->second.stage = Stage::idle;
  if (place->second.wanted_by.empty()) {
    keys_.erase(place);
  } else {
    place->second.stage = Stage::beginning;
    tasks_.push_back({Step::begin, name});
  }
  return true;
}

bool Activations::wanted(const std::string& name) const {
  auto place = keys_.find(name);
  return place != keys_.end() && !place->second.wanted_by.empty();
}

const std::string& Activations::canonical(const std::string& name) const {
  return keys_.at(name).canonical;
}

Activation Activations::activation(const std::string& name) const {
  return keys_.at(name).activation;
}

}  // namespace tidegate::matcher
