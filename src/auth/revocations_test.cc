// Revoked tokens. Invariants:
// 1. who is concerned is refused until its token would have expired, and not forgotten before;
// 2. where it can't be known whether a token is revoked, none is accepted;
// 3. memory is bounded: what has no room is refused to the operator, or ends all acceptance.

#include "auth/revocations.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "auth/revocation_file.h"
#include "auth/verifier.h"

namespace tidegate::auth {
namespace {

using std::chrono::seconds;

class SetClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return {}; }
  [[nodiscard]] Wall wall() const override { return Wall(seconds(now)); }
  std::int64_t now = 1'000;
};

constexpr std::size_t kPlenty = 1 << 20;

class RevocationsTest : public testing::Test {
 protected:
  RevocationsTest() {
    directory =
        std::filesystem::temp_directory_path() / ("tidegate-revocations-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    path = (directory / "revoked").string();
  }
  ~RevocationsTest() override { std::filesystem::remove_all(directory); }

  [[nodiscard]] std::shared_ptr<Revocations> make(std::size_t bytes_max = kPlenty) {
    return std::make_shared<Revocations>(bytes_max, seconds(30), clock, metrics);
  }
  static Principal who(const std::string& subject, const std::string& id = "",
                       std::optional<std::int64_t> issued = 900) {
    return {subject, "acme", 5'000, "", id, issued};
  }
  static Revocation token(const std::string& id, std::int64_t until = 5'000) {
    return {Revocation::Of::token, id, 0, until};
  }
  static Revocation subject(const std::string& name, std::int64_t at, std::int64_t until = 5'000) {
    return {Revocation::Of::subject, name, at, until};
  }
  [[nodiscard]] double metric(const std::string& name) const {
    std::istringstream lines(metrics.text());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + " ")) return std::stod(line.substr(name.size()));
    }
    return -1;
  }

  SetClock clock;
  metrics::Registry metrics;
  std::filesystem::path directory;
  std::string path;
};

TEST_F(RevocationsTest, ATokenIsKnownByItsId) {
  const auto all = make();
  all->add(token("a"));
  EXPECT_TRUE(all->concern(who("ann", "a")));
  EXPECT_FALSE(all->concern(who("ann", "b")));
  EXPECT_FALSE(all->concern(who("a", "")));
}

