// C5 in pass-through, where tenants are apart by the key that `--key-template` makes and by a proxy that says
// who a client is (`x-tenant`): fifty tenants, a hostile client for each beside its honest ones, while
// records of all of them come. Invariants:
// 1. nothing that any client gets holds a foreign secret, or a tenant's name that it has not said itself;
// 2. an honest client gets each record of its key, once and in order, from where it began or went on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "integration/raider.h"
#include "integration/upstream.h"
#include "rig/postgres.h"

namespace tidegate::test {
namespace {

constexpr int kTenants = 50;
constexpr int kRaiders = 4;  // threads
constexpr int kKeys = 2;     // of a tenant, an honest client each
constexpr int kPartitions = 3;

auto* const broker = static_cast<Broker*>(testing::AddGlobalTestEnvironment(new Broker));

std::string key_of(int tenant, int key) {
  return fmt::format("{}/q{}", Secrets::name(tenant), key);
}

/// Fills the topic with records that say whose they are and count: the n-th of each key has LSN n.
class Producer {
 public:
  Producer(Upstream& upstream, const Secrets& secrets)
      : upstream_(upstream), secrets_(secrets), thread_([this] { run(); }) {}
  ~Producer() { stop(); }
  void stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int rounds() const { return rounds_; }

 private:
  void run() {
    while (!over_) {
      const int round = rounds_ + 1;
      for (int tenant = 0; tenant < kTenants; ++tenant) {
        for (int key = 0; key < kKeys; ++key) {
          const std::string& secret = secrets_.of[static_cast<std::size_t>(tenant)];
          upstream_.queue(key_of(tenant, key), static_cast<std::uint64_t>(round),
                          fmt::format("{} {} {}", secret, key_of(tenant, key), round));
        }
      }
      upstream_.flush();
      ++rounds_;
    }
  }
  Upstream& upstream_;
  const Secrets& secrets_;
  std::atomic<bool> over_{false};
  std::atomic<int> rounds_{0};
  std::thread thread_;
};

/// A client of one key that goes on with `resumeFromVersion` where it left.
class Honest {
 public:
  Honest(client::Loop& loop, int port, int tenant, int key)
      : loop_(loop), port_(port), tenant_(tenant), key_(key) {
    connect("");
  }
  void come_back() {
    take();
    connect(fmt::format(R"(,"resumeFromVersion":{})", got_.empty() ? 0 : last()));
  }
  /// Waits until the record of that number has come.
  bool wait(int round) const {
    const std::string record = fmt::format(" {} {}", key_of(tenant_, key_), round);
    return rig::eventually([&] {
      const auto binaries = client_->binaries();
      return !binaries.empty() && binaries.back().ends_with(record);
    });
  }
  /// Holds each record against what must be the next one.
  void judge(const Secrets& secrets, Findings& findings) {
    take();
    Scanner scanner(secrets, tenant_);
    for (const std::string& text : texts_) scanner.scan(text);
    const std::string& secret = secrets.of[static_cast<std::size_t>(tenant_)];
    for (std::size_t i = 0; i < got_.size(); ++i) {
      scanner.scan(got_[i]);
      ASSERT_EQ(got_[i], fmt::format("{} {} {}", secret, key_of(tenant_, key_), i + 1))
          << "one is missing, doubled or out of order";
    }
    findings.add(scanner.findings());
  }
  [[nodiscard]] std::size_t received() const { return got_.size(); }

 private:
  void connect(const std::string& more) {
    client::Settings settings;
    settings.headers = {{"x-tenant", Secrets::name(tenant_)}};
    client_ = std::make_unique<SeedClient>(loop_, port_, settings);
    EXPECT_TRUE(client_->subscribed("q" + std::to_string(key_), more)) << client_->failure();
  }
  void take() {
    if (client_ == nullptr) return;
    for (std::string& record : client_->binaries()) got_.push_back(std::move(record));
    for (std::string& text : client_->texts()) texts_.push_back(std::move(text));
    client_.reset();
  }
  [[nodiscard]] int last() const { return std::stoi(got_.back().substr(got_.back().rfind(' '))); }

