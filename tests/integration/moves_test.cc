// What a cluster of Kafka does to its topics while we run on them: partitions are moved to another broker,
// the broker that leads them is stopped in order, killed, and comes back. Two real brokers, a matcher and two
// gateways. Clients that stay connected count each transaction and get neither a second snapshot nor a diff
// twice; a crowd that comes and goes is judged against the reference. How long nothing came is printed.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "integration/counting.h"
#include "integration/deployed.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// One transaction after the other, each of which raises row 0 by one, and clients of both gateways that must
/// be told of each by itself.
class Beat {
 public:
  static void create_table(const std::string& url) {
    rig::Sql(url).exec(
        "create table items (id integer primary key, n integer not null, body text); insert into items "
        "values "
        "(0, 0)");
  }
  Beat(client::Loop& loop, std::string url, const std::vector<int>& ports) : url_(std::move(url)) {
    for (const int port : ports) {
      for (const char* frames : {"json", ""})
        clients_.push_back(std::make_unique<Counting>(loop, port, frames));
    }
    for (const auto& client : clients_) EXPECT_TRUE(client->wait_count(0)) << client->fault();
    writer_ = std::thread([this] { write(); });
    watch_ = std::thread([this] { watch(); });
  }
  ~Beat() { stop(); }
  Beat(const Beat&) = delete;
  Beat& operator=(const Beat&) = delete;

  /// The longest time, since this was asked last, in which some client heard of nothing new.
  std::chrono::milliseconds longest_pause() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::duration(pause_.exchange(0)));
  }
  /// Waits until each client has been told of something that was committed from now on.
  void wait_beat() {
    const int now = committed_;
    for (const auto& client : clients_) EXPECT_TRUE(client->wait_count(now + 1)) << client->fault();
  }
  /// Ends the writing. Everybody was told of everything, once, and of nothing again.
  void expect_each_counted() {
    stop();
    for (const auto& client : clients_) {
      EXPECT_TRUE(client->wait_count(committed_)) << client->fault();
      const client::ReplicaCounts counts = client->held().counts();
      EXPECT_EQ(client->count(), committed_);
      EXPECT_EQ(counts.snapshots, 1u) << "nobody is reset";
      EXPECT_EQ(counts.contradictions + counts.disorders + counts.unreadable, 0u);
    }
    std::cout << committed_ << " transactions counted by each of " << clients_.size() << " clients\n";
  }

 private:
  void write() {
    rig::Sql sql(url_);
    while (!stopping_) {
      sql.exec("update items set n = n + 1 where id = 0");
      ++committed_;
      sql.exec("select pg_sleep(0.005)");
    }
  }
  void watch() {
    std::vector<int> counts(clients_.size(), 0);
    std::vector<Clock::time_point> since(clients_.size(), Clock::now());
    while (!stopping_) {
      rig::look_again();
      const auto now = Clock::now();
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const int count = clients_[i]->count();
        pause_ = std::max(pause_.load(), (now - since[i]).count());
        if (count != counts[i]) since[i] = now;
        counts[i] = count;
      }
    }
  }
  void stop() {
    stopping_ = true;
    for (std::thread* thread : {&writer_, &watch_}) {
      if (thread->joinable()) thread->join();
    }
  }

  const std::string url_;
  std::vector<std::unique_ptr<Counting>> clients_;
  std::atomic<int> committed_{0};
  std::atomic<Clock::rep> pause_{0};
  std::atomic<bool> stopping_{false};
  std::thread writer_;
  std::thread watch_;
};

