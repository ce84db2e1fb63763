// Invariants: what was appended and not cut off is read back in order, wherever it lies; the budget counts
// the files' bytes; what can't be kept is `fatal` and says what to do.
#include "postgres/spill.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <random>
#include <vector>

#include "base/testing.h"
#include "rig/process.h"

namespace tidegate::postgres {
namespace {

using Record = std::pair<std::uint32_t, std::string>;

class SpillTest : public testing::Test {
 protected:
  std::vector<Record> read(const Spill& spill) {
    std::vector<Record> records;
    const Status done = spill.each([&](std::uint32_t tag, std::string_view bytes) -> Status {
      records.emplace_back(tag, bytes);
      return {};
    });
    EXPECT_TRUE(done.ok());
    return records;
  }
  rig::TemporaryDirectory directory_;
  SpillRoom room(std::size_t bytes_max) {
    return {directory_.path(), budget_ = std::make_shared<Budget>(bytes_max)};
  }
  std::shared_ptr<Budget> budget_;
};

TEST_F(SpillTest, rule_6_gives_back_what_was_appended_and_not_cut_off) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const SpillRoom room = this->room(1 << 30);
  for (int round = 0; round < 20; ++round) {
    Spill spill(room);
    std::vector<Record> expected;
    std::vector<std::uint64_t> places;
    for (int step = 0; step < 300; ++step) {
      if (random() % 100 == 0) {
        ASSERT_TRUE(spill.go_on_in_file().ok());
      } else if (random() % 40 == 0 && !places.empty()) {
        const std::size_t kept = random() % places.size();
        ASSERT_TRUE(spill.cut(places[kept]).ok());
        places.resize(kept);
        expected.resize(kept);
      } else {
        places.push_back(spill.end());
        expected.emplace_back(step,
                              std::string(random() % 20 == 0 ? random() % 600'000 : random() % 50, 'x'));
        ASSERT_TRUE(spill.append(expected.back().first, expected.back().second).ok());
      }
    }
    ASSERT_EQ(read(spill), expected) << "round " << round;
    ASSERT_EQ(read(spill), expected) << "again";
    if (spill.in_file()) {
      EXPECT_LT(spill.memory(), Spill::kWriteBytes);
    }
  }
  EXPECT_EQ(budget_->used(), 0u);
}

TEST_F(SpillTest, rule_6_its_file_has_no_name) {
  Spill spill(room(1 << 20));
  ASSERT_TRUE(spill.append(1, "record").ok());
  ASSERT_TRUE(spill.go_on_in_file().ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << "a killed process leaves nothing behind";
}

TEST_F(SpillTest, rule_6_what_the_budget_does_not_hold_ends_the_process_and_says_what_to_do) {
  const SpillRoom small = room(1'000);
  Spill spill(small);
  ASSERT_TRUE(spill.append(1, std::string(900, 'x')).ok());
  ASSERT_TRUE(spill.go_on_in_file().ok());
  Spill other(small);
  ASSERT_TRUE(other.append(1, std::string(900, 'x')).ok());
  const Status full = other.go_on_in_file();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().fault, Fault::fatal);
  EXPECT_NE(full.error().message.find("--transaction-file-bytes-max"), std::string::npos);
  ASSERT_TRUE(spill.cut(0).ok());
  EXPECT_TRUE(other.go_on_in_file().ok()) << "what was given back may be taken";
}

TEST_F(SpillTest, rule_6_a_directory_that_takes_no_file_is_named) {
  Spill spill({directory_.path() + "/nowhere", std::make_shared<Budget>(1 << 20)});
  ASSERT_TRUE(spill.append(1, "record").ok());
  const Status missing = spill.go_on_in_file();
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().fault, Fault::fatal);
  EXPECT_NE(missing.error().message.find("/nowhere"), std::string::npos);
  EXPECT_NE(missing.error().message.find("--spool-directory"), std::string::npos);
}

TEST_F(SpillTest, rule_6_a_full_disk_ends_the_process_and_says_what_to_do) {
  // A file larger than the process may write is the full disk of this test.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  Spill spill(room(1 << 30));
  ASSERT_TRUE(spill.append(1, "kept").ok());
  ASSERT_TRUE(spill.go_on_in_file().ok());
  const rlimit small{.rlim_cur = 1'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  ASSERT_TRUE(spill.append(2, std::string(10'000, 'x')).ok());
  const Status full = spill.go_on_in_file();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().fault, Fault::fatal);
  EXPECT_NE(full.error().message.find("nothing is lost"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::postgres