  client::Loop& loop_;
  const int port_;
  const int tenant_;
  const int key_;
  std::vector<std::string> got_;    // by connections that are over
  std::vector<std::string> texts_;  // the same
  std::unique_ptr<SeedClient> client_;
};

std::string subscribe(const std::string& table, const std::string& hash_id, const std::string& more = "") {
  return fmt::format(R"({{"op":"subscribe","table":"{}","hashId":"{}","queryFbB64":"AA=="{}}})", table,
                     hash_id, more);
}

/// What a client of one tenant may say to get at another's keys. A name that is asked for again is the later
/// use's alone, so that each ends with one that stays.
std::vector<std::string> attacks_on(const std::string& victim, const std::string& table) {
  std::vector<std::string> all;
  const std::string key = victim + "/q0";
  // Foreign names, whole keys, and what may become one when it is joined, decoded or replaced.
  const std::vector<std::string> names{key,
                                       "/" + key,
                                       "../" + key,
                                       "..%2f" + key,
                                       victim + "%2Fq0",
                                       victim + "\\/q0",
                                       "q0/../../" + key,
                                       "{tenant}",
                                       "{hashId}",
                                       "{table}",
                                       "{tenant}/q0",
                                       "\\u0000" + key,
                                       key + "\\u0000",
                                       "q0\\n" + key,
                                       "*",
                                       "%",
                                       "q0%00",
                                       victim + "/*",
                                       victim,
                                       "q0," + key,
                                       "q0 " + key,
                                       "",
                                       "q1",
                                       "q0",
                                       "\\u0008\\u0008" + key};
  for (const std::string& name : names) {
    // The whole past, and places that are others'.
    for (const char* place :
         {R"("resumeFromVersion":0)", R"("resumeFromVersion":"0")", R"("resumeFromVersion":1)",
          R"("resumeFromVersion":18446744073709551615)", R"("resumeFromVersion":-1)",
          R"("cursor":{"lsn":"0"})", R"("cursor":{"lsn":"1","offset":0,"partition":0})", R"("cursor":"AAAA")",
          R"("frames":"base64")"})
      all.push_back(subscribe(table, name, std::string(",") + place));
    for (const char* member :
         {"tenant", "x-tenant", "key", "routingKey", "routing_key", "channel", "same_as"}) {
      for (const std::string& value : {victim, key})
        all.push_back(subscribe(table, name, fmt::format(R"(,"{}":"{}")", member, value)));
    }
    all.push_back(subscribe(table, name));
  }
  for (const std::string& said :
       {R"({"op":"unsubscribe","table":"t","hashId":")" + key + "\"}",
        R"({"op":"auth","token":"x","tenant":")" + victim + "\"}",
        R"({"op":"tenant","tenant":")" + victim + "\"}",
        R"({"op":"subscribe","hashId":")" + victim + R"(","sql":"select * from t"})"})
    all.push_back(said);
  return all;
}