class Moves : public Deployed {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<rig::PostgresServer>();
    const rig::KafkaBroker::Settings settings{{"controlled.shutdown.enable", "true"},
                                              {"auto.leader.rebalance.enable", "false"},
                                              {"auto.create.topics.enable", "false"}};
    broker = std::make_unique<rig::KafkaBroker>(settings);
    second = rig::KafkaBroker::beside(*broker, 2, settings);
  }
  static void TearDownTestSuite() {
    second.reset();
    Deployed::TearDownTestSuite();
  }

  Moves() { Beat::create_table(url); }

  /// Topics that `setup` makes, on so many brokers, led by the second, which has no controller to lose.
  void deploy_on(int replicas) {
    Deployment::Flags flags;
    // No lease ends, and no answer comes late, because a busy machine keeps one of them waiting.
    flags.matcher = {"--lease-ms", "60000"};
    flags.gateways = {"--auth",          "none",  "--lease-ms",       "60000",
                      "--ack-within-ms", "60000", "--stale-after-ms", "2000"};
    flags.setup = {"--topic-partitions", "2", "--topic-replicas", std::to_string(replicas)};
    deployment = std::make_unique<Deployment>(url, broker->brokers() + "," + second->brokers(), name, flags);
    ASSERT_NO_FATAL_FAILURE(wait_ready());
    broker->move(topics, replicas == 1 ? std::vector{2} : std::vector{2, 1});
    if (replicas > 1) broker->elect_preferred(topics);
    broker->wait_led(topics, 2, replicas);
    crowd = gather();
    beat.emplace(loop, url,
                 std::vector{deployment->port(Deployment::first), deployment->port(Deployment::second)});
    epoch = epoch_of(*crowd);
    measured("before anything happens");
  }
  void measured(const std::string& what) {
    beat->wait_beat();
    say(what + ": nothing came for " + std::to_string(beat->longest_pause().count()) + " ms at most");
  }
  void expect_nothing_lost() {
    beat->expect_each_counted();
    expect_exact(*crowd);
    EXPECT_EQ(epoch_of(*crowd), epoch);
    for (const Who who : {Deployment::first, Deployment::second})
      EXPECT_EQ(deployment->metric(who, "tidegate_feed_resets_total"), 0) << "nothing is reset";
    EXPECT_EQ(deployment->output(Deployment::matcher).find("may be missing"), std::string::npos)
        << "rule 4: what another leader has is acknowledged to the same producer";
  }

  static inline std::unique_ptr<rig::KafkaBroker> second;
  const rig::KafkaBroker::Topics topics{name + ".diffs", name + ".diffs.control"};
  std::unique_ptr<Crowd> crowd;
  std::optional<Beat> beat;
  Epoch epoch;
};

TEST_F(Moves, partitions_that_move_to_another_broker_cost_a_pause_and_nothing_else) {
  ASSERT_NO_FATAL_FAILURE(deploy_on(1));
  for (const int node : {1, 2}) {
    broker->move(topics, {node});
    measured("moved to broker " + std::to_string(node));
  }
  expect_nothing_lost();
}

TEST_F(Moves, a_leader_that_is_stopped_or_killed_and_comes_back_costs_a_pause_and_nothing_else) {
  ASSERT_NO_FATAL_FAILURE(deploy_on(2));
  second->stop();
  broker->wait_led(topics, 1, 1);
  measured("its leader was stopped (SIGTERM)");
  second->start();
  broker->wait_led(topics, 1, 2);
  measured("it came back as a follower");
  broker->elect_preferred(topics);
  measured("it leads again");
  second->kill();
  broker->wait_led(topics, 1, 1);
  measured("its leader was killed (a broker's session is 3 s here)");
  second->start();
  broker->wait_led(topics, 1, 2);
  measured("it came back as a follower");
  expect_nothing_lost();
}

TEST_F(Moves, the_only_broker_of_a_topic_that_is_killed_is_waited_for_and_costs_nothing_else) {
  ASSERT_NO_FATAL_FAILURE(deploy_on(1));
  const auto told = crowd->told_stale();
  second->kill();
  EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
  second->start();
  measured("its only broker was killed, and came back");
  expect_nothing_lost();
}

TEST_F(Moves, setup_makes_topics_on_as_many_brokers_as_are_wanted) {
  const auto third = rig::KafkaBroker::beside(*broker, 3);
  const auto setup = [&](const std::string& topic, const Words& more) {
    Words words{"setup", "--kafka", broker->brokers(), "--topic", topic};
    words.insert(words.end(), more.begin(), more.end());
    rig::Tidegate program(words, {}, false);
    EXPECT_EQ(program.process().wait(), 0) << program.output();
    return program.output();
  };
  const auto says = [](const std::string& output, const std::string& words) {
    return output.find(words) != std::string::npos;
  };
  setup(name, {"--topic-partitions", "2", "--topic-replicas", "3"});
  std::string found = setup(name, {"--check", "--topic-replicas", "3"});
  EXPECT_TRUE(says(found, "topic " + name + " is there, with 2 partitions")) << found;
  EXPECT_FALSE(says(found, "are wanted")) << found;
  EXPECT_FALSE(says(found, "min.insync.replicas=1")) << "one of three brokers may be lost: " << found;

  setup(name + ".two", {"--topic-replicas", "2"});
  found = setup(name + ".two", {"--check", "--topic-replicas", "3"});
  for (const char* topic : {".two", ".two.control", ".two.revocations"})
    EXPECT_TRUE(says(found, name + topic + " has 2 replicas, 3 are wanted")) << found;
  EXPECT_TRUE(says(found, "min.insync.replicas=1")) << "two would stop when one of them is away: " << found;
}

}  // namespace
}  // namespace tidegate::test
