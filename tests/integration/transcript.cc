#include "integration/transcript.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "base/encoding.h"

namespace tidegate::test {
namespace {

namespace json = boost::json;

const json::array& scenarios() {
  static const json::value recorded = [] {
    std::ifstream file(TIDEGATE_ROOT "/tests/integration/transcripts.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str());
  }();
  return recorded.at("scenarios").as_array();
}

std::string string_of(const json::value& value) {
  return std::string(value.as_string());
}

/// The text that the seed wrote for this message: the members in the order of its source.
std::string as_the_seed_wrote(const json::value& message) {
  const std::string op = string_of(message.at("op"));
  if (op == "ack") return seed_ack(string_of(message.at("hashId")));
  if (op == "error") return seed_error(string_of(message.at("code")), string_of(message.at("message")));
  if (op == "snapshot") {
    return seed_snapshot(string_of(message.at("hashId")), string_of(message.at("cursor").at("lsn")));
  }
  return kSeedPong;
}

class Player {
 public:
  Player(const json::value& scenario, client::Loop& loop, int port, Upstream& upstream, int number,
         std::uint64_t base)
      : scenario_(scenario),
        upstream_(upstream),
        number_(std::to_string(number)),
        base_(base),
        mark_(loop, port, upstream),
        client_(loop, port, settings()) {}

  void play() {
    const auto selected = client_.wait_open();
    ASSERT_TRUE(selected) << client_.failure();
    const json::value& recorded = scenario_.at("transcript").at(0).at("selected");
    EXPECT_EQ(*selected, recorded.is_null() ? "" : string_of(recorded));
    for (const json::value& step : scenario_.at("steps").as_array()) {
      take(step.as_object());
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_TRUE(mark_.passed(client_));
    compare();
  }

 private:
  client::Settings settings() const {
    client::Settings settings;
    if (const auto* protocols = scenario_.as_object().if_contains("protocols")) {
      for (const json::value& each : protocols->as_array()) settings.subprotocols.push_back(string_of(each));
    }
    return settings;
  }

  std::string filled(const json::value& text) const {
    std::string out = string_of(text);
    for (std::size_t at = 0; (at = out.find("{n}")) != std::string::npos;) out.replace(at, 3, number_);
    return out;
  }

  void take(const json::object& step) {
    if (const auto* message = step.if_contains("send")) client_.send(filled(*message));
    if (const auto* bytes = step.if_contains("sendBinary")) {
      client_.send_binary(hex_decode(string_of(*bytes)).value());
    }
    if (const auto* record = step.if_contains("produce")) produce(*record);
    if (const auto* frames = step.if_contains("expect")) {
      expected_ += static_cast<std::size_t>(frames->as_int64());
      ASSERT_TRUE(client_.wait_count(expected_)) << json::serialize(step) << client_.failure();
    }
    if (step.contains("wait")) {
      EXPECT_TRUE(mark_.passed());
    }
    if (step.contains("quiet")) {
      EXPECT_TRUE(mark_.passed(client_));
      pongs_.push_back(expected_++);
    }
  }

  void produce(const json::value& record) {
    const std::string key = filled(record.at("key"));
    const std::string value = string_of(record.at("value"));
    const json::value& lsn = record.at("lsn");
    ASSERT_TRUE(lsn.is_string() && !string_of(lsn).starts_with("raw:")) << "no recording has it";
    upstream_.produce(key, base_ + std::stoull(string_of(lsn)), value);
  }

  void compare() {
    std::vector<Received> received = client_.received();
    ASSERT_FALSE(received.empty());
    received.pop_back();  // the last mark's pong
    for (auto at = pongs_.rbegin(); at != pongs_.rend(); ++at) {
      ASSERT_LT(*at, received.size());
      ASSERT_EQ(received[*at], text(kSeedPong)) << "something came while the seed was quiet";
      received.erase(received.begin() + static_cast<std::ptrdiff_t>(*at));
    }
    std::size_t next = 0;
    for (const json::value& entry : scenario_.at("transcript").as_array()) {
      const auto* message = entry.as_object().if_contains("text");
      const auto* bytes = entry.as_object().if_contains("binary");
      if (message == nullptr && bytes == nullptr) continue;
      ASSERT_LT(next, received.size()) << "missing: " << json::serialize(entry);
      const Received& got = received[next++];
      if (bytes != nullptr) {
        EXPECT_EQ(got, binary(hex_decode(string_of(*bytes)).value()));
      } else {
        compare(*message, got);
      }
    }
    EXPECT_EQ(next, received.size()) << "more came than the seed sent";
  }

  void compare(json::value recorded, const Received& got) const {
    ASSERT_TRUE(got.text);
    const json::value ours = json::parse(got.bytes);
    for (auto& [name, member] : recorded.as_object()) {
      if (name == "hashId") member = filled(member);
    }
    if (auto* cursor = recorded.as_object().if_contains("cursor")) {
      json::value& lsn = cursor->at("lsn");
      const std::string text = string_of(lsn);
      if (text == "*") {
        lsn = ours.at("cursor").at("lsn");
        EXPECT_TRUE(parse_u64(string_of(lsn))) << got.bytes;
      } else {
        ASSERT_EQ(text.front(), '+');
        lsn = std::to_string(base_ + std::stoull(text.substr(1)));
      }
    }
    EXPECT_EQ(ours, recorded);
    EXPECT_EQ(got.bytes, as_the_seed_wrote(recorded));
  }

  const json::value& scenario_;
  Upstream& upstream_;
  const std::string number_;
  const std::uint64_t base_;
  Mark mark_;
  SeedClient client_;
  std::size_t expected_ = 0;
  std::vector<std::size_t> pongs_;  // places of the marks' own among what was received
};

}  // namespace

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const json::value& scenario : scenarios()) names.push_back(string_of(scenario.at("name")));
  return names;
}

void replay_scenario(const std::string& name, client::Loop& loop, int port, Upstream& upstream, int number,
                     std::uint64_t base) {
  for (const json::value& scenario : scenarios()) {
    if (string_of(scenario.at("name")) == name) {
      return Player(scenario, loop, port, upstream, number, base).play();
    }
  }
  FAIL() << "no scenario " << name;
}

}  // namespace tidegate::test
