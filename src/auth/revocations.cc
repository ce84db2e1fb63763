#include "auth/revocations.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "base/encoding.h"

namespace tidegate::auth {
namespace {

namespace json = boost::json;

/// What an entry takes besides its key, which stands in two maps.
constexpr std::size_t kEntryBytes = 192;
/// A jti or a subject stands in a token.
constexpr std::size_t kNameBytesMax = kTokenBytesMax;
/// Of keys that nobody has taken.
constexpr std::size_t kForgottenMax = 1'024;
constexpr std::int64_t kTimeMax = std::int64_t{1} << 53;

constexpr std::string_view kToken = "jti/";
constexpr std::string_view kSubject = "subject/";

std::string key_of(std::string_view kind, std::string_view name) {
  return std::string(kind) + std::string(name);
}

std::optional<std::int64_t> time_of(const json::object& fields, std::string_view name) {
  const json::value* value = fields.if_contains(name);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0 || value->get_int64() > kTimeMax) {
    return std::nullopt;
  }
  return value->get_int64();
}

Error wrong(std::string message) {
  return {Fault::invalid, std::move(message)};
}

}  // namespace

// ---- one ----

bool Revocation::concerns(const Principal& principal) const {
  if (of == Of::token) return principal.token_id == name;
  return principal.subject == name && (!principal.issued_unix_s || *principal.issued_unix_s <= at_unix_s);
}

std::string Revocation::key() const {
  return key_of(of == Of::token ? kToken : kSubject, name);
}

std::string Revocation::json() const {
  std::string out = of == Of::token ? R"({"jti":)" : R"({"subject":)";
  append_json_string(out, name);
  if (of == Of::subject) out += fmt::format(R"(,"at":{})", at_unix_s);
  return out + fmt::format(R"(,"until":{}}})", until_unix_s);
}

Result<Revocation> Revocation::parse(std::string_view text) {
  json::error_code failed;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  const json::object* fields = failed ? nullptr : value.if_object();
  if (fields == nullptr) return wrong("must be a JSON object");
  const json::value* id = fields->if_contains("jti");
  const json::value* subject = fields->if_contains("subject");
  if ((id == nullptr) == (subject == nullptr)) return wrong("one of 'jti' and 'subject' is needed");
  const json::value& named = id != nullptr ? *id : *subject;
  if (!named.is_string() || named.get_string().empty() || named.get_string().size() > kNameBytesMax) {
    return wrong(fmt::format("'{}' must be a string that is not empty", id != nullptr ? "jti" : "subject"));
  }
  const auto until = time_of(*fields, "until");
  if (!until) {
    return wrong("'until' must be the second since 1970 by which the tokens concerned have expired");
  }
  Revocation out{id != nullptr ? Of::token : Of::subject, std::string(named.get_string()), 0, *until};
  if (out.of == Of::token) return out;
  const auto at = time_of(*fields, "at");
  if (!at) return wrong("'at' must be the second since 1970 until which the tokens concerned were issued");
  out.at_unix_s = *at;
  return out;
}

// ---- all ----

Revocations::Revocations(std::size_t bytes_max, std::chrono::seconds leeway, const Clock& clock,
                         metrics::Registry& metrics)
    : bytes_max_(bytes_max),
      leeway_s_(leeway.count()),
      clock_(clock),
      count_(metrics.gauge("tidegate_auth_revocations", "Revoked tokens and subjects that are known")),
      bytes_gauge_(metrics.gauge("tidegate_auth_revocations_bytes", "What they hold in memory")),
      unreadable_(metrics.counter("tidegate_auth_revocations_unreadable_total",
                                  "Records of revocations that could not be read and were passed over")),
      without_room_(metrics.counter("tidegate_auth_revocations_without_room_total",
                                    "Revocations that did not fit --revocations-bytes-max")) {}

std::int64_t Revocations::now() const {
  return unix_us(clock_.wall()) / 1'000'000;
}

std::size_t Revocations::bytes_of(std::string_view key) {
  return kEntryBytes + 2 * key.size();
}

