#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "integration/crowd.h"
#include "integration/deployment.h"

namespace tidegate::test {

/// A whole deployment under a crowd, for tests that take something from it. One server and one broker for all
/// tests of a program; a database, a slot and topics for each.
class Deployed : public ::testing::Test {
 protected:
  using Who = Deployment::Who;
  using Words = Deployment::Words;
  static constexpr int kStayers = 10;

  static void SetUpTestSuite() {
    server = std::make_unique<rig::PostgresServer>();
    broker = std::make_unique<rig::KafkaBroker>();
  }
  static void TearDownTestSuite() {
    broker.reset();
    server.reset();
  }

  Deployed() : name("shop" + std::to_string(++count)), url(server->create_database(name)) {
    Workload::create_table(url);
    rig::Sql(url).exec(
        "create table fat (id integer primary key, body text); alter table fat replica identity full; "
        "insert into fat select i, repeat('x', 500000) from generate_series(1, 40) i");
  }
  ~Deployed() override {
    if (HasFailure() && deployment) std::cout << deployment->output();
  }

  /// Short times, so that what needs a lapse of them is seen soon; `more` flags of the matcher.
  void deploy(const Words& more = {}) {
    broker->create_topic(name + ".diffs", 2);
    const Words lease{"--lease-ms", "3000"};
    Deployment::Flags flags{lease, lease};
    for (const char* word : {"--auth", "none", "--linger-ms", "1000", "--stale-after-ms", "2000"})
      flags.gateways.emplace_back(word);
    for (const char* word : {"--match-linger-ms", "300"}) flags.matcher.emplace_back(word);
    flags.matcher.insert(flags.matcher.end(), more.begin(), more.end());
    deployment = std::make_unique<Deployment>(url, broker->brokers(), name, flags);
    wait_ready();
  }
  void deploy_one_node(const Words& more = {}) {
    Deployment::Flags flags{{"--auth", "none", "--linger-ms", "1000", "--match-linger-ms", "300"}, {}};
    flags.gateways.insert(flags.gateways.end(), more.begin(), more.end());
    deployment = std::make_unique<Deployment>(url, "", name, flags);
    ASSERT_TRUE(deployment->wait_ready(Deployment::first)) << deployment->output();
  }
  void wait_ready() const {
    for (const Who who : {Deployment::matcher, Deployment::first, Deployment::second}) {
      ASSERT_TRUE(deployment->wait_ready(who)) << deployment->output();
    }
  }
  std::unique_ptr<Crowd> gather(std::size_t gateways = 2) const {
    auto crowd = std::make_unique<Crowd>(
        url, [this](std::size_t gateway) { return deployment->port(static_cast<Who>(gateway)); }, gateways,
        kStayers);
    EXPECT_TRUE(crowd->wait_whole()) << deployment->output();
    return crowd;
  }
  void say(const std::string& what) const {
    const auto now = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    std::printf("%6.1f s %s\n", now, what.c_str());
    std::fflush(stdout);
  }
  void expect_exact(Crowd& crowd) const {
    const Verdict verdict = crowd.settle();
    EXPECT_EQ(verdict.faults, 0u) << verdict.first;
    EXPECT_GE(verdict.diffs, 300u) << "the load was too thin to show anything";
  }
  /// Of all who stay; they agree.
  static Epoch epoch_of(const Crowd& crowd) {
    const Epoch epoch = crowd.stayers()[0].watcher->cursor()->epoch;
    for (const Watched& each : crowd.stayers()) EXPECT_EQ(each.watcher->cursor()->epoch, epoch);
    return epoch;
  }

  static inline std::unique_ptr<rig::PostgresServer> server;
  static inline std::unique_ptr<rig::KafkaBroker> broker;
  static inline int count = 0;

  const std::string name;
  const std::string url;
  std::unique_ptr<Deployment> deployment;
  client::Loop loop;
  const std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::mt19937 random{new_seed()};
};

}  // namespace tidegate::test
