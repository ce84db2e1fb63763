#include "config/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/encoding.h"
#include "config/values.h"

namespace tidegate::config {
namespace {

using Shape = Setting::Shape;
using Values = std::vector<std::string>;

constexpr unsigned kServe = bit(Command::serve);
constexpr unsigned kMatch = bit(Command::match);
constexpr unsigned kDemo = bit(Command::demo);
constexpr unsigned kSetup = bit(Command::setup);
constexpr unsigned kToken = bit(Command::token);
constexpr unsigned kTail = bit(Command::tail);
constexpr unsigned kGateway = kServe | kDemo;
constexpr unsigned kMatching = kServe | kDemo | kMatch;
constexpr unsigned kAll = kMatching | kSetup | kToken | kTail;

// Each of these makes a Setting of a place in Settings: `place` gives a reference to it. The default shown is
// what stands there before anything is set, so that it is declared beside its module alone.

template <class Place>
Setting text(std::string_view name, unsigned commands, std::string_view help, Place place) {
  Settings defaults;
  return {.name = name,
          .help = help,
          .fallback = place(defaults),
          .fit = "must not be empty",
          .commands = commands,
          .store = [place](Settings& settings, const Values& values) {
            place(settings) = values.front();
            return !values.front().empty();
          }};
}

template <class Place>
Setting choice(std::string_view name, unsigned commands, std::string_view help, Values choices, Place place) {
  Setting out = text(name, commands, help, place);
  out.fit = fmt::format("must be one of {}", fmt::join(choices, ", "));
  out.store = [place, choices](Settings& settings, const Values& values) {
    place(settings) = values.front();
    return std::find(choices.begin(), choices.end(), values.front()) != choices.end();
  };
  return out;
}

struct Range {
  std::uint64_t min;
  std::uint64_t max;
};

template <class Place>
Setting number(std::string_view name, unsigned commands, std::string_view help, Range range, Place place) {
  Settings defaults;
  return {.name = name,
          .help = help,
          .fallback = std::to_string(place(defaults)),
          .fit = fmt::format("must be a whole number from {} to {}", range.min, range.max),
          .commands = commands,
          .store = [place, range](Settings& settings, const Values& values) {
            const auto value = parse_u64(values.front());
            if (!value || *value < range.min || *value > range.max) return false;
            auto& target = place(settings);
            target = static_cast<std::remove_reference_t<decltype(target)>>(*value);
            return true;
          }};
}

template <class Place>
Setting duration(std::string_view name, unsigned commands, std::string_view help, Range range, Place place) {
  Settings defaults;
  return {.name = name,
          .help = help,
          .fallback = std::to_string(place(defaults).count()),
          .fit = fmt::format("must be a whole number from {} to {}", range.min, range.max),
          .commands = commands,
          .store = [place, range](Settings& settings, const Values& values) {
            const auto value = parse_u64(values.front());
            if (!value || *value < range.min || *value > range.max) return false;
            auto& target = place(settings);
            target = std::remove_reference_t<decltype(target)>(static_cast<std::int64_t>(*value));
            return true;
          }};
}

template <class Place>
Setting bytes(std::string_view name, unsigned commands, std::string_view help, Range range, Place place) {
  Settings defaults;
  return {.name = name,
          .help = help,
          .fallback = show_bytes(place(defaults)),
          .fit = fmt::format(
              "must be a number of bytes from {} to {}, with KiB, MiB or GiB behind it if you like",
              show_bytes(range.min), show_bytes(range.max)),
          .commands = commands,
          .store = [place, range](Settings& settings, const Values& values) {
            const auto value = parse_bytes(values.front());
            if (!value || *value < range.min || *value > range.max) return false;
            place(settings) = static_cast<std::size_t>(*value);
            return true;
          }};
}

template <class Place>
Setting list(std::string_view name, unsigned commands, std::string_view help, Place place) {
  Settings defaults;
  return {.name = name,
          .help = help,
          .fallback = fmt::format("{}", fmt::join(place(defaults), ",")),
          .fit = "must be one value or several, with commas between them",
          .commands = commands,
          .shape = Shape::list,
          .store = [place](Settings& settings, const Values& values) {
            place(settings) = values;
            return !values.empty();
          }};
}

template <class Place>
Setting toggle(std::string_view name, unsigned commands, std::string_view help, Place place) {
  return {.name = name,
          .help = help,
          .fallback = "false",
          .fit = "must be true or false",
          .commands = commands,
          .shape = Shape::toggle,
          .store = [place](Settings& settings, const Values& values) {
            const auto value = parse_boolean(values.front());
            place(settings) = value.value_or(false);
            return value.has_value();
          }};
}

Setting secret(Setting setting) {
  setting.secret = true;
  return setting;
}

Setting also(std::string_view alias, Setting setting) {
  setting.alias = alias;
  return setting;
}

constexpr std::uint64_t kDay = 86'400'000;
constexpr std::uint64_t kTerabyte = std::uint64_t{1} << 40;

Setting listen() {
  return {.name = "listen",
          .alias = "WS_PORT",
          .help =
              "Where clients connect: `address:port`, `[v6]:port`, `:port` for every interface. Port 0 takes "
              "any. For match, as a flag, an older name of --admin-listen.",
          .fallback = "127.0.0.1:8080; pass-through: every interface, port 8080",
          .fit = "must be address:port, [v6 address]:port, localhost:port, :port or a port",
          .commands = kGateway | kMatch,
          .store = [](Settings& settings, const Values& values) {
            const auto value = parse_listen(values.front());
            if (!value) return false;
            settings.session.address = value->address;
            settings.session.port = value->port;
            return true;
          }};
}

Setting admin_listen() {
  return {.name = "admin-listen",
          .help =
              "Where operators connect, written as for --listen: /healthz, /readyz, /metrics and /admin. A "
              "port alone is on loopback; beyond it a token is needed.",
          .fallback = "127.0.0.1 and 1000 above the port of --listen; match: 127.0.0.1:8081",
          .fit = "must be address:port, [v6 address]:port, localhost:port, :port or a port",
          .commands = kGateway | kMatch,
          .store = [](Settings& settings, const Values& values) {
            const auto value = parse_listen(values.front());
            if (!value) return false;
            settings.admin.address = value->address;
            settings.admin.port = value->port;
            return true;
          }};
}

Section operators() {
  return {
      "Operators",
      {admin_listen(),
       text("admin-token-file", kGateway | kMatch,
            "A file with the token that operators show (`Authorization: Bearer`): 16 characters or more. A "
            "newline at its end is dropped. None: /admin is refused, the rest open.",
            [](auto& s) -> auto& { return s.admin_token_file; }),
       secret(text("admin-token", kGateway | kMatch,
                   "The token itself. As a flag every user of the machine can see it: rather name a file.",
                   [](auto& s) -> auto& { return s.admin.token; })),
       text(
           "revocation-file", kGateway,
           "Without Kafka: a file of this process's own that keeps revoked tokens over a restart. None: they "
           "are forgotten then. With Kafka they are in the topic of the first one's name and `.revocations`.",
           [](auto& s) -> auto& { return s.revocation_file; }),
       bytes("revocations-bytes-max", kGateway,
             "What revoked tokens may hold in memory. From seven eighths on no further one is taken here; "
             "where a topic or file brings more than all no token is accepted.",
             {4'096, 1 << 30}, [](auto& s) -> auto& { return s.revocations_bytes_max; })}};
}

Setting auth_mode() {
  return {.name = "auth",
          .help =
              "`jwt`: clients show a token. `none`: everybody sees every published table; on loopback only, "
              "unless --auth-none-beyond-loopback is given too.",
          .fallback = "jwt; demo: none",
          .fit = "must be jwt or none",
          .commands = kGateway,
          .store = [](Settings& settings, const Values& values) {
            const bool none = values.front() == "none";
            settings.auth.mode = none ? auth::Options::Mode::none : auth::Options::Mode::jwt;
            return none || values.front() == "jwt";
          }};
}

Setting properties() {
  return {.name = "kafka-property",
          .help =
              "A setting of librdkafka's own, `name=value`; may be repeated. As a flag every user of the "
              "machine can see passwords in it: rather name a file.",
          .fallback = "",
          .fit = "must be name=value",
          .commands = kServe | kMatch | kSetup,
          .shape = Shape::properties,
          .secret = true,
          .store = [](Settings& settings, const Values& values) {
            for (const std::string& value : values) {
              auto property = parse_property(value);
              if (!property) return false;
              settings.kafka.properties.push_back(std::move(*property));
            }
            return true;
          }};
}

Section general() {
  auto file = text("config", kAll, "A TOML file with any of these settings.",
                   [](auto& s) -> auto& { return s.config_file; });
  file.in_file = false;
  return {"General",
          {file, choice("log-level", kAll, "How much is logged.", {"debug", "info", "warning", "error"},
                        [](auto& s) -> auto& { return s.log_level; })}};
}

Section data() {
  return {
      "Where data comes from",
      {secret(text(
           "database", kMatching | kSetup,
           "`postgres://user@host/database` or `sqlite:PATH`. None: pass-through. Demo: `sqlite:demo.db`.",
           [](auto& s) -> auto& { return s.database; })),
       text("database-password-file", kMatching | kSetup,
            "Postgres: a file whose first line is the role's password. Read anew for each connection. "
            "PGPASSFILE and libpq's other variables work as well.",
            [](auto& s) -> auto& { return s.postgres.password_file; }),
       text("publication", kMatching | kSetup, "Postgres: the publication whose tables may be subscribed to.",
            [](auto& s) -> auto& { return s.postgres.publication; }),
       text("slot", kMatching | kSetup, "Postgres: the replication slot's name.",
            [](auto& s) -> auto& { return s.postgres.slot; }),
       duration("database-silence-ms", kMatching,
                "Postgres: a server that says nothing for so many ms, though asked, counts as out of reach "
                "until it does.",
                {300, kDay}, [](auto& s) -> auto& { return s.postgres.silence_max; }),
       also("KAFKA_BROKERS", text("kafka", kServe | kMatch | kSetup,
                                  "Brokers, `host:port` with commas between them. In pass-through the "
                                  "default is `localhost:9092`.",
                                  [](auto& s) -> auto& { return s.kafka.brokers; })),
       also("KAFKA_TOPICS",
            list("topic", kServe | kMatch | kSetup,
                 "The log's topics. The control topic is the first one's name and `.control`.",
                 [](auto& s) -> auto& { return s.kafka.topics; })),
       also("KAFKA_GROUP", text("kafka-group", kServe | kMatch | kSetup,
                                "Our name at the broker. No consumer group splits the log among gateways.",
                                [](auto& s) -> auto& { return s.kafka.group; })),
       properties(),
       text("kafka-property-file", kServe | kMatch | kSetup,
            "A file of such settings, `name=value` a line, `#` before comments: for passwords. What is given "
            "by itself wins. Read at the start.",
            [](auto& s) -> auto& { return s.kafka.property_file; })}};
}

Setting token_parameter() {
  auto setting =
      text("auth-query-parameter", kGateway,
           "The name of a query parameter of the URL that may hold the token, too. None named: none may; a "
           "URL gets into logs.",
           [](auto& s) -> auto& { return s.session.token_parameter; });
  setting.fit = "must be letters, digits, `-` and `_`";
  setting.store = [](Settings& settings, const Values& values) {
    settings.session.token_parameter = values.front();
    return std::all_of(values.front().begin(), values.front().end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '_';
    });
  };
  return setting;
}

std::vector<Setting> keys() {
  return {
      text("auth-secret-file", kGateway | kToken,
           "A file with the secret that tokens are signed with: 32 bytes or more for HS256, 48 for HS384, 64 "
           "for "
           "HS512. A newline at its end is dropped. Read at the start.",
           [](auto& s) -> auto& { return s.auth_secret_file; }),
      secret(text("auth-secret", kGateway | kToken,
                  "The secret itself. As a flag every user of the machine can see it: rather name a file.",
                  [](auto& s) -> auto& { return s.auth.secret; })),
      list("auth-public-key-file", kGateway,
           "PEM files with public keys or certificates: RSA (RS256 to PS512), P-256 (ES256), P-384 (ES384), "
           "Ed25519 (EdDSA). Read again within a second of a change.",
           [](auto& s) -> auto& { return s.auth.public_key_files; }),
      text(
          "auth-jwks", kGateway,
          "A JWK Set: a file, read again within a second of a change, or an http:// or https:// URL. Several "
          "places of keys may be given; a token needs one key of any.",
          [](auto& s) -> auto& { return s.auth.jwks; }),
      duration("auth-jwks-refresh-s", kGateway, "How often the URL is fetched again, in seconds.",
               {1, 86'400}, [](auto& s) -> auto& { return s.auth.jwks_refresh; }),
      duration(
          "auth-jwks-cooldown-ms", kGateway,
          "Between two fetches of the URL in any case, in ms: a token with an unknown `kid` asks for one, a "
          "failed one is repeated.",
          {100, 3'600'000}, [](auto& s) -> auto& { return s.auth.jwks_cooldown; }),
      text("auth-jwks-ca-file", kGateway,
           "Certificates (PEM) that vouch for the https:// URL's server. None named: the system's.",
           [](auto& s) -> auto& { return s.auth.jwks_ca_file; })};
}

std::vector<Setting> claims() {
  return {
      text("auth-tenant-claim", kGateway | kToken, "The claim that names the tenant.",
           [](auto& s) -> auto& { return s.auth.tenant_claim; }),
      list("auth-issuer", kGateway, "A token's `iss` must be one of these. None named: any.",
           [](auto& s) -> auto& { return s.auth.issuers; }),
      list("auth-audience", kGateway,
           "A token's `aud`, a string or an array, must hold one of these. None named: any.",
           [](auto& s) -> auto& { return s.auth.audiences; }),
      list("auth-require", kGateway,
           "Claims that must be there, besides `exp`, `sub` and the tenant's, which always must.",
           [](auto& s) -> auto& { return s.auth.required; }),
      duration("auth-leeway-s", kGateway, "How far clocks may be apart, in seconds.", {0, 3'600},
               [](auto& s) -> auto& { return s.auth.leeway; }),
      duration("auth-warning-s", kGateway,
               "So many seconds before its token's `exp` a client of `tidegate.v1` is told; 0: it is not.",
               {0, 86'400}, [](auto& s) -> auto& { return s.auth.warning; }),
      duration(
          "auth-grace-s", kGateway,
          "So many seconds after its token's `exp` and the leeway a connection gets no data, but may renew "
          "it; then it is closed.",
          {0, 3'600}, [](auto& s) -> auto& { return s.auth.grace; })};
}

Section access() {
  Section out{"Who may see what", {auth_mode()}};
  out.settings.push_back(
      toggle("auth-none-beyond-loopback", kGateway,
             "With `--auth none`: other machines may connect as well, and see every published table.",
             [](auto& s) -> auto& { return s.auth_none_beyond_loopback; }));
  for (Setting& setting : keys()) out.settings.push_back(std::move(setting));
  for (Setting& setting : claims()) out.settings.push_back(std::move(setting));
  out.settings.push_back(token_parameter());
  out.settings.push_back(list("origin", kGateway, "Origins that browsers may come from. None named: all.",
                              [](auto& s) -> auto& { return s.session.origins; }));
  return out;
}

Section connections() {
  return {
      "Connections",
      {listen(),
       text("tls-certificate-file", kGateway,
            "Certificates in PEM, the server's own first: clients must speak TLS (1.2 or 1.3), `wss://` and "
            "`https://`. Both this and its key are read again on SIGHUP.",
            [](auto& s) -> auto& { return s.tls.certificate; }),
       text("tls-key-file", kGateway, "The first certificate's private key, in PEM, without a passphrase.",
            [](auto& s) -> auto& { return s.tls.key; }),
       number("shards", kGateway, "Threads that serve connections; 0: one a core.", {0, 1'024},
              [](auto& s) -> auto& { return s.session.shards; }),
       number("connections-max", kGateway, "More are answered 503.", {1, 100'000'000},
              [](auto& s) -> auto& { return s.session.connections_max; }),
       number("subscriptions-max", kGateway, "Of one connection.", {1, 1'000'000},
              [](auto& s) -> auto& { return s.hub.subscriptions_max; }),
       bytes("payload-bytes-max", kGateway, "Of one message of a client.", {1'024, 64 << 20},
             [](auto& s) -> auto& { return s.session.payload_bytes_max; }),
       bytes("outbox-bytes-max", kGateway,
             "What waits for one connection; above it its subscriptions lag, above four times of it the "
             "connection is cut.",
             {65'536, 1 << 30}, [](auto& s) -> auto& { return s.hub.outbox_bytes_max; }),
       toggle("deflate", kGateway,
              "Clients that offer permessage-deflate get changes of 512 bytes or more compressed, once for "
              "all, and may compress what they send. It takes some 50 us of the feed's thread a KiB.",
              [](auto& s) -> auto& { return s.session.deflate; }),
       toggle("no-io-uring", kGateway,
              "A system call for each send to a client, also where the kernel would do many at once.",
              [](auto& s) -> auto& { return s.session.no_io_uring; }),
       duration("idle-timeout-ms", kGateway, "A connection that is silent for so long, in ms, is closed.",
                {1'000, kDay}, [](auto& s) -> auto& { return s.session.idle_timeout; }),
       duration("ping-interval-ms", kGateway, "Between our pings, in ms.", {100, kDay},
                [](auto& s) -> auto& { return s.session.ping_interval; }),
       duration("handshake-timeout-ms", kGateway, "For a connection's opening, in ms.", {100, kDay},
                [](auto& s) -> auto& { return s.session.handshake_timeout; }),
       duration("drain-ms", kGateway, "How long the end may take after SIGTERM, in ms.", {0, kDay},
                [](auto& s) -> auto& { return s.session.drain; }),
       duration("progress-interval-ms", kGateway, "Between `progress` messages, in ms.", {1'000, kDay},
                [](auto& s) -> auto& { return s.hub.progress_interval; }),
       text("key-template", kServe, "Pass-through: the routing key, of `{tenant}`, `{table}` and `{hashId}`.",
            [](auto& s) -> auto& { return s.session.key_template; })}};
}

/// One of session::Options::Limits::Of, as a setting of whom it is for.
struct LimitSetting {
  std::string_view connection, principal, tenant;  ///< names; empty: it has none
  std::string_view help;
  std::size_t session::Options::Limits::Of::* field;
};

constexpr LimitSetting kLimitSettings[] = {
    {"", "limit-principal-connections", "limit-tenant-connections",
     "Connections at the same time; more are answered 429.", &session::Options::Limits::Of::connections},
    {"", "limit-principal-subscriptions", "limit-tenant-subscriptions",
     "Subscriptions at the same time; more are `too_many_subscriptions`.",
     &session::Options::Limits::Of::subscriptions},
    {"limit-connection-messages", "limit-principal-messages", "limit-tenant-messages",
     "Messages a second; who sends more is told `rate_limited` and closed.",
     &session::Options::Limits::Of::messages},
    {"limit-connection-subscribes", "limit-principal-subscribes", "limit-tenant-subscribes",
     "Subscribes a second; more are `rate_limited`.", &session::Options::Limits::Of::subscribes},
    {"limit-connection-snapshot-rows", "limit-principal-snapshot-rows", "limit-tenant-snapshot-rows",
     "Rows of snapshots a second, counted as they are sent; subscribes after more are `rate_limited`.",
     &session::Options::Limits::Of::snapshot_rows},
    {"limit-connection-snapshot-ms", "limit-principal-snapshot-ms", "limit-tenant-snapshot-ms",
     "Milliseconds a second that snapshots are read for; who wait for one together share its time. "
     "Subscribes "
     "after more are `rate_limited`.",
     &session::Options::Limits::Of::snapshot_ms},
    {"limit-connection-replayed-bytes", "limit-principal-replayed-bytes", "limit-tenant-replayed-bytes",
     "Bytes a second of what was missed, by who resumes or lags; after more, who lags waits, and subscribes "
     "are "
     "`rate_limited`.",
     &session::Options::Limits::Of::replayed_bytes},
    {"", "limit-principal-held-bytes", "limit-tenant-held-bytes",
     "Held in memory at the same time: copies in outboxes, snapshots that are not read to their end, queries "
     "as they were asked for, unfinished messages. Above it outboxes go back to places, snapshots come a "
     "part at a time, and subscribes are "
     "`rate_limited`.",
     &session::Options::Limits::Of::held_bytes},
};

template <class Level>
void add_limits(std::vector<Setting>& settings, std::string_view LimitSetting::* name, Level level) {
  constexpr Range kRange{0, 1'000'000'000'000};
  for (const LimitSetting& each : kLimitSettings) {
    if ((each.*name).empty()) continue;
    const auto field = each.field;
    const auto place = [level, field](auto& s) -> auto& { return level(s.session.limits).*field; };
    settings.push_back((each.*name).ends_with("-bytes")
                           ? bytes(each.*name, kGateway, each.help, kRange, place)
                           : number(each.*name, kGateway, each.help, kRange, place));
  }
}

Section limits() {
  Section out{"Limits (0: none; rates allow ten seconds' worth at once)", {}};
  add_limits(out.settings, &LimitSetting::connection, [](auto& all) -> auto& { return all.connection; });
  add_limits(out.settings, &LimitSetting::principal, [](auto& all) -> auto& { return all.principal; });
  add_limits(out.settings, &LimitSetting::tenant, [](auto& all) -> auto& { return all.tenant; });
  out.settings.push_back(number(
      "limit-address-handshakes", kGateway,
      "Of one IPv4 address, or one /64 of IPv6: connections a second; more get no WebSocket but 429, or "
      "with TLS are closed.",
      {0, 1'000'000'000}, [](auto& s) -> auto& { return s.session.limits.address_handshakes; }));
  out.settings.push_back(number(
      "limit-address-openings", kGateway,
      "Of the same: connections at the same time that are no WebSocket (yet); more are closed at once.",
      {0, 1'000'000'000}, [](auto& s) -> auto& { return s.session.limits.address_openings; }));
  return out;
}

Section queries() {
  return {
      "Queries",
      {bytes("tail-bytes-max", kGateway, "Recent records kept for clients that come back or lag.",
             {1 << 20, kTerabyte}, [](auto& s) -> auto& { return s.feed.tail_bytes_max; }),
       bytes("memory-budget", kGateway,
             "What is held for clients in memory: tails, spools and what their connections alone hold. Above "
             "it "
             "slow clients are helped to less, and in the end cut.",
             {16 << 20, kTerabyte}, [](auto& s) -> auto& { return s.memory_budget; }),
       bytes("replay-bytes-max", kServe, "What a resume may have read of the log's past, of one partition.",
             {0, kTerabyte}, [](auto& s) -> auto& { return s.feed.replay_bytes_max; }),
       bytes("history-bytes-max", kServe, "What was read of the log's past and is not delivered yet.",
             {0, kTerabyte}, [](auto& s) -> auto& { return s.feed.history_bytes_max; }),
       bytes("latest-bytes-max", kGateway,
             "For clients that want the last states alone: what is put together of what a lagging one "
             "missed, at "
             "once.",
             {65'536, 1 << 30}, [](auto& s) -> auto& { return s.feed.latest_bytes_max; }),
       duration("linger-ms", kGateway, "A query stays known after its last subscriber, in ms.", {0, kDay},
                [](auto& s) -> auto& { return s.feed.linger; }),
       duration(
           "ack-within-ms", kGateway,
           "Whoever comes back with a cursor waits for so many ms to hear whether it holds; then it is a "
           "snapshot.",
           {100, kDay}, [](auto& s) -> auto& { return s.feed.ack_within; }),
       duration("stale-after-ms", kGateway, "Nothing from upstream for so many ms is told to clients.",
                {100, kDay}, [](auto& s) -> auto& { return s.feed.stale_after; }),
       duration("lease-ms", kMatching,
                "The matcher forgets a gateway that is silent for so many ms; the same for both.",
                {1'000, kDay}, [](auto& s) -> auto& { return s.feed.lease; }),
       duration("match-linger-ms", kMatching,
                "A query that nobody asks for any more is matched for so many ms.", {0, kDay},
                [](auto& s) -> auto& { return s.matcher.linger; }),
       toggle("read-all-partitions", kServe,
              "Kafka: every partition is read, not only those that a query of a client here lies in.",
              [](auto& s) -> auto& { return s.feed.read_all_partitions; }),
       toggle(
           "unsafe-lsn-fence", kServe,
           "Wrong on purpose: fences snapshots by LSN, which loses changes. Only for the test that shows so.",
           [](auto& s) -> auto& { return s.feed.unsafe_lsn_fence; }),
       bytes("diff-bytes-max", kMatching,
             "A transaction's change of one query that is larger becomes a new snapshot.", {900'000, 1 << 30},
             [](auto& s) -> auto& { return s.matcher.diff_bytes_max; }),
       bytes(
           "transaction-memory-bytes", kMatching,
           "What open transactions hold in memory; above it the largest goes on in a temporary file. To "
           "compare a transaction takes as much again at most, or its largest changes of a query become new "
           "snapshots.",
           {1 << 20, kTerabyte}, [](auto& s) -> auto& { return s.matcher.netting_bytes_max; }),
       bytes("transaction-file-bytes-max", kMatching,
             "Postgres: all these files together; above it the matcher ends and says so.", {0, kTerabyte},
             [](auto& s) -> auto& { return s.postgres.transaction_file_bytes_max; })}};
}

Section snapshots() {
  return {
      "Snapshots",
      {number("snapshot-threads", kGateway, "Snapshots taken at the same time.", {1, 64},
              [](auto& s) -> auto& { return s.feed.snapshot_threads; }),
       number("snapshot-queue-max", kGateway,
              "Snapshots that wait for one of these threads; above it a query is refused for now.",
              {1, 1'000'000}, [](auto& s) -> auto& { return s.feed.snapshot_queue_max; }),
       number(
           "snapshot-tenant-percent", kGateway,
           "What one tenant may have of the threads and of the places to wait; all of it with `--auth none`.",
           {1, 100}, [](auto& s) -> auto& { return s.feed.snapshot_tenant_percent; }),
       bytes("snapshot-bytes-max", kGateway, "A query whose rows are larger is refused.", {65'536, kTerabyte},
             [](auto& s) -> auto& { return s.feed.snapshot_bytes_max; }),
       duration("snapshot-timeout-ms", kGateway, "A snapshot that is read for longer, in ms, is given up.",
                {100, kDay}, [](auto& s) -> auto& { return s.feed.snapshot_timeout; }),
       bytes("spool-memory-bytes", kGateway,
             "What of one snapshot is kept in memory; the rest is in a temporary file.", {0, kTerabyte},
             [](auto& s) -> auto& { return s.feed.spool_memory_bytes; }),
       text("spool-directory", kMatching, "Where temporary files are. They have no name there.",
            [](auto& s) -> auto& { return s.feed.spool_directory; }),
       bytes("spool-bytes-max", kGateway,
             "The files of all snapshots together; above it a snapshot is refused for now.", {0, kTerabyte},
             [](auto& s) -> auto& { return s.feed.spool_bytes_max; }),
       duration("snapshot-reuse-ms", kGateway, "A snapshot serves others who ask within so many ms.",
                {0, kDay}, [](auto& s) -> auto& { return s.feed.snapshot_reuse; })}};
}

Section single_commands() {
  return {
      "Of single commands",
      {list("tables", kSetup, "The tables to publish, `schema.name`.",
            [](auto& s) -> auto& { return s.setup.tables; }),
       toggle("check", kSetup, "Only look, change nothing.", [](auto& s) -> auto& { return s.setup.check; }),
       toggle("keep-identity", kSetup,
              "Leave replica identities as they are; queries that need more of old rows are refused.",
              [](auto& s) -> auto& { return s.setup.keep_identity; }),
       text("role", kSetup,
            "Postgres: the role that serve and match run as, where it is not the url's. What it lacks is "
            "said, "
            "with the GRANT to type.",
            [](auto& s) -> auto& { return s.setup.role; }),
       text("serve-role", kSetup,
            "Postgres, with Kafka: the role that serve runs as, where it is not match's, which `--role` is "
            "then. "
            "Each needs less than one for both.",
            [](auto& s) -> auto& { return s.setup.serve_role; }),
       number(
           "topic-partitions", kSetup,
           "Kafka: of the diff topic, where setup makes it. They can't be changed without a new snapshot for "
           "every client.",
           {1, 10'000}, [](auto& s) -> auto& { return s.setup.topic_partitions; }),
       number(
           "topic-replicas", kSetup,
           "Kafka: on how many brokers each topic lies that setup makes; 0: the broker's default. With 3 or "
           "more, two must have a record before it counts (`min.insync.replicas`). Topics that are there are "
           "compared with it.",
           {0, 100}, [](auto& s) -> auto& { return s.setup.topic_replicas; }),
       text("subject", kToken, "Whom the token is for.", [](auto& s) -> auto& { return s.token.subject; }),
       text("tenant", kToken, "The tenant it names.", [](auto& s) -> auto& { return s.token.tenant; }),
       text("claims", kToken, "Further claims, a JSON object.",
            [](auto& s) -> auto& { return s.token.claims; }),
       duration("ttl", kToken, "How long it is valid, in seconds.", {1, 315'360'000},
                [](auto& s) -> auto& { return s.token.ttl; }),
       text("url", kTail, "The gateway, `ws://host:port` or `wss://host:port`.",
            [](auto& s) -> auto& { return s.tail.url; }),
       text("sql", kTail, "The query, as SQL.", [](auto& s) -> auto& { return s.tail.sql; }),
       text("table", kTail, "Or a whole table.", [](auto& s) -> auto& { return s.tail.table; }),
       secret(text("token", kTail, "The token to show.", [](auto& s) -> auto& { return s.tail.token; })),
       text("ca-file", kTail,
            "Certificates (PEM) that vouch for a `wss://` gateway. None named: the system's.",
            [](auto& s) -> auto& { return s.tail.ca_file; }),
       toggle("json", kTail, "Print what the server sends, a message a line.",
              [](auto& s) -> auto& { return s.tail.json; })}};
}

std::string respelled(std::string_view name, char separator) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', separator);
  return out;
}

}  // namespace

const std::vector<CommandText>& commands() {
  static const std::vector<CommandText> texts{
      {Command::serve, "serve", "a gateway: clients subscribe here"},
      {Command::match, "match", "the matcher: from a Postgres to Kafka, for any number of gateways"},
      {Command::demo, "demo", "a shop on SQLite, in one process, with a page to look at"},
      {Command::setup, "setup", "prepares a Postgres (and with --kafka the topics), and says what it did"},
      {Command::token, "token", "mints a token for development"},
      {Command::tail, "tail", "subscribes and prints"}};
  return texts;
}

std::string Setting::flag() const {
  return "--" + std::string(name);
}
std::string Setting::key() const {
  return respelled(name, '_');
}
std::string Setting::variable() const {
  std::string out = "TIDEGATE_" + key();
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  return out;
}

std::vector<Section> sections() {
  std::vector<Section> out{general(), data(),    access(),    connections(),    operators(),
                           limits(),  queries(), snapshots(), single_commands()};
  // They belong to one call, not to an installation.
  for (Setting& setting : out.back().settings) setting.in_file = false;
  return out;
}

}  // namespace tidegate::config
