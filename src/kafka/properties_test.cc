// Invariants: what our promises rest on can't be given, and the reason is told; what is secret appears in no
// error.
#include <gtest/gtest.h>

#include <algorithm>

#include "kafka/client.h"

namespace tidegate::kafka {
namespace {

TEST(KafkaProperties, TheNamesOfSecurityAreFreeAndThoseOfPromisesAreNot) {
  for (const char* name :
       {"security.protocol", "sasl.mechanism", "sasl.password", "ssl.ca.location",
        "queued.max.messages.kbytes", "compression.codec", "client.id", "message.max.bytes"})
    EXPECT_EQ(kept_from(name), "") << name;
  for (const char* name : {"enable.idempotence", "acks", "isolation.level", "auto.offset.reset",
                           "enable.auto.commit", "message.timeout.ms", "bootstrap.servers"})
    EXPECT_NE(kept_from(name), "") << name;
}

TEST(KafkaProperties, WhatWeSetForAPromiseIsKeptToUs) {
  // Whoever adds one to these must say whether it may be given.
  const std::vector<std::string> free{"fetch.min.bytes",        "fetch.wait.max.ms",
                                      "fetch.error.backoff.ms", "queued.min.messages",
                                      "fetch.max.bytes",        "queued.max.messages.kbytes"};
  for (const auto& [name, value] : consumer_properties(Options())) {
    const bool listed = std::find(free.begin(), free.end(), name) != free.end();
    EXPECT_NE(listed, !kept_from(name).empty()) << name;
  }
}

TEST(KafkaProperties, PasswordsKeysAndTokensAreSecret) {
  for (const char* name : {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
                           "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret", "sasl.jaas.config"})
    EXPECT_TRUE(holds_secret(name)) << name;
  for (const char* name : {"sasl.username", "ssl.ca.location", "ssl.key.location", "ssl.ca.pem"})
    EXPECT_FALSE(holds_secret(name)) << name;
  EXPECT_EQ(without_secrets({{"sasl.password", "hunter2"}, {"client.id", "no"}, {"ssl.key.password", ""}},
                            "no hunter2, hunter2"),
            "no …, …");
}

TEST(KafkaProperties, OfAFileAreLinesAndAWrongOneIsNamedButNotShown) {
  const auto read = parse_properties("# ours\n\n sasl.username = me \r\nsasl.password=a=b,c #d\nlast=");
  ASSERT_TRUE(read.ok());
  const std::vector<std::pair<std::string, std::string>> expected{
      {"sasl.username", "me"}, {"sasl.password", "a=b,c #d"}, {"last", ""}};
  EXPECT_EQ(*read, expected);
  for (const char* text : {"a=b\nhunter2\n", "a=b\n=hunter2", "a=b\na=hunter2"}) {
    const auto wrong = parse_properties(text);
    ASSERT_FALSE(wrong.ok());
    EXPECT_NE(wrong.error().message.find("line 2"), std::string::npos) << wrong.error().message;
    EXPECT_EQ(wrong.error().message.find("hunter2"), std::string::npos) << wrong.error().message;
  }
}

TEST(KafkaProperties, ARefusedOneIsNamedWithoutItsValue) {
  Options options;
  options.brokers = "127.0.0.1:1";
  const std::vector<std::pair<std::string, std::string>> wrong{{"ssl.key.pem", "hunter2"},
                                                               {"security.protocol", "hunter2"},
                                                               {"fetch.wait.max.ms", "hunter2"},
                                                               {"hunter", "hunter2"}};
  for (const auto& property : wrong) {
    options.properties = {{"security.protocol", "sasl_ssl"},
                          {"sasl.mechanism", "SCRAM-SHA-512"},
                          {"sasl.username", "me"},
                          {"sasl.password", "pw"}};
    options.properties[property.first] = property.second;
    const auto client = open_client(options, RD_KAFKA_CONSUMER, {});
    ASSERT_FALSE(client.ok()) << property.first;
    EXPECT_EQ(client.error().fault, Fault::invalid);
    EXPECT_EQ(client.error().message.find("hunter2"), std::string::npos) << client.error().message;
  }
}

}  // namespace
}  // namespace tidegate::kafka
