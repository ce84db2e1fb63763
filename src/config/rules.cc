#include "config/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "config/values.h"

namespace tidegate::config {
namespace {

constexpr std::string_view kSeedBrokers = "localhost:9092";
constexpr std::string_view kSeedAnswer = "cladbe-ws-gateway";
constexpr std::string_view kDemoDatabase = "sqlite:demo.db";
constexpr std::uint16_t kMatchPort = 8081;
constexpr std::uint16_t kAdminAbove = 1'000;  // so that two gateways of one machine differ in both

Error fault(std::string message) {
  return {Fault::invalid, std::move(message)};
}

// `origin: message`, the origin being where the setting's value came from.
Error fault_of(const GivenSettings& given, std::string_view name, std::string_view message) {
  const auto found = given.find(name);
  return fault(
      fmt::format("{}: {}", found == given.end() ? "--" + std::string(name) : found->second.origin, message));
}

Status read_database(const GivenSettings& given, Settings& settings) {
  constexpr std::string_view kSqlite = "sqlite:";
  const std::string& text = settings.database;
  if (text.empty()) return {};
  if (text.rfind(kSqlite, 0) == 0) {
    settings.database_kind = Database::sqlite;
    settings.sqlite_path = text.substr(kSqlite.size());
    if (settings.sqlite_path.empty()) return fault_of(given, "database", "a path must follow `sqlite:`");
    return {};
  }
  const bool url = text.rfind("postgres://", 0) == 0 || text.rfind("postgresql://", 0) == 0;
  const bool pairs = text.find("://") == std::string::npos && text.find('=') != std::string::npos;
  if (!url && !pairs) {
    return fault_of(
        given, "database",
        "must be postgres://user@host/database or sqlite:PATH (not shown: it may hold a password)");
  }
  settings.database_kind = Database::postgres;
  return {};
}

Result<std::string> read_secret_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return fault(fmt::format("`{}` cannot be read, or is empty", path));
  std::string secret = text.str();
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  return secret;
}

Status read_secret(const GivenSettings& given, Settings& settings) {
  std::string& secret = settings.auth.secret;
  if (!settings.auth_secret_file.empty()) {
    if (!secret.empty())
      return fault_of(given, "auth-secret", "given as well as auth-secret-file; one of them is enough");
    auto read = read_secret_file(settings.auth_secret_file);
    if (!read) return fault_of(given, "auth-secret-file", read.error().message);
    secret = std::move(*read);
  }
  const bool set = given.contains("auth-secret") || given.contains("auth-secret-file");
  if (!set || settings.auth.mode != auth::Options::Mode::jwt) return {};
  const auto key = auth::Key::of_secret(secret);
  if (key) return {};
  return fault_of(given, settings.auth_secret_file.empty() ? "auth-secret" : "auth-secret-file",
                  key.error().message);
}

// What tokens are verified with. Files but the secret's are read later, where they are also followed.
Status check_keys(const GivenSettings& given, Settings& settings) {
  const auth::Options& auth = settings.auth;
  if (auth.secret.empty() && auth.public_key_files.empty() && auth.jwks.empty()) {
    return fault(
        "--auth jwt: needs keys to verify tokens with: `--auth-jwks URL-or-file`, `--auth-public-key-file "
        "FILE`, or "
        "the secret that they are signed with: type `openssl rand -hex 32 > secret`, and then "
        "`--auth-secret-file "
        "secret`; or `--auth none`, which shows every published table to everybody, on loopback only");
  }
  const bool plain = auth.jwks.starts_with("http://");
  const bool url = plain || auth.jwks.starts_with("https://");
  if (!url && auth.jwks.find("://") != std::string::npos) {
    return fault_of(given, "auth-jwks", "a URL must begin with https:// or http://");
  }
  const std::size_t host = url ? auth.jwks.find("://") + 3 : std::string::npos;
  if (url &&
      auth.jwks.substr(host, auth.jwks.find_first_of("/?#", host) - host).find('@') != std::string::npos) {
    return fault_of(given, "auth-jwks", "a URL with a user in it (`user:password@`) is not taken");
  }
  if (!auth.jwks_ca_file.empty() && (plain || !url)) {
    return fault_of(given, "auth-jwks-ca-file", "means nothing without an https:// URL in auth-jwks");
  }
  if (plain) {
    settings.warnings.emplace_back(
        "auth-jwks: keys come over http; whoever can change them on their way can sign tokens: rather https");
  }
  if (url && auth.audiences.empty()) {
    settings.warnings.emplace_back(
        "auth-audience: not set; a token that the issuer made for any other service is accepted here, too");
  }
  if (!settings.session.token_parameter.empty()) {
    settings.warnings.emplace_back(
        "auth-query-parameter: tokens in URLs end up in the logs of proxies and browsers; keep them "
        "short-lived");
  }
  return {};
}

// Nobody is verified: on loopback with a warning, elsewhere only where that was asked for as such.
Status check_open(const GivenSettings& given, Settings& settings) {
  settings.policy.open = true;
  settings.warnings.emplace_back(
      "--auth none: nobody is verified; whoever reaches this address sees every published table");
  const bool keys =
      !settings.auth.secret.empty() || !settings.auth.public_key_files.empty() || !settings.auth.jwks.empty();
  if (keys) settings.warnings.emplace_back("--auth none: the keys that are set are not used");
  if (is_loopback(settings.session.address) || settings.auth_none_beyond_loopback) return {};
  return fault_of(
      given, "listen",
      fmt::format(
          "{} can be reached from other machines, and --auth none would show every published table to them: "
          "type `--listen 127.0.0.1:{}`, or give keys (--auth-jwks, --auth-secret-file), or say "
          "--auth-none-beyond-loopback as well",
          settings.session.address, settings.session.port));
}

Status read_admin_token(const GivenSettings& given, Settings& settings) {
  std::string& token = settings.admin.token;
  std::string_view name = "admin-token";
  if (!settings.admin_token_file.empty()) {
    if (!token.empty())
      return fault_of(given, name, "given as well as admin-token-file; one of them is enough");
    name = "admin-token-file";
    auto read = read_secret_file(settings.admin_token_file);
    if (!read) return fault_of(given, name, read.error().message);
    token = std::move(*read);
  }
  if (!given.contains(name)) return {};
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (plain && token.size() >= admin::kTokenBytesMin) return {};
  return fault_of(given, name,
                  fmt::format("must be {} characters or more, without blanks: type `openssl rand -hex 32`",
                              admin::kTokenBytesMin));
}

// Where operators connect: nobody else, unless there is something that they must show.
Status check_admin(const GivenSettings& given, Settings& settings) {
  if (Status token = read_admin_token(given, settings); !token) return token;
  if (settings.admin.address.empty()) settings.admin.address = "127.0.0.1";
  if (is_loopback(settings.admin.address) || !settings.admin.token.empty()) return {};
  return fault_of(
      given, "admin-listen",
      fmt::format("{} can be reached from other machines, and nothing would keep them from reading this "
                  "process's metrics: type `--admin-listen 127.0.0.1:{}`, or give --admin-token-file",
                  settings.admin.address, settings.admin.port));
}

Status check_gateway_admin(const GivenSettings& given, Settings& settings) {
  if (!given.contains("admin-listen")) {
    const std::uint16_t port = settings.session.port;
    const bool above = port <= std::numeric_limits<std::uint16_t>::max() - kAdminAbove;
    settings.admin.port = port == 0
                              ? std::uint16_t{0}
                              : static_cast<std::uint16_t>(above ? port + kAdminAbove : port - kAdminAbove);
    settings.admin.address.clear();
  }
  if (!settings.revocation_file.empty() && !settings.kafka.brokers.empty()) {
    return fault_of(given, "revocation-file",
                    fmt::format("with --kafka revoked tokens are in the topic {}.revocations; leave it out",
                                settings.kafka.topics.front()));
  }
  return check_admin(given, settings);
}

void fill_address(Settings& settings, std::string_view address) {
  if (settings.session.address.empty()) settings.session.address = address;
}

/// What only a gateway that verifies tokens has a use for. Where its database is missing, an empty variable
/// or a secret that is not mounted, say, it must not come up as one that verifies nobody.
Status check_made_for_tokens(const GivenSettings& given, const Settings& settings) {
  constexpr std::string_view kWhatToDo =
      "is for a gateway that verifies tokens, but there is no --database, and pass-through verifies nobody: "
      "give a --database, or say --auth none as well";
  for (const std::string_view name : {"auth-jwks", "auth-secret-file", "auth-secret", "auth-public-key-file",
                                      "auth-issuer", "auth-audience", "auth-require", "revocation-file"}) {
    if (given.contains(name)) return fault_of(given, name, kWhatToDo);
  }
  if (!settings.policy.tables.empty()) return fault(fmt::format("[[table]]: {}", kWhatToDo));
  return {};
}

Status pass_through(const GivenSettings& given, Settings& settings) {
  if (given.contains("auth") && settings.auth.mode == auth::Options::Mode::jwt) {
    return fault_of(
        given, "auth",
        "pass-through (no --database) verifies nobody, as the seed did; give a --database, or leave it out");
  }
  if (!given.contains("auth")) {
    if (Status fits = check_made_for_tokens(given, settings); !fits) return fits;
  }
  if (!settings.policy.tables.empty()) {
    settings.warnings.emplace_back(
        "[[table]]: means nothing in pass-through, where queries are not looked into");
  }
  settings.session.pass_through = true;
  settings.session.plain_answer = kSeedAnswer;
  settings.auth.mode = auth::Options::Mode::none;
  if (settings.kafka.brokers.empty()) settings.kafka.brokers = kSeedBrokers;
  fill_address(settings, "0.0.0.0");
  settings.warnings.emplace_back(
      "pass-through: nobody is verified; whoever reaches this address may read every key");
  const std::string& key = settings.session.key_template;
  if (key.find("{tenant}{") != std::string::npos || key.find("}{tenant}") != std::string::npos) {
    return fault_of(given, "key-template",
                    "needs a character beside {tenant} that no tenant's name has, as in `{tenant}:{hashId}`");
  }
  if (key.find("{tenant}") != std::string::npos) {
    settings.warnings.emplace_back(
        "key-template: {tenant} is what a client's x-tenant header says; let only a proxy that sets it reach "
        "this address");
  }
  return {};
}

Status check_tls(const GivenSettings& given, const Settings& settings) {
  if (settings.tls.certificate.empty() == settings.tls.key.empty()) return {};
  return settings.tls.key.empty()
             ? fault_of(given, "tls-certificate-file", "needs its key: give --tls-key-file as well")
             : fault_of(given, "tls-key-file",
                        "needs the certificate that it belongs to: give --tls-certificate-file as well");
}

Status gateway(const GivenSettings& given, Settings& settings) {
  if (settings.feed.unsafe_lsn_fence) {
    settings.warnings.emplace_back(
        "--unsafe-lsn-fence: snapshots lose changes on purpose; never outside of a test");
  }
  fill_address(settings, "127.0.0.1");
  if (settings.auth.mode == auth::Options::Mode::none) return check_open(given, settings);
  return check_keys(given, settings);
}

Status serve(const GivenSettings& given, Settings& settings) {
  if (Status tls = check_tls(given, settings); !tls) return tls;
  if (settings.database_kind == Database::sqlite && !settings.kafka.brokers.empty()) {
    return fault_of(given, "kafka", "a SQLite file is served by one process without Kafka; leave it out");
  }
  const bool managed = settings.database_kind != Database::none;
  if (Status served = managed ? gateway(given, settings) : pass_through(given, settings); !served)
    return served;
  return check_gateway_admin(given, settings);
}

Status demo(const GivenSettings& given, Settings& settings) {
  if (Status tls = check_tls(given, settings); !tls) return tls;
  if (settings.database_kind == Database::postgres) {
    return fault_of(given, "database",
                    "the demo runs on SQLite: leave it out, or name a file as sqlite:PATH");
  }
  if (Status served = gateway(given, settings); !served) return served;
  return check_gateway_admin(given, settings);
}

Status match(const GivenSettings& given, Settings& settings) {
  if (settings.database_kind != Database::postgres) {
    return fault_of(given, "database",
                    "match needs a Postgres: type `--database postgres://user@host/database`");
  }
  if (settings.kafka.brokers.empty()) {
    return fault_of(given, "kafka",
                    "match needs a broker: type `--kafka host:9092`; without one `serve` does both");
  }
  if (!given.contains("admin-listen")) {  // beside a gateway on the same machine, both with their defaults
    const auto listen = given.find("listen");
    const bool flag =
        listen != given.end() && listen->second.origin == "--listen";  // a file may be a gateway's
    settings.admin.address = flag ? settings.session.address : "";
    settings.admin.port = flag ? settings.session.port : kMatchPort;
  }
  return check_admin(given, settings);
}

Status setup(const GivenSettings& given, const Settings& settings) {
  if (settings.database_kind == Database::sqlite) {
    return fault_of(given, "database", "a SQLite file needs no setup; setup prepares a Postgres");
  }
  if (settings.database_kind == Database::none && settings.kafka.brokers.empty()) {
    return fault("--database: setup needs one: type `--database postgres://user@host/database`");
  }
  if (!settings.setup.serve_role.empty() && settings.kafka.brokers.empty()) {
    return fault_of(given, "serve-role",
                    "means nothing without --kafka: on one node serve does all, as --role");
  }
  return {};
}

Status token(const Settings& settings) {
  if (settings.auth.secret.empty()) {
    return fault("--auth-secret-file: token needs the gateways' secret: type `--auth-secret-file FILE`");
  }
  if (settings.token.subject.empty()) return fault("--subject: missing: type whom the token is for");
  if (settings.token.tenant.empty())
    return fault("--tenant: missing: type which tenant's rows the token shows");
  return {};
}

Status tail(const Settings& settings) {
  if (settings.tail.sql.empty() == settings.tail.table.empty()) {
    return fault("--sql, --table: type exactly one of them");
  }
  return {};
}

Status of_command(const GivenSettings& given, Settings& settings) {
  switch (settings.command) {
    case Command::serve:
      return serve(given, settings);
    case Command::demo:
      return demo(given, settings);
    case Command::match:
      return match(given, settings);
    case Command::setup:
      return setup(given, settings);
    case Command::token:
      return token(settings);
    case Command::tail:
      return tail(settings);
  }
  return {};
}

}  // namespace

Status apply_rules(const GivenSettings& given, Settings& settings) {
  if (settings.command == Command::demo) {
    if (settings.database.empty()) settings.database = kDemoDatabase;
    if (!given.contains("auth")) settings.auth.mode = auth::Options::Mode::none;
  }
  if (auto status = read_database(given, settings); !status) return status;
  if (auto status = read_secret(given, settings); !status) return status;
  if (auto status = check_secrets(given, settings); !status) return status;
  // The three bounds of an outbox keep their proportions.
  settings.hub.outbox_bytes_low = settings.hub.outbox_bytes_max / 4;
  // An outbox that has room takes one more frame or answer whole, which must not make a debtor of it.
  constexpr std::size_t kLargestAnswer = 2 << 20;
  settings.hub.outbox_bytes_hard =
      std::max(settings.hub.outbox_bytes_max * 4, settings.hub.outbox_bytes_max + kLargestAnswer);
  settings.matcher.lease = settings.feed.lease;
  settings.kafka.control_topic = settings.kafka.topics.front() + ".control";
  return of_command(given, settings);
}

}  // namespace tidegate::config
