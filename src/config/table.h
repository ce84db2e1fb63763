#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace tidegate::config {

inline constexpr unsigned bit(Command command) {
  return 1U << static_cast<unsigned>(command);
}

struct CommandText {
  Command command;
  std::string_view name;
  std::string_view help;
};
/// In the order of Command.
const std::vector<CommandText>& commands();

/// One setting, declared once (table.cc). Its name gives the flag (`--idle-timeout-ms`), the environment
/// variable
/// (`TIDEGATE_IDLE_TIMEOUT_MS`) and the key of the file (`idle_timeout_ms`).
struct Setting {
  enum class Shape : std::uint8_t {
    one,         ///< a value; given twice it is an error
    list,        ///< values with commas between them; the flag may be repeated, the file may hold an array
    properties,  ///< likewise, but the flag takes one a time, so that its value may hold commas
    toggle       ///< the flag has no value
  };
  std::string_view name;
  std::string_view alias;  ///< the seed's environment variable, weaker than ours
  std::string_view help;
  std::string fallback;  ///< the default, for people
  std::string fit;       ///< what would fit: "must be …"
  unsigned commands = 0;
  Shape shape = Shape::one;
  bool secret = false;  ///< never repeated in a message
  bool in_file = true;
  /// Stores the value; false where it does not fit.
  std::function<bool(Settings&, const std::vector<std::string>&)> store;

  [[nodiscard]] std::string flag() const;
  [[nodiscard]] std::string variable() const;
  [[nodiscard]] std::string key() const;
};

struct Section {
  std::string_view title;
  std::vector<Setting> settings;
};

std::vector<Section> sections();

}  // namespace tidegate::config
