#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

/// librdkafka's settings as an operator gives them: which of them are ours alone, and which are secret.
namespace tidegate::kafka {

/// Why this one can't be given: a promise of ours rests on its value, or another setting says it. Empty: it
/// can.
std::string_view kept_from(std::string_view property);

/// Whether its value is nothing for a log or for the process list: passwords, keys, tokens.
bool holds_secret(std::string_view property);

/// `text`, each value that is secret replaced by `…`: librdkafka's errors may repeat what they are about.
std::string without_secrets(const std::map<std::string, std::string>& properties, std::string text);

/// The lines `name=value` of `text`; blanks around names and values, empty lines and lines that begin with
/// `#` don't count. `invalid` names the line, and never shows it.
Result<std::vector<std::pair<std::string, std::string>>> parse_properties(std::string_view text);

}  // namespace tidegate::kafka
