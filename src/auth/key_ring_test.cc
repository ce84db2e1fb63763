// Where keys come from. Invariants:
// 1. a place that can't be read, or holds nothing that can be used, leaves the earlier keys as they are;
// 2. a URL is never asked within the cooldown of the last time, whoever wants it;
// 3. nobody who verifies waits.

#include "auth/key_ring.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>

#include "auth/vectors.h"
#include "auth/verifier.h"

namespace tidegate::auth {
namespace {

using namespace std::chrono_literals;
using vectors::kVectors;

constexpr std::string_view kUrl = "https://issuer.example/jwks?hunter2";
constexpr auto kPatience = 90s;

std::string set_of(std::string_view jwk, const std::string& kid) {
  return R"({"keys":[)" + std::string(jwk.substr(0, jwk.size() - 1)) + R"(,"kid":")" + kid + "\"}]}";
}

/// An issuer whose answers the test gives: it is asked, and waits until there is one.
class Issuer {
 public:
  Fetch fetch() {
    return [this](const std::string& url, const std::stop_token& stop) -> Result<std::string> {
      std::unique_lock lock(mutex_);
      ++asked_;
      url_ = url;
      changed_.notify_all();
      if (!changed_.wait(lock, stop, [this] { return !answers_.empty(); })) {
        return Error{Fault::unavailable, "stopped"};
      }
      auto answer = std::move(answers_.front());
      answers_.pop_front();
      return answer;
    };
  }
  void answer(Result<std::string> answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    changed_.notify_all();
  }
  void wait_asked(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return asked_ >= count; }));
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::string url() {
    const std::lock_guard lock(mutex_);
    return url_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Result<std::string>> answers_;
  int asked_ = 0;
  std::string url_;
};

class KeyRingTest : public testing::Test {
 protected:
  KeyRingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidegate-keys-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~KeyRingTest() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, std::string_view text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  void open() {
    auto opened = KeyRing::open(options, issuer.fetch(), voice(), clock, metrics);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    ring = std::move(*opened);
  }
  std::string open_error() {
    const auto opened = KeyRing::open(options, issuer.fetch(), voice(), clock, metrics);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? "" : opened.error().message;
  }
  Voice voice() {
    const auto keep = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_ += line + "\n";
    };
    return {keep, keep};
  }
  std::string lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  template <class Condition>
  static void eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "never";
      std::this_thread::yield();
    }
  }
  /// What the first fetch brings: the key of kVectors[9], named "1".
  void issue_first_key() {
    issuer.answer(set_of(kVectors[9].jwk, "1"));
    eventually([&] { return ring->ready().ok(); });
  }
  bool accepts(std::string_view token) {
    const auto keys = ring->keys();
    return verify(token, *keys, options, clock).principal.has_value();
  }

  SystemClock clock;
  metrics::Registry metrics;
  Options options;
  Issuer issuer;
  std::shared_ptr<KeyRing> ring;

 private:
  std::string directory_;
  std::mutex mutex_;
  std::string lines_;  // guarded by mutex_
};

TEST_F(KeyRingTest, HoldsTheKeysOfAllPlaces) {
  options.secret = std::string(32, 's');
  options.public_key_files = {write("a.pem", kVectors[3].pem), write("b.pem", kVectors[9].pem)};
  options.jwks = write("set.json", set_of(kVectors[11].jwk, "k"));
  open();
  EXPECT_EQ(ring->keys()->size(), 4u);
  EXPECT_TRUE(ring->ready().ok());
  for (const int i : {3, 9, 11}) EXPECT_TRUE(accepts(kVectors[i].token)) << i;
  EXPECT_FALSE(accepts(kVectors[10].token));
}

TEST_F(KeyRingTest, AFileThatCannotBeUsedEndsTheStart) {
  options.jwks = "/nowhere/set.json";
  EXPECT_EQ(open_error(), "the keys of `/nowhere/set.json`: cannot be read");
  options.jwks = write("set.json", R"({"keys":[]})");
  EXPECT_NE(open_error().find("set.json`: it holds no key that can be used"), std::string::npos);
  options.jwks.clear();
  options.public_key_files = {write("k.pem", vectors::kPrivatePem)};
  EXPECT_NE(open_error().find("k.pem`: it holds a private key"), std::string::npos);
}

TEST_F(KeyRingTest, AFileIsReadAgainWhenItChanges) {
  options.public_key_files = {write("a.pem", kVectors[3].pem)};
  options.jwks = write("set.json", set_of(kVectors[9].jwk, "1"));
  open();
  write("set.json", set_of(kVectors[11].jwk, "2"));
  eventually([&] { return accepts(kVectors[11].token); });
  EXPECT_FALSE(accepts(kVectors[9].token));
  write("a.pem", kVectors[10].pem);
  eventually([&] { return accepts(kVectors[10].token); });
  EXPECT_FALSE(accepts(kVectors[3].token));
}

