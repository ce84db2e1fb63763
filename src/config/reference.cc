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
tenant_column = "tenant"                # without it every tenant sees the whole table
columns = ["id", "title", "owner_id"]   # those that exist for clients, the key's among them; without it all
rows = "owner_id = $claims.sub or $claims.role = 'admin'"   # those that a token shows; without it all
```

`rows` is a condition as clients write them (docs/PROTOCOL.md, "Queries"), over all columns and the token's claims, which are
values, never text: a string, a number, a boolean, or where a list may stand (`team = any($claims.teams)`, `team in
($claims.teams)`, `tags && $claims.teams`) an array of one of these. `$claims.app.role` is a claim in a claim,
`$claims."https://example.com/role"` one of any name. A token that lacks a claim that `rows` names, or has it as null, is refused.

At SIGHUP a gateway reads the file again. Changed tables count at once, also for what is subscribed already; other settings
need a restart. A file that does not fit is refused, and what was read before stays.

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
