#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidegate::query {

/// The one spelling of a client's regular expression (`regex_tree.h`): with the same meaning for Postgres,
/// under any collation, and for `Regex`. `fold`: `~*`. `invalid` names what is not supported, why, and its
/// place.
Result<std::string> canonical_regex(std::string_view pattern, bool fold, bool ascii_classes);

/// What every text that matches a canonical expression begins with; may be empty.
std::string prefix_of_regex(std::string_view canonical);

/// A canonical expression, compiled: RE2, whose time is linear in the text. Immutable; any thread may ask it.
class Regex {
 public:
  /// `invalid` where its automaton takes more than 256 kB.
  static Result<std::shared_ptr<const Regex>> compile(std::string_view canonical);
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex();

  /// Whether it matches anywhere in a text of UTF-8.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct Engine;
  explicit Regex(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> engine_;
};

}  // namespace tidegate::query