TEST_F(KeyRingTest, AFileThatBreaksKeepsItsEarlierKeysAndSaysSoOnce) {
  options.jwks = write("set.json", set_of(kVectors[9].jwk, "1"));
  open();
  write("set.json", "half of it");
  eventually([&] { return !lines().empty(); });
  EXPECT_TRUE(accepts(kVectors[9].token));
  EXPECT_NE(lines().find("the earlier ones stay"), std::string::npos) << lines();
  EXPECT_NE(metrics.text().find("tidegate_auth_key_loads_total{result=\"failed\"} 1"), std::string::npos);
  write("set.json", set_of(kVectors[11].jwk, "2"));
  eventually([&] { return accepts(kVectors[11].token); });
  EXPECT_NE(lines().find("are there again"), std::string::npos);
}

TEST_F(KeyRingTest, AUrlIsFetchedByItselfAndNobodyWaitsForIt) {
  options.jwks = kUrl;
  open();
  issuer.wait_asked(1);
  EXPECT_EQ(issuer.url(), kUrl);
  EXPECT_TRUE(ring->keys()->empty()) << "it has not answered yet";
  EXPECT_NE(ring->ready().error().message.find("are being fetched"), std::string::npos);
  issue_first_key();
  EXPECT_TRUE(accepts(kVectors[9].token));
}

TEST_F(KeyRingTest, AUrlOutOfReachKeepsTheEarlierKeysAndIsAskedAgain) {
  options.jwks = kUrl;
  options.jwks_refresh = 0s;
  options.jwks_cooldown = 0ms;
  open();
  issuer.answer(Error{Fault::unavailable, "can't connect"});
  eventually([&] { return lines().find("can't connect") != std::string::npos; });
  issue_first_key();
  issuer.answer(Error{Fault::unavailable, "can't connect"});
  issuer.answer(std::string(R"({"keys":[]})"));
  issuer.wait_asked(5);
  EXPECT_TRUE(accepts(kVectors[9].token));
  EXPECT_TRUE(ring->ready().ok());
  EXPECT_NE(lines().find("the earlier ones stay"), std::string::npos);
  EXPECT_EQ(lines().find("hunter2"), std::string::npos);
}

TEST_F(KeyRingTest, ATokenWithAnUnknownKeyHasTheUrlFetchedAndSaysToTryAgain) {
  options.jwks = kUrl;
  options.jwks_cooldown = 0ms;
  open();
  issue_first_key();
  const Verifier verifier(options, ring, nullptr, clock, metrics);
  // {"alg":"ES256","kid":"2"} and no signature that would fit.
  const auto refused = verifier.verify("eyJhbGciOiJFUzI1NiIsImtpZCI6IjIifQ.e30.AA");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::denied);
  EXPECT_NE(refused.error().message.find("try again"), std::string::npos) << refused.error().message;
  EXPECT_NE(metrics.text().find("tidegate_auth_tokens_refused_total{reason=\"unknown_key\"} 1"),
            std::string::npos);
  issuer.wait_asked(2);
  issuer.answer(set_of(kVectors[11].jwk, "2"));
  eventually([&] { return accepts(kVectors[11].token); });
}

TEST_F(KeyRingTest, AnotherRefusalHasNothingFetched) {
  options.jwks = kUrl;
  options.jwks_cooldown = 0ms;
  open();
  issue_first_key();
  const Verifier verifier(options, ring, nullptr, clock, metrics);
  for (const std::string token : {"x", "eyJhbGciOiJFUzI1NiJ9.e30.AA", "eyJhbGciOiJub25lIn0.e30."}) {
    EXPECT_EQ(verifier.verify(token).error().message.find("try again"), std::string::npos);
  }
  EXPECT_EQ(issuer.asked(), 1);
}

TEST_F(KeyRingTest, SecretsFromAUrlAreIgnored) {
  options.jwks = kUrl;
  open();
  issuer.answer(set_of(kVectors[0].jwk, "1"));
  eventually([&] { return lines().find("a secret") != std::string::npos; });
  EXPECT_TRUE(ring->keys()->empty());
}

TEST_F(KeyRingTest, TheEndDoesNotWaitForAnIssuer) {
  options.jwks = kUrl;
  open();
  issuer.wait_asked(1);
  ring.reset();
}

TEST(RefreshSchedule, IsBoundedByTheCooldownWhoeverWantsIt) {
  RefreshSchedule schedule(300s, 10s);
  const Steady start = Steady{} + 1000s;
  EXPECT_LT(schedule.due(), start) << "at once";
  schedule.began();
  schedule.ended(start, true);
  EXPECT_EQ(schedule.due(), start + 300s);
  for (int i = 0; i < 1'000; ++i) schedule.want();
  EXPECT_EQ(schedule.due(), start + 10s);
  schedule.began();
  schedule.ended(start + 10s, true);
  EXPECT_EQ(schedule.due(), start + 310s) << "what was wanted was done";
  schedule.ended(start + 20s, false);
  EXPECT_EQ(schedule.due(), start + 30s) << "a failure is repeated";
  schedule.began();
  schedule.want();
  schedule.ended(start + 30s, true);
  EXPECT_EQ(schedule.due(), start + 40s) << "wanted while it was under way: perhaps too late for that answer";
}

}  // namespace
}  // namespace tidegate::auth
