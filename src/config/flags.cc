#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "config/sources.h"
#include "config/values.h"

namespace tidegate::config {
namespace {

constexpr std::string_view kVersion = "0.1.0";

struct Captured {
  const Setting* setting;
  std::vector<std::string> values;
  bool on = false;
};

std::string described(const Setting& setting) {
  std::string out(setting.help);
  if (!setting.fallback.empty() && setting.shape != Setting::Shape::toggle)
    out += " [" + setting.fallback + "]";
  return out;
}

// CLI11 keeps pointers to where values go: `captured` must not move afterwards.
void declare(CLI::App& app, Captured& captured) {
  const Setting& setting = *captured.setting;
  if (setting.shape == Setting::Shape::toggle) {
    app.add_flag(setting.flag(), captured.on, described(setting));
    return;
  }
  app.add_option(setting.flag(), captured.values, described(setting))->allow_extra_args(false)->type_name("");
}

// What CLI11 did not know. Only a flag's name is repeated: what stands behind it may be a secret.
Error unexpected(const std::vector<std::string>& rest, const CommandText& command,
                 const std::vector<Setting>& table) {
  const std::string& first = rest.front();
  if (first.rfind("--", 0) != 0) {
    return {Fault::invalid, fmt::format("{}: takes flags only, as in `--name value`", command.name)};
  }
  const std::string flag = first.substr(0, first.find('='));
  std::vector<std::string> names;
  for (const Setting& setting : table) {
    const bool here = (setting.commands & bit(command.command)) != 0;
    if (here) names.push_back(setting.flag());
    if (!here && setting.flag() == flag) {
      return {Fault::invalid, fmt::format("{}: does not belong to `{}`", flag, command.name)};
    }
  }
  const std::string meant = nearest(flag, names);
  const std::string advice = meant.empty() ? "`--help` lists them" : fmt::format("did you mean {}?", meant);
  return {Fault::invalid, fmt::format("{}: no such flag of `{}`; {}", flag, command.name, advice)};
}

Result<GivenSettings> collect(const std::vector<Captured>& captured) {
  GivenSettings given;
  for (const Captured& one : captured) {
    const Setting& setting = *one.setting;
    Given out{.values = {}, .origin = setting.flag()};
    if (one.on) out.values = {"true"};
    if (setting.shape == Setting::Shape::one && one.values.size() > 1) {
      return Error{Fault::invalid, fmt::format("{}: given more than once", setting.flag())};
    }
    for (const std::string& value : one.values) {
      const bool whole = setting.shape == Setting::Shape::properties;
      const auto pieces = whole ? std::vector<std::string>{value} : cut(setting, value);
      out.values.insert(out.values.end(), pieces.begin(), pieces.end());
    }
    if (one.on || !one.values.empty()) given.emplace(setting.name, std::move(out));
  }
  return given;
}

// One command's own parser.
struct Branch {
  const CommandText* text;
  CLI::App* app;
  std::vector<Captured> captured;
};

std::vector<Branch> declare_all(CLI::App& app, const std::vector<Setting>& table) {
  std::vector<Branch> branches;
  for (const CommandText& text : commands()) {
    auto* sub = app.add_subcommand(std::string(text.name), std::string(text.help))->allow_extras();
    Branch& branch = branches.emplace_back(Branch{&text, sub, {}});
    for (const Setting& setting : table) {
      if ((setting.commands & bit(text.command)) != 0) branch.captured.push_back({&setting, {}});
    }
    for (Captured& captured : branch.captured) declare(*sub, captured);
  }
  return branches;
}

std::string command_names() {
  std::string out;
  for (const CommandText& text : commands()) out += (out.empty() ? "" : ", ") + std::string(text.name);
  return out;
}

}  // namespace

Result<Flags> read_flags(int argc, const char* const* argv, const std::vector<Setting>& table) {
  CLI::App app("Live query results from a database's committed changes, over WebSocket.", "tidegate");
  app.set_version_flag("--version", "tidegate " + std::string(kVersion));
  app.allow_extras();
  const std::vector<Branch> branches = declare_all(app, table);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    Flags flags;
    flags.print = app.help();
    for (const Branch& branch : branches) {
      if (branch.app->parsed()) flags.print = branch.app->help();
    }
    return flags;
  } catch (const CLI::CallForVersion& version) {
    Flags flags;
    flags.print = std::string(version.what()) + "\n";
    return flags;
  } catch (const CLI::ParseError& error) {
    return Error{Fault::invalid, error.what()};  // names flags, never values: all of ours take any text
  }
  for (const Branch& branch : branches) {
    if (!branch.app->parsed()) continue;
    if (const auto rest = branch.app->remaining(); !rest.empty())
      return unexpected(rest, *branch.text, table);
    auto given = collect(branch.captured);
    if (!given) return given.error();
    return Flags{branch.text->command, "", std::move(*given)};
  }
  return Error{Fault::invalid,
               fmt::format("a command is missing: type one of {} behind `tidegate`", command_names())};
}

}  // namespace tidegate::config