class PassThroughIsolation : public testing::Test {
 protected:
  /// Says it all, and stays until everybody's records have come a few times: the victim's as well.
  void raid_as(const std::string& name, int tenant, const std::string& victim) {
    const std::string subprotocol = tenant % 2 == 0 ? "json" : "tidegate.v1";
    for (const std::string& table : {std::string("t"), victim, std::string("{tenant}"), victim + "/q0"}) {
      Raider raider(secrets, tenant, port,
                    "Sec-WebSocket-Protocol: " + subprotocol + ", bearer." + victim +
                        "\r\nx-tenant: " + name + "\r\nx-user: " + victim + "\r\nAuthorization: Bearer " +
                        victim + "\r\nx-forwarded-tenant: " + victim + "\r\n");
      ASSERT_TRUE(raider.open());
      const auto attacks = attacks_on(victim, table);
      for (const std::string& attack : attacks) raider.say(attack);
      ASSERT_TRUE(raider.settle()) << "a raider lost its connection";
      if (tenant >= 0) {
        ASSERT_TRUE(raider.hear("(binary)", raider.heard("(binary)") + 4)) << "its own do not come";
      } else {
        const int round = producer->rounds();
        EXPECT_TRUE(rig::eventually([&] { return producer->rounds() >= round + 3; }));
        ASSERT_TRUE(raider.settle());
      }
      if (name.find('/') != name.npos) {
        EXPECT_EQ(raider.heard("ack"), 0u) << "its keys would be another's";
      }
      count(raider, attacks.size());
    }
  }
  void raid(int tenant) {
    const std::string own = Secrets::name(tenant);
    const std::string victim = Secrets::name((tenant + 1) % kTenants);
    ASSERT_NO_FATAL_FAILURE(raid_as(own, tenant, victim));
    if (tenant % 10 != 0) return;
    // As something that a tenant may be called, or nobody.
    for (const std::string& name :
         {victim + "/q0", own + "/../" + victim, std::string(), victim.substr(0, 4)})
      ASSERT_NO_FATAL_FAILURE(raid_as(name, -1, victim));
    Raider twice(secrets, -1, port, "x-tenant: " + victim + "\r\nx-tenant: " + own + "\r\n");
    EXPECT_FALSE(twice.open()) << "which of them the proxy has added nobody can say";
    count(twice, 1);
  }
  void count(const Raider& raider, std::size_t attempts) {
    const std::lock_guard lock(mutex);
    findings.add(raider.findings());
    tried += attempts;
  }
  void raid_all() {
    std::vector<std::thread> threads;
    for (int first = 0; first < kRaiders; ++first) {
      threads.emplace_back([this, first] {
        for (int tenant = first; tenant < kTenants && !HasFatalFailure(); tenant += kRaiders) raid(tenant);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  const Secrets secrets{kTenants};
  Upstream upstream{broker->get(), kPartitions};
  client::Loop loop;
  int port = 0;
  std::optional<Producer> producer;
  std::mutex mutex;
  Findings findings;  // guarded by mutex, as the next
  std::size_t tried = 0;
};

TEST_F(PassThroughIsolation, c5_no_foreign_byte_where_the_key_says_whose_a_record_is) {
  const auto gateway = upstream.serve({"--key-template", "{tenant}/{hashId}"});
  port = gateway->port();
  std::vector<std::unique_ptr<Honest>> all;
  for (int tenant = 0; tenant < kTenants; ++tenant) {
    for (int key = 0; key < kKeys; ++key) all.push_back(std::make_unique<Honest>(loop, port, tenant, key));
  }
  producer.emplace(upstream, secrets);
  raid_all();
  for (std::size_t i = 0; i < all.size(); i += 7) all[i]->come_back();
  ASSERT_NO_FATAL_FAILURE(raid(0));
  EXPECT_TRUE(rig::eventually([&] { return producer->rounds() >= 50; }));
  producer->stop();
  ASSERT_EQ(findings.foreign, 0u) << findings.first;
  std::size_t records = 0;
  for (const auto& one : all) {
    ASSERT_TRUE(one->wait(producer->rounds())) << gateway->output();
    ASSERT_NO_FATAL_FAILURE(one->judge(secrets, findings));
    EXPECT_EQ(one->received(), static_cast<std::size_t>(producer->rounds()));
    records += one->received();
  }
  std::cout << fmt::format(
      "{} attempts, {} honest clients with {} records; {} frames and {} bytes scanned, {} foreign\n", tried,
      all.size(), records, findings.frames, findings.bytes, findings.foreign);
  EXPECT_EQ(findings.foreign, 0u) << findings.first;
  EXPECT_GE(records, 5'000u);
}

}  // namespace
}  // namespace tidegate::test
