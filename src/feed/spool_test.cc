#include "feed/spool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace tidegate::feed {
namespace {

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    std::string name = (std::filesystem::temp_directory_path() / "spool-test-XXXXXX").string();
    directory = ::mkdtemp(name.data());
  }
  ~SpoolTest() override { std::filesystem::remove_all(directory); }

  [[nodiscard]] SpoolRoom room(std::size_t memory_bytes) const {
    return {memory_bytes, directory, memory, files};
  }
  static std::string part(int number) { return std::string(1'000, static_cast<char>('a' + number % 26)); }
  static std::string read(const Spool& spool, std::size_t number) {
    if (const auto held = spool.in_memory(number)) return std::string(*held);
    std::string out;
    const Status status = spool.read(number, out);
    EXPECT_TRUE(status.ok());
    return out;
  }

  std::string directory;
  std::shared_ptr<Budget> memory = std::make_shared<Budget>(1 << 20);
  std::shared_ptr<Budget> files = std::make_shared<Budget>(1 << 20);
};

TEST_F(SpoolTest, rule_20_parts_beyond_the_bound_are_in_a_file_without_a_name) {
  {
    Spool spool(room(3'500));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(spool.append(part(i)).ok());
    EXPECT_EQ(spool.parts(), 20u);
    EXPECT_EQ(spool.memory_bytes(), 3'000u);
    EXPECT_EQ(memory->used(), 3'000u);
    EXPECT_EQ(files->used(), 17'000u);
    EXPECT_TRUE(spool.in_memory(2));
    EXPECT_FALSE(spool.in_memory(3));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(read(spool, static_cast<std::size_t>(i)), part(i));
    EXPECT_TRUE(std::filesystem::is_empty(directory));
  }
  EXPECT_EQ(memory->used(), 0u);
  EXPECT_EQ(files->used(), 0u);
}

TEST_F(SpoolTest, a_part_that_would_fit_again_does_not_overtake_those_in_the_file) {
  Spool spool(room(1'500));
  ASSERT_TRUE(spool.append(part(0)).ok());
  ASSERT_TRUE(spool.append(part(1)).ok());
  ASSERT_TRUE(spool.append("short").ok());
  EXPECT_EQ(read(spool, 0), part(0));
  EXPECT_EQ(read(spool, 1), part(1));
  EXPECT_EQ(read(spool, 2), "short");
}

TEST_F(SpoolTest, where_the_process_s_memory_is_spent_everything_goes_into_the_file) {
  Charge others(memory);
  others.set(1 << 20);
  Spool spool(room(1 << 20));
  ASSERT_TRUE(spool.append(part(0)).ok());
  EXPECT_EQ(spool.memory_bytes(), 0u);
  EXPECT_EQ(read(spool, 0), part(0));
}

TEST_F(SpoolTest, rule_20_the_files_of_all_spools_have_one_budget) {
  Charge others(files);
  others.set((1 << 20) - 1'500);
  Spool spool(room(0));
  ASSERT_TRUE(spool.append(part(0)).ok());
  const Status refused = spool.append(part(1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::denied);
}

TEST_F(SpoolTest, a_directory_that_is_not_there_is_named) {
  SpoolRoom nowhere = room(0);
  nowhere.directory = directory + "/nowhere";
  Spool spool(nowhere);
  const Status refused = spool.append(part(0));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::unavailable);
  EXPECT_NE(refused.error().message.find(nowhere.directory), std::string::npos) << refused.error().message;
  const Status checked = Spool::check(nowhere.directory);
  ASSERT_FALSE(checked.ok());
  EXPECT_NE(checked.error().message.find("--spool-directory"), std::string::npos);
  EXPECT_TRUE(Spool::check(directory).ok());
}

TEST_F(SpoolTest, a_disk_that_takes_no_more_is_named_and_what_lies_on_it_can_be_read) {
  // A file may grow to this size and no further: like a disk that is full.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{2'500, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Spool spool(room(0));
  EXPECT_TRUE(spool.append(part(0)).ok());
  EXPECT_TRUE(spool.append(part(1)).ok());
  const Status refused = spool.append(part(2));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::unavailable);
  EXPECT_NE(refused.error().message.find(directory), std::string::npos) << refused.error().message;
  EXPECT_EQ(read(spool, 1), part(1));
}

}  // namespace
}  // namespace tidegate::feed
