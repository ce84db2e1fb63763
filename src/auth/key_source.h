#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "auth/jwks.h"
#include "auth/key.h"
#include "base/result.h"

namespace tidegate::auth {

/// Gets what a URL holds: at most kJwksBytesMax, within seconds, less where it is told to stop.
using Fetch = std::function<Result<std::string>(const std::string& url, std::stop_token stop)>;

/// A place that keys are read from, again and again. Owned by one thread at a time. Errors name the place.
class KeySource {
 public:
  enum class Kind : std::uint8_t { pem_file, jwks_file, jwks_url };
  KeySource(Kind kind, std::string place) : kind_(kind), place_(std::move(place)) {}

  [[nodiscard]] bool is_url() const { return kind_ == Kind::jwks_url; }
  /// For people: without a URL's query, which may hold what is nobody's business.
  [[nodiscard]] std::string place() const { return is_url() ? place_.substr(0, place_.find('?')) : place_; }
  /// A file: whether it is another one, or was written, since it was loaded last, well or not.
  [[nodiscard]] bool changed() const;
  /// Reads the keys anew. Where that fails the earlier ones stay.
  Status load(const Fetch& fetch, const std::stop_token& stop);
  [[nodiscard]] bool loaded() const { return loaded_; }
  [[nodiscard]] const KeySet& keys() const { return jwks_.keys; }
  [[nodiscard]] const std::vector<std::string>& ignored() const { return jwks_.ignored; }

 private:
  /// What tells a file's content from its earlier one.
  struct Stamp {
    std::int64_t device = 0, inode = 0, size = -1, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] Stamp stamp() const;
  Result<std::string> read(const Fetch& fetch, const std::stop_token& stop);

  const Kind kind_;
  const std::string place_;
  Stamp stamp_;
  Jwks jwks_;
  bool loaded_ = false;
};

/// Whether `place` is to be fetched; everything else is a path.
bool is_url(std::string_view place);

}  // namespace tidegate::auth
