#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.h"

/// The three places that settings come from. Each gives what was written there, as text; load.cc decides
/// which counts.
namespace tidegate::config {

/// One setting's values as they were given in one place.
struct Given {
  std::vector<std::string> values;
  std::string origin;  ///< how a message begins: `--listen`, `TIDEGATE_LISTEN`, `tidegate.toml:3:10: listen`
};
/// By the setting's name.
using GivenSettings = std::map<std::string, Given, std::less<>>;

struct Flags {
  Command command = Command::serve;
  std::string print;  ///< the text of --help or --version
  GivenSettings given;
};
Result<Flags> read_flags(int argc, const char* const* argv, const std::vector<Setting>& table);

/// Ours, and where ours is absent the seed's. Unknown TIDEGATE_ variables become warnings, since
/// orchestrators make variables of services' names.
GivenSettings read_environment(const Environment& environment, const std::vector<Setting>& table,
                               std::vector<std::string>& warnings);

struct File {
  GivenSettings given;
  std::map<std::string, policy::TablePolicy> tables;  ///< of [[table]]
};
Result<File> read_file(const std::string& path, const std::vector<Setting>& table);
/// `name` stands in messages.
Result<File> parse_file(const std::string& text, const std::string& name, const std::vector<Setting>& table);

/// A value cut at its commas where the setting's shape says so.
std::vector<std::string> cut(const Setting& setting, const std::string& value);

}  // namespace tidegate::config