TEST_F(RevocationsTest, ASubjectsTokensAreThoseThatWereIssuedUntilThen) {
  const auto all = make();
  all->add(subject("ann", 1'000));
  EXPECT_TRUE(all->concern(who("ann", "", 999)));
  EXPECT_TRUE(all->concern(who("ann", "", 1'000)));
  EXPECT_FALSE(all->concern(who("ann", "", 1'001)));
  EXPECT_TRUE(all->concern(who("ann", "", std::nullopt))) << "issued nobody knows when";
  EXPECT_FALSE(all->concern(who("bob", "ann", 999)));
}

TEST_F(RevocationsTest, NoneIsForgottenBeforeItsTokensHaveExpired) {
  const auto all = make();
  all->add(token("a", 2'000));
  clock.now = 2'029;  // a token counts until its `exp` and the leeway
  EXPECT_TRUE(all->concern(who("ann", "a")));
  EXPECT_TRUE(all->take_forgotten().empty());
  clock.now = 2'030;
  EXPECT_FALSE(all->concern(who("ann", "a")));
  EXPECT_EQ(all->take_forgotten(), std::vector<std::string>{"jti/a"});
  all->add(token("late", 2'000));
  EXPECT_FALSE(all->concern(who("ann", "late")));
}

TEST_F(RevocationsTest, OneThatComesAgainAfterItWasForgottenIsForgottenNoMore) {
  const auto all = make();
  all->add(subject("ann", 1'000, 2'000));
  all->add(token("a", 2'000));
  clock.now = 3'000;  // both are over: their records may go
  all->add(subject("ann", 3'000, 4'000));
  EXPECT_EQ(all->take_forgotten(), std::vector<std::string>{"jti/a"}) << "the new record would go, too";
  all->add(token("b", 3'500));
  clock.now = 3'600;
  all->add(token("c"));  // forgets `b`
  all->add(token("b"));
  EXPECT_TRUE(all->take_forgotten().empty());
  EXPECT_TRUE(all->concern(who("ann")));
  EXPECT_TRUE(all->concern(who("bob", "b")));
}

TEST_F(RevocationsTest, AnEarlierOneIsNeverTakenBack) {
  const auto all = make();
  all->add(subject("ann", 1'000, 9'000));
  const Revocation counts = all->add(subject("ann", 500, 2'000));
  EXPECT_EQ(counts.at_unix_s, 1'000);
  EXPECT_EQ(counts.until_unix_s, 9'000);
  clock.now = 8'000;
  EXPECT_TRUE(all->concern(who("ann", "", 1'000)));
}

TEST_F(RevocationsTest, EachThatIsNewIsToldOnce) {
  const auto all = make();
  int told = 0;
  all->on_added([&](const Revocation& one) {
    EXPECT_EQ(one.name, "a");
    EXPECT_TRUE(all->concern(who("ann", "a"))) << "told before it counts";
    ++told;
  });
  all->add(token("a"));
  all->add(token("a"));
  EXPECT_EQ(told, 1);
}

TEST_F(RevocationsTest, NoTokenIsAcceptedBeforeTheListIsRead) {
  Options options;
  options.secret = std::string(32, 's');
  auto ring = KeyRing::open(options, {}, {}, clock, metrics);
  ASSERT_TRUE(ring);
  const auto all = make();
  const Verifier verifier(options, std::move(*ring), all, clock, metrics);
  const std::string good = mint(who("ann", "a"), options);
  const auto early = verifier.verify(good);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().fault, Fault::unavailable);
  all->whole();
  EXPECT_TRUE(verifier.verify(good));
  all->add(token("a"));
  const auto revoked = verifier.verify(good);
  ASSERT_FALSE(revoked);
  EXPECT_EQ(revoked.error().fault, Fault::denied);
  EXPECT_EQ(revoked.error().message, "token: is revoked");
}

TEST_F(RevocationsTest, WhatHasNoRoomEndsAllAcceptanceAndIsStillTold) {
  const auto all = make(1'000);
  all->whole();
  int told = 0;
  all->on_added([&](const Revocation&) { ++told; });
  int added = 0;
  while (all->ready() && added < 1'000) all->add(token("id" + std::to_string(++added)));
  ASSERT_FALSE(all->ready());
  EXPECT_EQ(told, added) << "who is connected is closed in any case";
  EXPECT_NE(all->ready().error().message.find("--revocations-bytes-max"), std::string::npos);
  EXPECT_EQ(metric("tidegate_auth_revocations_without_room_total"), 1);
  EXPECT_LE(metric("tidegate_auth_revocations_bytes"), 1'000);
  clock.now = 9'000;
  EXPECT_FALSE(all->ready()) << "what was lost is not known";
}

TEST_F(RevocationsTest, AnOperatorIsRefusedBeforeTheRoomIsGone) {
  const auto all = make(10'000);
  all->whole();
  int added = 0;
  while (all->has_room(token("id" + std::to_string(added))) && added < 10'000)
    all->add(token("id" + std::to_string(added++)));
  EXPECT_TRUE(all->ready());
  EXPECT_GT(added, 10);
  EXPECT_GE(metric("tidegate_auth_revocations_bytes"), 8'000);
  EXPECT_TRUE(all->has_room(token("id0"))) << "it is there already";
  clock.now = 9'000;
  EXPECT_EQ(all->take_forgotten().size(), static_cast<std::size_t>(added));
  EXPECT_TRUE(all->has_room(token("another", 10'000)));
}

TEST_F(RevocationsTest, BadRecordsAreNamed) {
  for (const char* bad :
       {"", "null", "[]", "{}", R"({"jti":"a"})", R"({"jti":"","until":1})",
        R"({"jti":"a","subject":"b","until":1})", R"({"jti":"a","until":"1"})", R"({"jti":"a","until":-1})",
        R"({"subject":"a","until":1})", R"({"jti":1,"until":1})"}) {
    EXPECT_FALSE(Revocation::parse(bad)) << bad;
  }
  const auto good = Revocation::parse(R"({"subject":"a","at":1,"until":2,"more":true})");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->json(), R"({"subject":"a","at":1,"until":2})");
}

TEST_F(RevocationsTest, AFileKeepsThemOverARestart) {
  {
    const auto all = make();
    const auto file = RevocationFile::open(path, *all);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE((*file)->append(token("a")));
    ASSERT_TRUE((*file)->append(subject("ann", 1'000)));
    ASSERT_TRUE((*file)->append(token("short", 1'001)));
  }
  std::ofstream(path, std::ios::app) << R"({"jti":"half)";  // the machine went down
  clock.now = 1'100;
  const auto again = make();
  ASSERT_TRUE(RevocationFile::open(path, *again));
  EXPECT_TRUE(again->concern(who("bob", "a")));
  EXPECT_TRUE(again->concern(who("ann")));
  EXPECT_EQ(metric("tidegate_auth_revocations_unreadable_total"), 1);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), token("a").json() + "\n" + subject("ann", 1'000).json() + "\n") << "written anew";
}

/// While it lives, files grow to `bytes` and no further, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(std::uintmax_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit full = before_;
    full.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(RevocationsTest, AFileOnADiskThatWasFullHoldsWhatWasKeptBeforeAndAfter) {
  const auto all = make();
  const auto file = RevocationFile::open(path, *all);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(token("before")));
  {
    const FullDisk full(std::filesystem::file_size(path) + 10);  // half a line has room
    const Status kept = (*file)->append(token("lost"));
    ASSERT_FALSE(kept);
    EXPECT_NE(kept.error().message.find(path), std::string::npos) << kept.error().message;
  }
  ASSERT_TRUE((*file)->append(token("after")));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), token("before").json() + "\n" + token("after").json() + "\n");
}

TEST_F(RevocationsTest, HalfALineOfAFileSwallowsNotTheNext) {
  const auto all = make();
  const auto file = RevocationFile::open(path, *all);
  ASSERT_TRUE(file);
  std::ofstream(path, std::ios::app) << R"({"jti":"half)";
  ASSERT_TRUE((*file)->append(token("next")));
  const auto again = make();
  ASSERT_TRUE(RevocationFile::open(path, *again));
  EXPECT_TRUE(again->concern(who("bob", "next")));
}

TEST_F(RevocationsTest, AFileThatCannotBeReadIsAnError) {
  std::filesystem::create_directory(path);
  const auto all = make();
  const auto file = RevocationFile::open(path, *all);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find(path), std::string::npos) << file.error().message;
}

}  // namespace
}  // namespace tidegate::auth
