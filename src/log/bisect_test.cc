#include "log/bisect.h"

#include "base/testing.h"
#include "log/conformance.h"

namespace tidegate::log {
namespace {

PlaceAt places(const std::vector<Headers>& log, int& reads) {
  return [&log, &reads](Offset offset) -> Result<std::optional<Place>> {
    ++reads;
    for (auto at = static_cast<std::size_t>(offset.value()); at < log.size(); ++at) {
      if (log[at].lsn && log[at].generation) {
        return std::optional(Place{Offset(static_cast<std::int64_t>(at)), *log[at].generation, *log[at].lsn});
      }
    }
    return std::optional<Place>{};
  };
}

class Rule12Bisect : public testing::TestWithParam<std::int64_t> {};

TEST_P(Rule12Bisect, FindsWhatReadingEverythingFinds) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto log = random_reigns(random, round % 2 == 1);
    const Watermarks range{Offset(0), Offset(static_cast<std::int64_t>(log.size()))};
    int reads = 0;
    for (int i = 0; i < 50; ++i) {
      const Generation generation(static_cast<std::int64_t>(3 + random() % 14));
      const Lsn lsn(50 + random() % 200);
      const auto found = bisect(range, generation, lsn, places(log, reads), GetParam());
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(*found, brute_force(log, generation, lsn)) << generation.value() << " " << lsn.value();
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Windows, Rule12Bisect, testing::Values(0, 1, 16, 256));

TEST(Rule12, BisectReadsALogarithmOfALongLogAndAWindow) {
  std::vector<Headers> log;
  for (std::uint64_t i = 0; i < 1'000'000; ++i)
    log.push_back({.lsn = Lsn(i / 3), .generation = Generation(1)});
  int reads = 0;
  const auto found = bisect({Offset(0), Offset(1'000'000)}, Generation(1), Lsn(1000), places(log, reads));
  EXPECT_EQ(*found, Offset(3003));
  EXPECT_LT(reads, 14 + 2 * 256 + 2);
}

TEST(Rule12, AFaultOfTheReadIsThatOfTheSeek) {
  const PlaceAt broken = [](Offset) -> Result<std::optional<Place>> {
    return Error{Fault::unavailable, "down"};
  };
  EXPECT_EQ(bisect({Offset(0), Offset(10)}, Generation(1), Lsn(1), broken).error().message, "down");
}

}  // namespace
}  // namespace tidegate::log
