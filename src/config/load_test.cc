// Settings. Invariants:
// 1. flag > environment > file > default, for every setting, and the seed's names are weaker than ours;
// 2. a message names the setting, where its value came from and what would fit;
// 3. no message holds a secret;
// 4. nothing is reachable from other machines without tokens, but for pass-through, which warns.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/settings.h"
#include "config/table.h"

namespace tidegate::config {
namespace {

using Words = std::vector<std::string>;
constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";
constexpr const char* kPostgres = "postgres://me@db/shop";

Result<Settings> run(Words words, const Environment& environment = {}) {
  words.insert(words.begin(), "tidegate");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return load(static_cast<int>(argv.size()), argv.data(), environment);
}

Settings good(const Words& words, const Environment& environment = {}) {
  auto result = run(words, environment);
  if (!result.ok()) {
    ADD_FAILURE() << result.error().message;
    return {};
  }
  return *result;
}

// The message, which holds each of `parts`.
std::string bad(const Words& words, const Words& parts, const Environment& environment = {}) {
  const auto result = run(words, environment);
  if (result.ok()) {
    ADD_FAILURE() << "accepted: " << testing::PrintToString(words);
    return {};
  }
  EXPECT_EQ(result.error().fault, Fault::invalid);
  for (const std::string& part : parts) {
    EXPECT_NE(result.error().message.find(part), std::string::npos)
        << part << "\nnot in: " << result.error().message;
  }
  return result.error().message;
}

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidegate-config-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~ConfigFile() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // `serve` of a database without tokens, with this file.
  Words serve(const std::string& text, Words more = {}) {
    Words words{"serve", "--database", kPostgres, "--auth", "none", "--config", write("t.toml", text)};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  std::string directory_;
};

Words open(Words more = {}) {
  Words words{"serve", "--database", kPostgres, "--auth", "none"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// ---- TLS ----

TEST(Tls, ACertificateAndItsKeyAreGivenTogether) {
  EXPECT_TRUE(good(open()).tls.certificate.empty());
  const Settings both = good(open({"--tls-certificate-file", "c.pem", "--tls-key-file", "k.pem"}));
  EXPECT_EQ(both.tls.certificate, "c.pem");
  EXPECT_EQ(both.tls.key, "k.pem");
  bad(open({"--tls-certificate-file", "c.pem"}), {"--tls-certificate-file: ", "--tls-key-file"});
  bad(open({"--tls-key-file", "k.pem"}), {"--tls-key-file: ", "--tls-certificate-file"});
}

// ---- strength ----

TEST_F(ConfigFile, FlagIsStrongerThanEnvironmentThanFileThanDefault) {
  const Environment environment{{"TIDEGATE_IDLE_TIMEOUT_MS", "3000"}};
  EXPECT_EQ(good(open()).session.idle_timeout.count(), 60'000);
  EXPECT_EQ(good(serve("idle_timeout_ms = 2000")).session.idle_timeout.count(), 2'000);
  EXPECT_EQ(good(serve("idle_timeout_ms = 2000"), environment).session.idle_timeout.count(), 3'000);
  EXPECT_EQ(good(serve("idle_timeout_ms = 2000", {"--idle-timeout-ms", "4000"}), environment)
                .session.idle_timeout.count(),
            4'000);
}

TEST_F(ConfigFile, TextThatIsNoUtf8IsNamedByItsLine) {
  bad(serve("port = 1\n'\xab' = 2\n"), {"t.toml:2: is no UTF-8"});
}

TEST_F(ConfigFile, TheStrongestListReplacesTheOthers) {
  const Environment environment{{"TIDEGATE_ORIGIN", "https://b, https://c,"}};
  const std::string file = "origin = [\"https://a\"]";
  EXPECT_EQ(good(serve(file)).session.origins, Words{"https://a"});
  EXPECT_EQ(good(serve(file), environment).session.origins, (Words{"https://b", "https://c"}));
  EXPECT_EQ(good(serve(file, {"--origin", "https://d", "--origin=https://e,https://f"}), environment)
                .session.origins,
            (Words{"https://d", "https://e", "https://f"}));
}

TEST(Environment, OfTheSeedIsWeakerThanOurs) {
  const Environment seed{{"WS_PORT", "9001"},
                         {"KAFKA_BROKERS", "k1:9092,k2:9092"},
                         {"KAFKA_TOPICS", "a,b"},
                         {"KAFKA_GROUP", "g"}};
  const Settings settings = good({"serve"}, seed);
  EXPECT_EQ(settings.session.port, 9001);
  EXPECT_EQ(settings.kafka.brokers, "k1:9092,k2:9092");
  EXPECT_EQ(settings.kafka.topics, (Words{"a", "b"}));
  EXPECT_EQ(settings.kafka.group, "g");
  Environment both = seed;
  both.insert({{"TIDEGATE_LISTEN", "127.0.0.1:9002"}, {"TIDEGATE_KAFKA", "ours:1"}, {"TIDEGATE_TOPIC", "c"}});
  const Settings ours = good({"serve"}, both);
  EXPECT_EQ(ours.session.port, 9002);
  EXPECT_EQ(ours.session.address, "127.0.0.1");
  EXPECT_EQ(ours.kafka.brokers, "ours:1");
  EXPECT_EQ(ours.kafka.topics, Words{"c"});
}

TEST(Environment, EmptyIsAbsentAndUnknownIsAWarning) {
  const Settings settings =
      good({"serve"}, {{"WS_PORT", ""}, {"TIDEGATE_LISTEN", " "}, {"TIDEGATE_SERVICE_HOST", "x"}});
  EXPECT_EQ(settings.session.port, 8080);
  ASSERT_FALSE(settings.warnings.empty());
  EXPECT_NE(settings.warnings.front().find("TIDEGATE_SERVICE_HOST"), std::string::npos);
}

TEST(Environment, OfThisProcessIsRead) {
  ASSERT_EQ(setenv("TIDEGATE_TEST_ONLY", "a=b", 1), 0);
  EXPECT_EQ(process_environment().find("TIDEGATE_TEST_ONLY")->second, "a=b");
  unsetenv("TIDEGATE_TEST_ONLY");
}

// ---- modes ----

TEST(PassThrough, IsWhatTheSeedsEnvironmentMeans) {
  const Settings settings = good({"serve"});
  EXPECT_TRUE(settings.session.pass_through);
  EXPECT_EQ(settings.session.address, "0.0.0.0");
  EXPECT_EQ(settings.session.port, 8080);
  EXPECT_EQ(settings.session.plain_answer, "cladbe-ws-gateway");
  EXPECT_EQ(settings.kafka.brokers, "localhost:9092");
  EXPECT_EQ(settings.kafka.topics, Words{"server.cdc.filtered"});
  EXPECT_EQ(settings.kafka.control_topic, "server.cdc.filtered.control");
  EXPECT_EQ(settings.session.idle_timeout.count(), 60'000);
  EXPECT_EQ(settings.session.ping_interval.count(), 25'000);
  EXPECT_EQ(settings.session.payload_bytes_max, 1U << 20);
  EXPECT_EQ(settings.auth.mode, auth::Options::Mode::none);
  ASSERT_EQ(settings.warnings.size(), 1U);
  EXPECT_NE(settings.warnings[0].find("nobody is verified"), std::string::npos);
}

TEST(PassThrough, ATenantInTheKeyIsAClaim) {
  const Settings settings = good({"serve", "--key-template", "{tenant}:{hashId}"});
  ASSERT_EQ(settings.warnings.size(), 2U);
  EXPECT_NE(settings.warnings[1].find("x-tenant"), std::string::npos);
  for (const char* mixed : {"{tenant}{hashId}", "{table}{tenant}:{hashId}"})
    bad({"serve", "--key-template", mixed}, {"--key-template", "{tenant}:{hashId}"});
}

TEST_F(ConfigFile, TrustWhatIsMadeForTokensIsNeverPassThrough) {
  const Environment unmounted{{"TIDEGATE_DATABASE", ""}};
  const std::string table = "[[table]]\nname = \"orders\"\ntenant_column = \"tenant\"\n";
  for (const std::string& text :
       {std::string("auth_jwks = \"https://id.example/keys\""),
        std::string("auth_public_key_file = \"k.pem\""), std::string("auth_secret = \"") + kSecret + "\"",
        "auth_secret_file = \"" + write("s", kSecret) + "\"", std::string("auth_issuer = \"i\""),
        std::string("auth_audience = \"a\""), std::string("auth_require = \"scope\""), table}) {
    SCOPED_TRACE(text);
    const std::string kafka = text == table ? "" : "kafka = \"k:1\"\n";
    const Words words{"serve", "--config", write("t.toml", kafka + text + "\n")};
    bad(words, {text == table ? "[[table]]: " : "t.toml:2", "--database", "--auth none"}, unmounted);
    const Environment said{{"TIDEGATE_DATABASE", ""}, {"TIDEGATE_AUTH", "none"}};
    EXPECT_TRUE(good(words, said).session.pass_through) << "asked for as such";
  }
  bad({"serve", "--revocation-file", "r"}, {"--revocation-file: ", "--database"});
}

TEST(PassThrough, CannotVerifyTokens) {
  bad({"serve", "--auth", "jwt"}, {"--auth:", "verifies nobody", "--database"});
}

TEST(Database, MakesServeListenOnLoopbackWithoutKafka) {
  const Settings settings = good(open(), {{"WS_PORT", "9001"}});
  EXPECT_EQ(settings.database_kind, Database::postgres);
  EXPECT_EQ(settings.database, kPostgres);
  EXPECT_FALSE(settings.session.pass_through);
  EXPECT_EQ(settings.session.address, "127.0.0.1");
  EXPECT_EQ(settings.session.port, 9001) << "a port alone says nothing about the address";
  EXPECT_EQ(settings.session.plain_answer, "tidegate");
  EXPECT_EQ(settings.kafka.brokers, "");
  EXPECT_TRUE(settings.policy.open);
}

TEST(Database, IsAPostgresOrASqliteFile) {
  EXPECT_EQ(good({"serve", "--auth", "none", "--database", "sqlite:a b.db"}).sqlite_path, "a b.db");
  EXPECT_EQ(good({"serve", "--auth", "none", "--database", "host=db dbname=shop"}).database_kind,
            Database::postgres);
  EXPECT_EQ(good({"serve", "--auth", "none", "--database", "postgresql://db/shop"}).database_kind,
            Database::postgres);
  bad({"serve", "--auth", "none", "--database", "sqlite:"}, {"--database:", "path"});
  const std::string message = bad({"serve"}, {"TIDEGATE_DATABASE:", "postgres://user@host/database"},
                                  {{"TIDEGATE_DATABASE", "mysql://u:hunter2@h/d"}});
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
  bad({"serve", "--auth", "none", "--database", "sqlite:x", "--kafka", "k:1"}, {"--kafka:", "leave it out"});
}

TEST(Demo, NeedsNothing) {
  const Settings settings = good({"demo"});
  EXPECT_EQ(settings.command, Command::demo);
  EXPECT_EQ(settings.sqlite_path, "demo.db");
  EXPECT_EQ(settings.session.address, "127.0.0.1");
  EXPECT_TRUE(settings.policy.open);
  bad({"demo", "--database", kPostgres}, {"--database:", "SQLite"});
  bad({"demo", "--listen", ":8080"}, {"--listen:", "--auth none"});
}

TEST(Operators, ConnectToLoopbackBesideTheClients) {
  EXPECT_EQ(good(open()).admin.address, "127.0.0.1");
  EXPECT_EQ(good(open()).admin.port, 9080);
  EXPECT_EQ(good({"serve", "--listen", ":8090"}).admin.address, "127.0.0.1");
  EXPECT_EQ(good({"serve", "--listen", ":8090"}).admin.port, 9090) << "two gateways of one machine differ";
  EXPECT_EQ(good(open({"--listen", "127.0.0.1:65000"})).admin.port, 64000);
  EXPECT_EQ(good(open({"--listen", "127.0.0.1:0"})).admin.port, 0);
  EXPECT_EQ(good(open({"--admin-listen", "7000"})).admin.address, "127.0.0.1");
  EXPECT_EQ(good(open({"--admin-listen", "[::1]:7000"})).admin.address, "::1");
}

TEST_F(ConfigFile, TrustOperatorsFromElsewhereNeedAToken) {
  for (const char* beyond : {":9", "10.0.0.1:9"}) {
    bad(open({"--admin-listen", beyond}), {"--admin-listen:", "127.0.0.1:9", "--admin-token-file"});
    bad({"match", "--database", kPostgres, "--kafka", "k:1", "--admin-listen", beyond}, {"--admin-listen:"});
    bad({"match", "--database", kPostgres, "--kafka", "k:1", "--listen", beyond}, {"--admin-listen:"});
  }
  const std::string path = write("token", std::string(kSecret) + "\n");
  const Settings settings = good(open({"--admin-listen", ":9", "--admin-token-file", path}));
  EXPECT_EQ(settings.admin.token, kSecret);
  EXPECT_EQ(settings.admin.address, "0.0.0.0");
  EXPECT_EQ(good(open(), {{"TIDEGATE_ADMIN_TOKEN", kSecret}}).admin.token, kSecret);
  EXPECT_EQ(bad(open({"--admin-token", "short"}), {"--admin-token:", "16 characters"}).find("short"),
            std::string::npos);
  bad(open({"--admin-token", kSecret, "--admin-token-file", path}), {"one of them is enough"});
  bad(open({"--admin-token-file", path + "x"}), {"--admin-token-file:", "cannot be read"});
  bad(open({"--kafka", "k:1", "--revocation-file", "x"}), {"--revocation-file:", ".revocations"});
}

TEST(Match, NeedsPostgresAndABroker) {
  const Settings settings =
      good({"match", "--database", kPostgres, "--kafka", "k:9092", "--lease-ms", "5000"});
  EXPECT_EQ(settings.command, Command::match);
  EXPECT_EQ(settings.matcher.lease.count(), 5'000);
  EXPECT_EQ(settings.feed.lease.count(), 5'000);
  EXPECT_EQ(settings.admin.address, "127.0.0.1");
  EXPECT_EQ(settings.admin.port, 8081) << "not a gateway's, which may run beside it";
  const auto elsewhere = [](const std::string& flag) {
    return good({"match", "--database", kPostgres, "--kafka", "k:9092", flag, "127.0.0.2:90"});
  };
  for (const char* flag : {"--admin-listen", "--listen"}) {
    EXPECT_EQ(elsewhere(flag).admin.address, "127.0.0.2");
    EXPECT_EQ(elsewhere(flag).admin.port, 90);
  }
  bad({"match", "--kafka", "k:9092"}, {"--database:", "type"});
  bad({"match", "--database", "sqlite:x", "--kafka", "k:1"}, {"--database:", "Postgres"});
  bad({"match", "--database", kPostgres}, {"--kafka:", "type"});
}

TEST(OtherCommands, HaveTheirOwnFlags) {
  const Settings setup = good({"setup", "--database", kPostgres, "--tables", "a, public.b", "--check"});
  EXPECT_EQ(setup.setup.tables, (Words{"a", "public.b"}));
  EXPECT_TRUE(setup.setup.check);
  EXPECT_EQ(setup.setup.topic_partitions, 8);
  EXPECT_EQ(setup.setup.topic_replicas, 0);
  const Settings topics =
      good({"setup", "--kafka", "k:1", "--topic-partitions", "32", "--topic-replicas", "3"});
  EXPECT_EQ(topics.setup.topic_partitions, 32);
  EXPECT_EQ(topics.setup.topic_replicas, 3);
  bad({"setup", "--kafka", "k:1", "--topic-partitions", "0"}, {"--topic-partitions:", "from 1 to"});
  EXPECT_TRUE(good({"setup", "--kafka", "k:1"}).database.empty());
  EXPECT_EQ(good({"setup", "--kafka", "k:1", "--serve-role", "small"}).setup.serve_role, "small");
  bad({"setup", "--database", kPostgres, "--serve-role", "small"}, {"--serve-role:", "--kafka"});
  bad({"setup"}, {"--database:", "type"});
  bad({"setup", "--database", "sqlite:x"}, {"no setup"});
  const Settings token =
      good({"token", "--auth-secret", kSecret, "--subject", "ann", "--tenant", "t", "--ttl", "60"});
  EXPECT_EQ(token.token.subject, "ann");
  EXPECT_EQ(token.token.tenant, "t");
  EXPECT_EQ(token.token.ttl.count(), 60);
  bad({"token", "--auth-secret", kSecret, "--tenant", "t"}, {"--subject:"});
  bad({"token", "--auth-secret", kSecret, "--subject", "t"}, {"--tenant:"});
  bad({"token", "--subject", "ann", "--tenant", "t"}, {"--auth-secret-file"});
  const Settings tail =
      good({"tail", "--url", "ws://h:1", "--sql", "select", "--json"}, {{"TIDEGATE_TOKEN", "x.y.z"}});
  EXPECT_EQ(tail.tail.url, "ws://h:1");
  EXPECT_EQ(tail.tail.sql, "select");
  EXPECT_EQ(tail.tail.token, "x.y.z");
  EXPECT_TRUE(tail.tail.json);
  bad({"tail"}, {"--sql, --table:"});
  bad({"tail", "--sql", "x", "--table", "y"}, {"exactly one"});
}

TEST(HelpAndVersion, ArePrinted) {
  EXPECT_NE(good({"--help"}).print.find("serve"), std::string::npos);
  EXPECT_NE(good({"serve", "--help"}).print.find("--listen"), std::string::npos);
  EXPECT_EQ(good({"token", "--help"}).print.find("--listen"), std::string::npos);
  EXPECT_EQ(good({"--version"}).print.substr(0, 9), "tidegate ");
}

// ---- who may see what ----

TEST(Auth, WithoutTokensNothingIsReachableFromOutside) {
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"}) {
    EXPECT_TRUE(good(open({"--listen", address})).policy.open) << address;
  }
  for (const char* address : {":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1"}) {
    bad(open({"--listen", address}), {"--listen:", "--auth none", "type"});
  }
  EXPECT_FALSE(
      good({"serve", "--database", kPostgres, "--auth-secret", kSecret, "--listen", ":1"}).policy.open);
}

TEST(Auth, WithTokensNeedsASecretOf32Bytes) {
  bad({"serve", "--database", kPostgres},
      {"--auth jwt:", "--auth-secret-file", "openssl rand", "--auth none"});
  EXPECT_EQ(good({"serve", "--database", kPostgres}, {{"TIDEGATE_AUTH_SECRET", kSecret}}).auth.secret,
            kSecret);
  const std::string message =
      bad({"serve", "--database", kPostgres}, {"TIDEGATE_AUTH_SECRET:", "at least 32"},
          {{"TIDEGATE_AUTH_SECRET", "hunter2"}});
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
}

TEST(Auth, NoneWarnsAndListensBeyondLoopbackOnlyWhenToldTwice) {
  EXPECT_NE(testing::PrintToString(good(open({})).warnings).find("nobody is verified"), std::string::npos);
  bad(open({"--listen", ":1"}), {"--listen:", "--auth-none-beyond-loopback"});
  const Settings beyond = good(open({"--listen", ":1", "--auth-none-beyond-loopback"}));
  EXPECT_TRUE(beyond.policy.open);
  EXPECT_EQ(beyond.session.address, "0.0.0.0");
  EXPECT_NE(testing::PrintToString(beyond.warnings).find("nobody is verified"), std::string::npos);
  // The second word alone opens nothing.
  EXPECT_FALSE(good({"serve", "--database", kPostgres, "--auth-secret", kSecret, "--listen", ":1",
                     "--auth-none-beyond-loopback"})
                   .policy.open);
}

TEST(Auth, KeysOfSeveralPlacesAreTakenTogether) {
  const Settings settings = good({"serve",
                                  "--database",
                                  kPostgres,
                                  "--auth-secret",
                                  kSecret,
                                  "--auth-public-key-file",
                                  "a.pem,b.pem",
                                  "--auth-jwks",
                                  "https://issuer/jwks",
                                  "--auth-jwks-refresh-s",
                                  "60",
                                  "--auth-jwks-cooldown-ms",
                                  "5000",
                                  "--auth-jwks-ca-file",
                                  "ca.pem",
                                  "--auth-issuer",
                                  "https://issuer",
                                  "--auth-audience",
                                  "me,us",
                                  "--auth-require",
                                  "jti",
                                  "--auth-query-parameter",
                                  "access_token"});
  EXPECT_EQ(settings.auth.public_key_files, (Words{"a.pem", "b.pem"}));
  EXPECT_EQ(settings.auth.jwks, "https://issuer/jwks");
  EXPECT_EQ(settings.auth.jwks_refresh.count(), 60);
  EXPECT_EQ(settings.auth.jwks_cooldown.count(), 5'000);
  EXPECT_EQ(settings.auth.jwks_ca_file, "ca.pem");
  EXPECT_EQ(settings.auth.audiences, (Words{"me", "us"}));
  EXPECT_EQ(settings.auth.required, (Words{"jti"}));
  EXPECT_EQ(settings.session.token_parameter, "access_token");
}

TEST(Auth, KeysThatMakeNoSenseAreRefused) {
  const auto serve = [](Words more) {
    Words words{"serve", "--database", kPostgres};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  bad(serve({"--auth-jwks", "ftp://issuer/jwks"}), {"--auth-jwks:", "https://"});
  EXPECT_EQ(
      bad(serve({"--auth-jwks", "https://me:hunter2@issuer/jwks"}), {"--auth-jwks:", "user"}).find("hunter2"),
      std::string::npos);
  bad(serve({"--auth-jwks", "set.json", "--auth-jwks-ca-file", "ca.pem"}), {"--auth-jwks-ca-file:", "https"});
  bad(serve({"--auth-jwks", "set.json", "--auth-query-parameter", "a&b"}),
      {"--auth-query-parameter:", "letters"});
  const std::string pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----";
  const std::string message =
      bad(serve({}), {"TIDEGATE_AUTH_SECRET:", "--auth-public-key-file"}, {{"TIDEGATE_AUTH_SECRET", pem}});
  EXPECT_EQ(message.find("MCow"), std::string::npos);
}

TEST(Auth, WhatIsRiskyIsWarnedOf) {
  const auto warnings = [](Words more) {
    Words words{"serve", "--database", kPostgres};
    words.insert(words.end(), more.begin(), more.end());
    return testing::PrintToString(good(words).warnings);
  };
  const std::string plain = warnings({"--auth-jwks", "http://issuer/jwks"});
  EXPECT_NE(plain.find("keys come over http"), std::string::npos) << plain;
  EXPECT_NE(plain.find("auth-audience: not set"), std::string::npos) << plain;
  EXPECT_EQ(warnings({"--auth-jwks", "https://issuer/jwks", "--auth-audience", "me"}), "{}");
  EXPECT_NE(warnings({"--auth", "none", "--auth-jwks", "set.json"}).find("not used"), std::string::npos);
}

TEST_F(ConfigFile, ASecretMayBeAFile) {
  const std::string path = write("secret", std::string(kSecret) + "\n");
  EXPECT_EQ(good({"serve", "--database", kPostgres, "--auth-secret-file", path}).auth.secret, kSecret);
  bad({"serve", "--database", kPostgres, "--auth-secret-file", path + "x"},
      {"--auth-secret-file:", "cannot be read"});
  bad({"serve", "--database", kPostgres, "--auth-secret-file", write("short", "abc\n")},
      {"--auth-secret-file:", "3 bytes"});
  bad({"serve", "--database", kPostgres, "--auth-secret-file", path, "--auth-secret", kSecret},
      {"--auth-secret:", "one of"});
}

TEST_F(ConfigFile, TablesAreNamedWithTheirTenantColumn) {
  const Settings settings = good(
      serve("[[table]]\nname = \"public.orders\"\ntenant_column = \"tenant\"\n[[table]]\nname = \"news\"\n"));
  ASSERT_EQ(settings.policy.tables.size(), 2U);
  EXPECT_EQ(settings.policy.tables.at("public.orders").tenant_column, "tenant");
  EXPECT_EQ(settings.policy.tables.at("news").tenant_column, "");
  bad(serve("[[table]]\ntenant_column = \"x\"\n"), {"t.toml:1", "name: missing"});
  bad(serve("[[table]]\nname = \"a\"\n[[table]]\nname = \"a\"\n"), {"t.toml:3", "twice"});
  bad(serve("[[table]]\nname = \"a\"\ntenant = \"x\"\n"), {"t.toml:3", "tenant: unknown", "tenant_column"});
  bad(serve("[[table]]\nname = 7\n"), {"t.toml:2", "name: must be a string"});
  bad(serve("[table]\nname = \"a\"\n"), {"[[table]]"});
  bad(serve("table = \"a\"\n"), {"t.toml:1", "[[table]]"});
}

TEST_F(ConfigFile, ATableSaysWhichColumnsAndRowsAreShown) {
  const std::string table = "[[table]]\nname = \"public.orders\"\n";
  const std::string rows = "owner_id = $claims.sub or $claims.role = 'admin'";
  const Settings settings = good(
      serve(table + "columns = [\"id\", \"title\"]\nrows = \"" + rows + "\"\n[[table]]\nname = \"news\"\n"));
  const auto& orders = settings.policy.tables.at("public.orders");
  EXPECT_EQ(orders.columns, (Words{"id", "title"}));
  ASSERT_TRUE(orders.rows);
  EXPECT_EQ(orders.rows->text(), rows);
  EXPECT_TRUE(settings.policy.tables.at("news").columns.empty());
  EXPECT_FALSE(settings.policy.tables.at("news").rows);
  bad(serve(table + "columns = []\n"), {"t.toml:3", "columns: must be an array"});
  bad(serve(table + "columns = \"id\"\n"), {"t.toml:3", "columns: must be an array"});
  bad(serve(table + "columns = [1]\n"), {"t.toml:3", "columns: must be an array"});
  bad(serve(table + "rows = \"\"\n"), {"t.toml:3", "rows: must be a string"});
  bad(serve(table + "rows = \"owner_id = $claims.sub or\"\n"),
      {"t.toml:3:8: rows: of table public.orders: sql: syntax error at end of input (at byte 25)"});
  bad(serve("[[table]]\nrows = \"owner_id = now()\"\nname = \"news\"\n"),
      {"t.toml:2:8: rows: of table news: sql: ", "(at byte 11)"});
}

TEST_F(ConfigFile, WhatChangedBetweenTwoReadingsIsNamed) {
  const Settings before =
      good(serve("idle_timeout_ms = 2000\nlog_level = \"info\"\n[[table]]\nname = \"a\"\n"));
  EXPECT_EQ(changed_settings(before, good(serve("idle_timeout_ms = 2000\nlog_level = \"info\"\n"))), Words{});
  EXPECT_EQ(changed_settings(before, good(serve("idle_timeout_ms = 3000\norigin = \"https://a\"\n"))),
            (Words{"idle-timeout-ms", "origin", "log-level"}));
  EXPECT_FALSE(before.policy == good(serve("listen = \"127.0.0.1:1\"")).policy);
  const std::string rows = "[[table]]\nname = \"a\"\nrows = \"x = $claims.y\"\n";
  EXPECT_TRUE(good(serve(rows)).policy == good(serve(rows)).policy);
  EXPECT_FALSE(good(serve(rows)).policy ==
               good(serve("[[table]]\nname = \"a\"\nrows = \"x = $claims.z\"\n")).policy);
}

// ---- faults ----

TEST(Values, ThatDoNotFitNameFlagValueAndWhatWould) {
  bad(open({"--idle-timeout-ms", "soon"}), {"--idle-timeout-ms:", "`soon`", "whole number from 1000"});
  for (const char* value : {"999", "86400001", "-1", "1e4", "60s", "", "99999999999999999999"}) {
    bad(open({std::string("--idle-timeout-ms=") + value}), {"--idle-timeout-ms"});
  }
  bad(open({"--outbox-bytes-max", "1KB"}), {"--outbox-bytes-max:", "`1KB`", "KiB"});
  bad(open({"--auth", "maybe"}), {"more than once"});
  bad({"serve", "--auth", "maybe"}, {"--auth:", "`maybe`", "jwt or none"});
  bad({"serve", "--log-level", "loud"}, {"--log-level:", "`loud`", "debug, info, warning, error"});
  for (const char* value :
       {"x", "1.2.3.4", "host:1", "::1:1", "[1.2.3.4]:1", "127.0.0.1:65536", "127.0.0.1:", "[::1]"}) {
    bad(open({"--listen", value}), {"--listen:", value, "address:port"});
  }
  bad(open({"--kafka-property", "hunter2"}), {"--kafka-property:", "name=value"});
}

TEST(Values, OfBytesMayHaveUnits) {
  const Settings settings = good(open({"--outbox-bytes-max", "2MiB", "--tail-bytes-max=1048576"}));
  EXPECT_EQ(settings.hub.outbox_bytes_max, 2U << 20);
  EXPECT_EQ(settings.hub.outbox_bytes_low, 512U << 10);
  EXPECT_EQ(settings.hub.outbox_bytes_hard, 8U << 20);
  EXPECT_EQ(settings.feed.tail_bytes_max, 1U << 20);
  EXPECT_EQ(good(open({"--outbox-bytes-max", "64KiB"})).hub.outbox_bytes_hard, (64U << 10) + (2U << 20))
      << "one part and one answer fit into the smallest outbox";
}

TEST(Values, OfKafkaPropertiesMayHoldCommasAndSigns) {
  const Settings settings =
      good(open({"--kafka", "k:1", "--kafka-property", "a.b=c,d=e", "--kafka-property=f="}));
  const std::vector<std::pair<std::string, std::string>> expected{{"a.b", "c,d=e"}, {"f", ""}};
  EXPECT_EQ(settings.kafka.properties, expected);
}

TEST_F(ConfigFile, KafkaPropertiesOfAFileComeBehindThoseThatWereGiven) {
  const std::string file = write("kafka", "# ours\nsasl.password=hun,ter2\na.b=weaker\n");
  const Settings settings =
      good(open({"--kafka", "k:1", "--kafka-property", "a.b=c", "--kafka-property-file", file}));
  const std::vector<std::pair<std::string, std::string>> expected{
      {"a.b", "c"}, {"sasl.password", "hun,ter2"}, {"a.b", "weaker"}};
  EXPECT_EQ(settings.kafka.properties, expected);
  bad(open({"--kafka-property-file", "/no/such/file"}), {"--kafka-property-file:", "/no/such/file"});
  const std::string message =
      bad(open({"--kafka-property-file", write("wrong", "hunter2\n")}), {"line 1", "name=value"});
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
}

TEST_F(ConfigFile, KafkaPropertiesThatPromisesRestOnAreRefusedWithTheReason) {
  bad(open({"--kafka-property", "acks=1"}), {"--kafka-property:", "acks", "all replicas"});
  bad(open({}), {"TIDEGATE_KAFKA_PROPERTY:", "isolation.level", "aborted"},
      {{"TIDEGATE_KAFKA_PROPERTY", "isolation.level=read_uncommitted"}});
  bad(open({"--kafka-property-file", write("kept", "enable.idempotence=false")}),
      {"--kafka-property-file:", "enable.idempotence"});
}

TEST_F(ConfigFile, TheDatabasesPasswordComesFromAFileOrTheUrlButNotFromBoth) {
  const std::string file = write("password", "hunter2\n");
  const Words database{"serve", "--auth", "none", "--database-password-file", file, "--database"};
  Words one = database;
  one.emplace_back(kPostgres);
  EXPECT_EQ(good(one).postgres.password_file, file);
  EXPECT_EQ(good(one).warnings.size(), 1U) << "of --auth none alone";
  Words both = database;
  both.emplace_back("postgres://me:hunter2@db/shop");
  EXPECT_EQ(bad(both, {"--database-password-file:", "one of them"}).find("hunter2"), std::string::npos);
  Words other = database;
  other.emplace_back("sqlite:shop.db");
  bad(other, {"--database-password-file:", "Postgres"});
  bad({"serve", "--auth", "none", "--database", kPostgres, "--database-password-file", "/no/such/file"},
      {"--database-password-file:", "/no/such/file"});
}

TEST(Secrets, InFlagsAreWarnedOfAndElsewhereNot) {
  const auto warned = [](const Words& words, const Environment& environment, std::string_view of) {
    const Settings settings = good(words, environment);
    std::string all;
    for (const std::string& warning : settings.warnings) all += warning + "\n";
    EXPECT_EQ(all.find("hunter2"), std::string::npos) << all;
    return all.find(std::string(of) + ": every user of this machine can see") != std::string::npos;
  };
  const std::string url = "postgres://me:hunter2@db/shop";
  EXPECT_TRUE(warned({"serve", "--auth", "none", "--database", url}, {}, "--database"));
  EXPECT_TRUE(
      warned({"serve", "--auth", "none", "--database", "host=db password=hunter2"}, {}, "--database"));
  EXPECT_FALSE(warned({"serve", "--auth", "none", "--database", kPostgres}, {}, "--database"));
  EXPECT_TRUE(warned({"serve", "--auth", "none", "--admin-token", "hunter2hunter2hunter2hunter2hunter2"}, {},
                     "--admin-token"));
  EXPECT_FALSE(warned({"serve", "--auth", "none"}, {{"TIDEGATE_DATABASE", url}}, "--database"));
  const std::string property = "sasl.password=hunter2";
  EXPECT_TRUE(warned(open({"--kafka-property", property}), {}, "--kafka-property"));
  EXPECT_FALSE(warned(open({"--kafka-property", "client.id=me"}), {}, "--kafka-property"));
  EXPECT_FALSE(warned(open({}), {{"TIDEGATE_KAFKA_PROPERTY", property}}, "--kafka-property"));
  const Words token{"token", "--subject", "me", "--tenant", "t"};
  const std::string secret = std::string(kSecret) + "hunter2";
  Words shown = token;
  shown.insert(shown.end(), {"--auth-secret", secret});
  EXPECT_TRUE(warned(shown, {}, "--auth-secret"));
  EXPECT_FALSE(warned(token, {{"TIDEGATE_AUTH_SECRET", secret}}, "--auth-secret"));
}

TEST(Flags, UnknownOnesAreNamedWithoutWhatFollows) {
  bad(open({"--lissten", ":1"}), {"--lissten:", "did you mean --listen?"});
  const std::string message =
      bad(open({"--auth_secret=hunter2", "--auth_secret", "hunter2"}), {"--auth_secret:", "--auth-secret"});
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
  bad(open({"--zzzzzzzz"}), {"--zzzzzzzz", "--help"});
  bad(open({"--ttl", "5"}), {"--ttl:", "does not belong to `serve`"});
  EXPECT_EQ(bad(open({"hunter2"}), {"takes flags only"}).find("hunter2"), std::string::npos);
  bad(open({"--listen"}), {"--listen"});
}

TEST(Flags, NeedACommand) {
  bad({}, {"a command is missing", "serve", "tail"});
  bad({"dance"}, {"a command is missing"});
}

TEST_F(ConfigFile, FaultsHaveLineAndColumn) {
  bad(serve("\nidle_timeout_ms = \"soon\"\n"), {"t.toml:2:19: idle_timeout_ms:", "`soon`", "whole number"});
  bad(serve("idle_timeout_ms = 1.5\n"), {"t.toml:1:19: idle_timeout_ms:", "whole number"});
  bad(serve("idle_timeout_ms = [2000]\n"), {"t.toml:1:19: idle_timeout_ms:", "whole number"});
  bad(serve("origin = [[1]]\n"), {"t.toml:1:10: origin:"});
  bad(serve("\n\nlissten = \":1\"\n"), {"t.toml:3:", "lissten: no such setting", "did you mean listen?"});
  bad(serve("ttl = 5\n"), {"ttl: no such setting"});
  bad(serve("[server]\nport = 1\n"), {"server: no such setting"});
  const std::string message = bad(serve("x = 1\nauth_secret = \"hunter2\n"), {"t.toml:2:"});
  EXPECT_EQ(message.find("hunter2"), std::string::npos);
  bad({"serve", "--config", "/no/such/file"}, {"--config:", "/no/such/file", "cannot be read"});
}

TEST_F(ConfigFile, MayBeSharedByCommands) {
  const std::string path =
      write("t.toml", "listen = \":9\"\nauth = \"jwt\"\nkafka = \"k:1\"\ndatabase = \"postgres://db/x\"\n");
  EXPECT_EQ(good({"match", "--config", path}).kafka.brokers, "k:1");
  EXPECT_EQ(good({"match"}, {{"TIDEGATE_CONFIG", path}}).kafka.brokers, "k:1");
  bad({"serve"}, {"--auth jwt:"}, {{"TIDEGATE_CONFIG", path}});
}

TEST_F(ConfigFile, OfAnyBytesIsReadOrRefused) {
  std::string text = "listen = \"127.0.0.1:1\"\n[[table]]\nname = \"a\"\n";
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (char byte : {'\0', '"', '[', '\n', '\xff', '='}) {
      std::string changed = text;
      changed[i] = byte;
      const auto result = run(serve(changed));
      EXPECT_TRUE(result.ok() || !result.error().message.empty());
    }
  }
}

}  // namespace
}  // namespace tidegate::config
