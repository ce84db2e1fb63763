#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "rig/tidegate.h"

namespace tidegate::test {

/// Secrets of a test, each with a word in it that must be found nowhere, in files for one pair of eyes.
class Secrets {
 public:
  static constexpr std::string_view kMarker = "hunter2";

  [[nodiscard]] static std::string secret(const std::string& name) {
    return std::string(kMarker) + "-" + name + "-0123456789abcdef0123456789abcdef";
  }
  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }

  static void expect_clean(const std::string& text, const std::string& what) {
    EXPECT_EQ(text.find(kMarker), std::string::npos) << what << ": " << text;
  }
  /// What it logged, what its doors say, and how it stands in the list of processes.
  static void expect_clean(rig::Tidegate& program) {
    expect_clean(program.output(), "the log");
    if (!program.process().running()) return;
    std::ifstream in("/proc/" + std::to_string(program.process().pid()) + "/cmdline");
    const std::string command((std::istreambuf_iterator<char>(in)), {});
    EXPECT_NE(command.find("tidegate"), std::string::npos);
    expect_clean(command, "the list of processes");
    for (const char* target : {"/readyz", "/metrics", "/healthz", "/", "/no-such-place"})
      for (const int port : {program.port(), program.admin_port()})
        expect_clean(rig::http(port, "GET", target).body, target);
  }

 private:
  rig::TemporaryDirectory directory_;
};

}  // namespace tidegate::test
