// The table of settings, the page made of it, and single values.

#include "config/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "config/values.h"

namespace tidegate::config {
namespace {

std::vector<Setting> all() {
  std::vector<Setting> out;
  for (const Section& section : sections()) {
    out.insert(out.end(), section.settings.begin(), section.settings.end());
  }
  return out;
}

TEST(Table, NamesEachSettingOnce) {
  std::set<std::string> names;
  for (const Setting& setting : all()) {
    EXPECT_TRUE(names.insert(setting.flag()).second) << setting.name;
    EXPECT_FALSE(setting.help.empty() || setting.fit.empty() || setting.commands == 0) << setting.name;
    EXPECT_TRUE(!setting.in_file || setting.key() != "table") << "that is [[table]]";
  }
}

TEST(Table, SpellsANameInThreeWays) {
  Setting setting;
  setting.name = "idle-timeout-ms";
  EXPECT_EQ(setting.flag(), "--idle-timeout-ms");
  EXPECT_EQ(setting.variable(), "TIDEGATE_IDLE_TIMEOUT_MS");
  EXPECT_EQ(setting.key(), "idle_timeout_ms");
}

// A default that would be refused where it is typed would be a wrong default or a wrong range.
TEST(Table, AcceptsItsOwnDefaults) {
  for (const Setting& setting : all()) {
    if (setting.fallback.empty() || setting.fallback.find(' ') != std::string::npos) continue;
    Settings settings;
    EXPECT_TRUE(setting.store(settings, {setting.fallback})) << setting.name << " " << setting.fallback;
  }
}

// To write the page anew: TIDEGATE_WRITE_REFERENCE=1 config_test --gtest_filter='Reference.*'
TEST(Reference, IsWhatTheDocumentationSays) {
  const std::filesystem::path page = TIDEGATE_ROOT "/docs/CONFIGURATION.md";
  if (std::getenv("TIDEGATE_WRITE_REFERENCE") != nullptr) std::ofstream(page) << reference();
  std::ostringstream text;
  text << std::ifstream(page).rdbuf();
  EXPECT_EQ(text.str(), reference()) << page;
}

TEST(Reference, HasEverySettingAndNoSecretDefault) {
  const std::string text = reference();
  for (const Setting& setting : all()) {
    EXPECT_NE(text.find("| `" + setting.flag() + "` | `" + setting.variable() + "`"), std::string::npos)
        << setting.name;
    EXPECT_TRUE(!setting.secret || setting.fallback.empty()) << setting.name;
  }
  EXPECT_NE(text.find("(`KAFKA_BROKERS`)"), std::string::npos);
}

TEST(Bytes, HaveUnits) {
  EXPECT_EQ(parse_bytes("0"), 0U);
  EXPECT_EQ(parse_bytes("4194304"), 4U << 20);
  EXPECT_EQ(parse_bytes("4 MiB"), 4U << 20);
  EXPECT_EQ(parse_bytes("1GiB"), 1U << 30);
  EXPECT_EQ(parse_bytes("17179869184GiB"), std::nullopt) << "2^64";
  for (const char* text : {"", "MiB", "1MB", "-1", "1.5MiB", "1 MiB x"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  EXPECT_EQ(show_bytes(0), "0");
  EXPECT_EQ(show_bytes(900'000), "900000");
  EXPECT_EQ(show_bytes(1536 << 10), "1536KiB");
  EXPECT_EQ(show_bytes(std::uint64_t{1} << 40), "1024GiB");
}

TEST(Listen, ReadsAddressAndPort) {
  const auto read = [](std::string_view text) {
    const auto listen = parse_listen(text);
    return listen ? listen->address + "|" + std::to_string(listen->port) : "none";
  };
  EXPECT_EQ(read("8080"), "|8080");
  EXPECT_EQ(read(":8080"), "0.0.0.0|8080");
  EXPECT_EQ(read("127.0.0.1:0"), "127.0.0.1|0");
  EXPECT_EQ(read("[::1]:65535"), "::1|65535");
  EXPECT_EQ(read("localhost:1"), "127.0.0.1|1");
  for (const char* text :
       {"", ":", "a:1", "[::1]", "::1", "[127.0.0.1]:1", "1.2.3:1", "[]:1", "[:1", "65536"}) {
    EXPECT_EQ(read(text), "none") << text;
  }
}

TEST(Nearest, FindsASlipAndNothingElse) {
  EXPECT_EQ(nearest("lissten", {"auth", "listen", "linger"}), "listen");
  EXPECT_EQ(nearest("databse", {"database"}), "database");
  EXPECT_EQ(nearest("quark", {"database", "listen"}), "");
}

}  // namespace
}  // namespace tidegate::config
