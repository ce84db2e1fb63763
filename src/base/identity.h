#pragma once

#include <cstdint>
#include <string>

namespace tidegate {

/// Which database, of which server, on which timeline: what an epoch is bound to (rules 10, 29). For SQLite
/// `system` is a random id kept in the file and `timeline` 0.
struct SourceIdentity {
  std::string system;
  std::uint32_t timeline = 0;
  std::string database;
  bool operator==(const SourceIdentity&) const = default;
};

}  // namespace tidegate