Status Revocations::ready() const {
  const std::shared_lock lock(mutex_);
  if (overflowed_) {
    return Error{Fault::unavailable,
                 fmt::format("revocations: there are more than fit in {} bytes, so no token can be accepted: "
                             "start again with a larger --revocations-bytes-max",
                             bytes_max_)};
  }
  if (waiting_.empty()) return {};
  return Error{Fault::unavailable, "revocations: " + waiting_};
}

void Revocations::wait_for(std::string reason) {
  const std::unique_lock lock(mutex_);
  waiting_ = std::move(reason);
}

void Revocations::whole() {
  wait_for({});
}

bool Revocations::concern(const Principal& principal) const {
  const std::shared_lock lock(mutex_);
  const auto counts = [&](std::string_view kind, const std::string& name) {
    const auto found = entries_.find(key_of(kind, name));
    if (found == entries_.end() || now() >= found->second.until_unix_s + leeway_s_) return false;
    const Revocation known{kind == kToken ? Revocation::Of::token : Revocation::Of::subject, name,
                           found->second.at_unix_s, found->second.until_unix_s};
    return known.concerns(principal);
  };
  return (!principal.token_id.empty() && counts(kToken, principal.token_id)) ||
         counts(kSubject, principal.subject);
}

void Revocations::forget_over() {
  const std::int64_t time = now();
  while (!ends_.empty() && ends_.begin()->first + leeway_s_ <= time) {
    const std::string key = std::move(ends_.extract(ends_.begin()).value().second);
    bytes_ -= bytes_of(key);
    entries_.erase(key);
    if (forgotten_.size() < kForgottenMax) forgotten_.push_back(key);
  }
}

Revocation Revocations::add(Revocation revocation) {
  if (is_over(revocation)) return revocation;
  bool news = true;
  {
    const std::unique_lock lock(mutex_);
    forget_over();
    const std::string key = revocation.key();
    std::erase(forgotten_, key);  // else who takes those would undo this one
    const auto known = entries_.find(key);
    if (known != entries_.end()) {
      Entry& entry = known->second;
      revocation.at_unix_s = std::max(revocation.at_unix_s, entry.at_unix_s);
      revocation.until_unix_s = std::max(revocation.until_unix_s, entry.until_unix_s);
      news = revocation.at_unix_s > entry.at_unix_s || revocation.until_unix_s > entry.until_unix_s;
      ends_.erase({entry.until_unix_s, key});
      ends_.emplace(revocation.until_unix_s, key);
      entry = {revocation.at_unix_s, revocation.until_unix_s};
    } else if (bytes_ + bytes_of(key) > bytes_max_) {
      overflowed_ = true;
      without_room_.add();
    } else {
      bytes_ += bytes_of(key);
      ends_.emplace(revocation.until_unix_s, key);
      entries_.emplace(key, Entry{revocation.at_unix_s, revocation.until_unix_s});
    }
    count_.set(static_cast<std::int64_t>(entries_.size()));
    bytes_gauge_.set(static_cast<std::int64_t>(bytes_));
  }
  const std::lock_guard lock(tell_mutex_);
  if (news && tell_) tell_(revocation);
  return revocation;
}

Status Revocations::has_room(const Revocation& revocation) const {
  const std::shared_lock lock(mutex_);
  const std::string key = revocation.key();
  if (entries_.contains(key) || bytes_ + bytes_of(key) <= bytes_max_ - bytes_max_ / 8) return {};
  return Error{Fault::unavailable,
               fmt::format("there is no room for another revocation: {} of {} bytes are taken "
                           "(--revocations-bytes-max)",
                           bytes_, bytes_max_)};
}

void Revocations::on_added(std::function<void(const Revocation&)> tell) {
  const std::lock_guard lock(tell_mutex_);
  tell_ = std::move(tell);
}

std::vector<std::string> Revocations::take_forgotten() {
  const std::unique_lock lock(mutex_);
  forget_over();
  return std::exchange(forgotten_, {});
}

}  // namespace tidegate::auth
