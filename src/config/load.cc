#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "config/rules.h"
#include "config/settings.h"
#include "config/sources.h"
#include "config/values.h"

namespace tidegate::config {
namespace {

std::vector<Setting> flat_table() {
  std::vector<Setting> table;
  for (Section& section : sections()) {
    std::move(section.settings.begin(), section.settings.end(), std::back_inserter(table));
  }
  return table;
}

const Given* find(const GivenSettings& given, std::string_view name) {
  const auto found = given.find(name);
  return found == given.end() ? nullptr : &found->second;
}

Status store(const Setting& setting, const Given& given, Settings& settings) {
  if (!given.values.empty() && setting.store(settings, given.values)) return {};
  std::string shown;
  if (!setting.secret && !given.values.empty()) shown = fmt::format(" `{}`", given.values.front());
  return Error{Fault::invalid, fmt::format("{}:{} does not fit: {}", given.origin, shown, setting.fit)};
}

// The strongest of the three for each setting; `chosen` keeps which were given at all.
Status merge(const std::vector<Setting>& table, const GivenSettings& flags, const GivenSettings& environment,
             const GivenSettings& file, Settings& settings, GivenSettings& chosen) {
  for (const Setting& setting : table) {
    const Given* strongest = nullptr;
    for (const GivenSettings* source : {&flags, &environment, &file}) {
      if (strongest == nullptr) strongest = find(*source, setting.name);
    }
    if (strongest == nullptr) continue;
    chosen.emplace(setting.name, *strongest);
    if ((setting.commands & bit(settings.command)) == 0) continue;  // of another command, in a shared file
    if (auto status = store(setting, *strongest, settings); !status) return status;
  }
  return {};
}

}  // namespace

std::vector<std::string> cut(const Setting& setting, const std::string& value) {
  const bool many = setting.shape == Setting::Shape::list || setting.shape == Setting::Shape::properties;
  return many ? split_list(value) : std::vector<std::string>{std::string(trimmed(value))};
}

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t sign = text.find('=');
    if (sign != std::string_view::npos) out.emplace(text.substr(0, sign), text.substr(sign + 1));
  }
  return out;
}

GivenSettings read_environment(const Environment& environment, const std::vector<Setting>& table,
                               std::vector<std::string>& warnings) {
  GivenSettings given;
  std::set<std::string, std::less<>> known;
  for (const Setting& setting : table) {
    known.insert(setting.variable());
    for (const std::string& name : {setting.variable(), std::string(setting.alias)}) {
      const auto found = environment.find(name);
      if (found == environment.end() || trimmed(found->second).empty()) continue;
      given.emplace(setting.name, Given{cut(setting, found->second), name});
    }
  }
  for (const auto& [name, value] : environment) {
    const bool ours = name.rfind("TIDEGATE_", 0) == 0;
    if (ours && !known.contains(name)) warnings.push_back(name + ": no setting has this variable");
  }
  return given;
}

Result<Settings> load(int argc, const char* const* argv, const Environment& environment) {
  const std::vector<Setting> table = flat_table();
  Settings settings;
  auto flags = read_flags(argc, argv, table);
  if (!flags) return flags.error();
  settings.command = flags->command;
  settings.print = std::move(flags->print);
  if (!settings.print.empty()) return settings;
  const GivenSettings variables = read_environment(environment, table, settings.warnings);

  File file;
  const Given* named = find(flags->given, "config");
  if (named == nullptr) named = find(variables, "config");
  if (named != nullptr) {
    auto read = read_file(named->values.front(), table);
    if (!read) return Error{Fault::invalid, fmt::format("{}: {}", named->origin, read.error().message)};
    file = std::move(*read);
  }
  settings.session.address.clear();  // the mode says which, unless somebody does
  settings.policy.tables = std::move(file.tables);
  GivenSettings chosen;
  if (auto status = merge(table, flags->given, variables, file.given, settings, chosen); !status)
    return status.error();
  for (const auto& [name, given] : chosen) settings.given.emplace(name, given.values);
  if (auto status = apply_rules(chosen, settings); !status) return status.error();
  return settings;
}

std::vector<std::string> changed_settings(const Settings& before, const Settings& after) {
  std::vector<std::string> names;
  for (const auto& [name, values] : after.given) {
    const auto earlier = before.given.find(name);
    if (earlier == before.given.end() || earlier->second != values) names.push_back(name);
  }
  for (const auto& [name, values] : before.given) {
    if (!after.given.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace tidegate::config
