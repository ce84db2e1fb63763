#include <fmt/format.h>

#include "config/settings.h"
#include "config/table.h"

namespace tidegate::config {
namespace {

constexpr std::string_view kHead = R"(# Configuration

Every setting has one name, spelled in three ways: a flag, an environment variable and a key of the TOML file that
`--config` names. A flag is stronger than a variable, a variable than the file, the file than the default. The variables
of the seed (in brackets) work too, weaker than ours. An empty variable counts as absent. Sizes are bytes, or have `KiB`,
`MiB` or `GiB` behind them. Lists have commas between their values; in the file they may be arrays.

With tokens, tables that clients may see are named in the file:

```toml
[[table]]
name = "public.orders"
tenant_column = "tenant"   # without it every tenant sees the whole table
```

This page is written by the program; a test compares them.
)";

std::string ticked(std::string_view text) {
  return text.empty() ? std::string() : fmt::format("`{}`", text);
}

std::string command_list(const Setting& setting) {
  std::string out;
  for (const CommandText& text : commands()) {
    if ((setting.commands & bit(text.command)) != 0)
      out += fmt::format("{}{}", out.empty() ? "" : " ", text.name);
  }
  return out;
}

std::string row(const Setting& setting) {
  std::string variable = ticked(setting.variable());
  if (!setting.alias.empty()) variable += fmt::format(" (`{}`)", setting.alias);
  return fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", setting.flag(), variable,
                     setting.in_file ? ticked(setting.key()) : "", ticked(setting.fallback),
                     command_list(setting), setting.help);
}

}  // namespace

std::string reference() {
  std::string out(kHead);
  for (const Section& section : sections()) {
    out += fmt::format(
        "\n## {}\n\n| flag | variable | file | default | commands | meaning |\n|---|---|---|---|---|---|\n",
        section.title);
    for (const Setting& setting : section.settings) out += row(setting);
  }
  return out;
}

}  // namespace tidegate::config
