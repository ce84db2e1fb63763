#include "sqlite/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "rig/process.h"

namespace tidegate::sqlite {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Long enough that only what is watched for can have ended it.
constexpr auto kForever = 120s;
constexpr auto kSoon = 60s;

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() { append(path()); }
  [[nodiscard]] std::string path() const { return directory_.path() + "/a.db"; }
  static void append(const std::string& path) { std::ofstream(path, std::ios::app) << "x"; }
  static Clock::duration waited(FileWatch& watch, std::chrono::milliseconds wait) {
    const auto begun = Clock::now();
    watch.wait(wait);
    return Clock::now() - begun;
  }

 private:
  rig::TemporaryDirectory directory_;
};

TEST_F(FileWatchTest, AWriteToTheFileEndsAWait) {
  FileWatch watch(path());
  std::jthread writer([&] { append(path()); });
  EXPECT_LT(waited(watch, kForever), kSoon);
}

TEST_F(FileWatchTest, AWriteToTheWalEndsAWaitAlsoWhereItWasMadeLater) {
  FileWatch watch(path());
  append(path() + "-wal");
  watch.wait(0ms);  // looks for it
  std::jthread writer([&] { append(path() + "-wal"); });
  EXPECT_LT(waited(watch, kForever), kSoon);
}

TEST_F(FileWatchTest, AWalThatWasDeletedAndMadeAnewIsWatchedAgain) {
  append(path() + "-wal");
  FileWatch watch(path());
  std::filesystem::remove(path() + "-wal");
  watch.wait(kForever);  // is told so
  append(path() + "-wal");
  for (int again = 0; again < 10; ++again) watch.wait(100ms);  // the short waits after an event
  std::jthread writer([&] { append(path() + "-wal"); });
  EXPECT_LT(waited(watch, kForever), kSoon);
}

TEST_F(FileWatchTest, AWakeEndsTheWaitOfNowOrTheNextOneOnce) {
  FileWatch watch(path());
  watch.wake();
  watch.wake();
  EXPECT_LT(waited(watch, kForever), kSoon);
  EXPECT_GE(waited(watch, 20ms), 20ms) << "both were taken";
  std::jthread waker([&] { watch.wake(); });
  EXPECT_LT(waited(watch, kForever), kSoon);
}

TEST_F(FileWatchTest, AfterAnEventTheNextWaitsAreShortAndThenAsLongAsAsked) {
  FileWatch watch(path());
  append(path());
  watch.wait(kForever);
  int waits = 0;
  while (waited(watch, 3s) < 2s) ASSERT_LT(++waits, 20);
  // 1, 2, 4 ... 64 ms; where the machine stands still meanwhile a short wait may look like a long one.
  EXPECT_GE(waits, 1);
  EXPECT_LE(waits, 7);
}

TEST_F(FileWatchTest, KnowsItsFileFromAnotherOfTheSameName) {
  FileWatch watch(path());
  EXPECT_TRUE(watch.same_file());
  std::filesystem::rename(path(), path() + ".old");
  EXPECT_FALSE(watch.same_file());
  append(path());
  EXPECT_FALSE(watch.same_file());
  std::filesystem::rename(path() + ".old", path());
  EXPECT_TRUE(watch.same_file());
}

TEST_F(FileWatchTest, OfAFileThatIsNotThereOnlyTheWaitCounts) {
  FileWatch watch(path() + ".none");
  EXPECT_GE(waited(watch, 5ms), 5ms);
  watch.wake();
  EXPECT_LT(waited(watch, kForever), kSoon);
}

}  // namespace
}  // namespace tidegate::sqlite
