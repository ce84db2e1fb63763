#include "metrics/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace tidegate::metrics {
namespace {

testing::AssertionResult has_line(const std::string& text, const std::string& line) {
  if (("\n" + text).find("\n" + line + "\n") != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no line `" << line << "` in\n" << text;
}

TEST(Counter, CountsFromZero) {
  Registry registry;
  Counter& counter = registry.counter("frames_total", "Frames.");
  EXPECT_EQ(counter.value(), 0U);
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.value(), 42U);
  EXPECT_TRUE(has_line(registry.text(), "frames_total 42"));
}

TEST(Counter, IsExactUpToTwoToThe53) {
  Registry registry;
  Counter& counter = registry.counter("bytes_total", "Bytes.");
  counter.add((1ULL << 53) - 1);
  counter.add();
  EXPECT_EQ(counter.value(), 1ULL << 53);
  EXPECT_TRUE(has_line(registry.text(), "bytes_total 9007199254740992"));
}

TEST(Counter, LosesNothingBetweenThreads) {
  Registry registry;
  Counter& counter = registry.counter("n_total", "N.");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&registry] {
      Counter& mine = registry.counter("n_total", "N.");
      for (int j = 0; j < 10'000; ++j) mine.add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000U);
}

TEST(Gauge, GoesUpDownAndBelowZero) {
  Registry registry;
  Gauge& gauge = registry.gauge("outbox_bytes", "Bytes.");
  gauge.set(10);
  gauge.add(-25);
  gauge.add(5);
  EXPECT_EQ(gauge.value(), -10);
  EXPECT_TRUE(has_line(registry.text(), "outbox_bytes -10"));
}

TEST(Histogram, CountsUpToEachBoundInclusive) {
  Registry registry;
  Histogram& histogram = registry.histogram("lag_seconds", "Lag.", {0.5, 2});
  for (double value : {0.25, 0.5, 1.0, 100.0}) histogram.observe(value);
  const std::string text = registry.text();
  EXPECT_TRUE(has_line(text, "# TYPE lag_seconds histogram"));
  EXPECT_TRUE(has_line(text, "lag_seconds_bucket{le=\"0.5\"} 2"));
  EXPECT_TRUE(has_line(text, "lag_seconds_bucket{le=\"2\"} 3"));
  EXPECT_TRUE(has_line(text, "lag_seconds_bucket{le=\"+Inf\"} 4"));
  EXPECT_TRUE(has_line(text, "lag_seconds_count 4"));
  EXPECT_TRUE(has_line(text, "lag_seconds_sum 101.75"));
}

TEST(Registry, GivesTheSameMetricForTheSameNameAndLabels) {
  Registry registry;
  Counter& a = registry.counter("errors_total", "Errors.", {{"code", "bad_op"}, {"from", "client"}});
  Counter& b = registry.counter("errors_total", "Errors.", {{"from", "client"}, {"code", "bad_op"}});
  Counter& c = registry.counter("errors_total", "Errors.", {{"code", "bad_json"}, {"from", "client"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
  Histogram& h = registry.histogram("t_seconds", "T.", {1});
  EXPECT_EQ(&h, &registry.histogram("t_seconds", "T.", {1}));
}

TEST(Registry, KeepsReferencesValidWhileMoreIsRegistered) {
  Registry registry;
  Counter& first = registry.counter("c_total", "C.", {{"i", "first"}});
  Gauge& gauge = registry.gauge("g", "G.", {{"i", "first"}});
  for (int i = 0; i < 1'000; ++i) {
    registry.counter("c_total", "C.", {{"i", std::to_string(i)}});
    registry.gauge("g", "G.", {{"i", std::to_string(i)}});
  }
  first.add(7);
  gauge.set(8);
  EXPECT_EQ(&first, &registry.counter("c_total", "C.", {{"i", "first"}}));
  EXPECT_TRUE(has_line(registry.text(), "c_total{i=\"first\"} 7"));
  EXPECT_TRUE(has_line(registry.text(), "g{i=\"first\"} 8"));
}

TEST(Registry, WritesHelpAndTypeOnceAFamilyAndEscapesLabels) {
  Registry registry;
  registry.counter("errors_total", "Errors sent.", {{"code", "a\"b\\c\nd"}}).add(3);
  registry.counter("errors_total", "Errors sent.", {{"code", "x"}});
  const std::string text = registry.text();
  EXPECT_TRUE(has_line(text, "# HELP errors_total Errors sent."));
  EXPECT_TRUE(has_line(text, "# TYPE errors_total counter"));
  EXPECT_EQ(text.find("# TYPE"), text.rfind("# TYPE"));
  EXPECT_TRUE(has_line(text, R"(errors_total{code="a\"b\\c\nd"} 3)"));
  EXPECT_TRUE(has_line(text, R"(errors_total{code="x"} 0)"));
}

TEST(Registry, TwoOfThemAreApart) {
  Registry one;
  Registry other;
  one.counter("c_total", "C.").add();
  EXPECT_EQ(other.counter("c_total", "C.").value(), 0U);
  EXPECT_EQ(Registry().text(), "");
}

TEST(RegistryDeathTest, ABadNameOrTwoKindsOfOneNameAreBugs) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Registry registry;
  registry.counter("c_total", "C.");
  EXPECT_DEATH(registry.counter("no blanks", "N."), "");
  EXPECT_DEATH(registry.gauge("c_total", "C."), "");
}

}  // namespace
}  // namespace tidegate::metrics
