#include "rig/postgres.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

namespace tidegate::rig {
namespace {

using namespace std::chrono_literals;
constexpr auto kLook = 10ms;        // between two looks at a server that starts
constexpr auto kStopTimeout = 50s;  // then it is killed; less than authentication_timeout
constexpr const char* kUser = "postgres";

std::string binaries() {
  static const std::string debian = "/usr/lib/postgresql/15/bin";
  if (std::filesystem::exists(debian + "/initdb")) return debian;
  std::string path = run({"pg_config", "--bindir"});
  while (!path.empty() && (path.back() == '\n' || path.back() == ' ')) path.pop_back();
  return path;
}

Process::Options as_server() {
  Process::Options options;
  if (::geteuid() == 0) options.user = kUser;
  options.death_signal = SIGQUIT;
  return options;
}

void give_to_server(const std::string& path) {
  if (::geteuid() != 0) return;
  const passwd* user = ::getpwnam(kUser);
  if (user == nullptr || ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    throw std::runtime_error("can't give " + path + " to the user postgres");
  }
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string name = std::to_string(pid);
  std::ifstream file("/proc/" + name + "/task/" + name + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

/// As in /proc: `T` is stopped, `Z` and `X` have ended; `X` too where there is none.
char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 'X';
  const std::size_t state = line.rfind(") ");
  return state == std::string::npos ? 'X' : line[state + 2];
}

/// Gone, or a zombie that nobody has waited for yet.
bool ended(pid_t pid) {
  const char state = state_of(pid);
  return state == 'Z' || state == 'X';
}

/// Stops a server, and gives those that it started: whom it is starting just now is among them.
std::vector<pid_t> stopped(const Process& server) {
  server.signal(SIGSTOP);
  eventually([&] { return state_of(server.pid()) == 'T' || ended(server.pid()); }, kStopTimeout);
  return children_of(server.pid());
}

void no_notice(void*, const char*) {}

}  // namespace

PostgresServer::PostgresServer(Settings settings)
    : data_(directory_.path() + "/data"), settings_(std::move(settings)) {
  give_to_server(directory_.path());
  run({binaries() + "/initdb", "-D", data_, "-U", kUser, "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8",
       "-N"},
      as_server());
  start();
}

std::unique_ptr<PostgresServer> PostgresServer::standby_of(const PostgresServer& primary) {
  std::unique_ptr<PostgresServer> standby(new PostgresServer(Empty{}));
  give_to_server(standby->directory_.path());
  run({binaries() + "/pg_basebackup", "-D", standby->data_, "-h", "127.0.0.1", "-p",
       std::to_string(primary.port()), "-U", kUser, "-X", "stream", "-c", "fast", "-R"},
      as_server());
  standby->settings_ = primary.settings_;
  standby->start();
  return standby;
}

void PostgresServer::await_replay(const PostgresServer& primary) const {
  const std::string written = Sql(primary.url()).value("select pg_current_wal_flush_lsn()");
  Sql sql(url());
  const bool there =
      eventually([&] { return sql.value("select pg_last_wal_replay_lsn() >= '" + written + "'") == "t"; });
  if (!there) throw std::runtime_error("the standby does not follow: " + log());
}

void PostgresServer::cut_off() const {
  Sql sql(url());
  sql.exec("alter system set primary_conninfo = ''");
  sql.exec("select pg_reload_conf()");
  const bool cut = eventually([&] { return sql.value("select count(*) from pg_stat_wal_receiver") == "0"; });
  if (!cut) throw std::runtime_error("the standby still hears its primary: " + log());
}

void PostgresServer::promote() const {
  if (Sql(url()).value("select pg_promote()") != "t") throw std::runtime_error("not promoted: " + log());
}

PostgresServer::~PostgresServer() {
  if (process_) kill();
}

std::string PostgresServer::url(const std::string& database) const {
  return url_as(kUser, database);
}

std::string PostgresServer::url_as(const std::string& role, const std::string& database) const {
  return "postgres://" + role + "@127.0.0.1:" + std::to_string(port()) + "/" + database;
}

std::string PostgresServer::log() const {
  std::ifstream file(directory_.path() + "/log");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string PostgresServer::create_database(const std::string& name) {
  Sql(url()).exec("CREATE DATABASE \"" + name + "\"");
  return url(name);
}

void PostgresServer::launch() {
  std::vector<std::string> command = {binaries() + "/postgres", "-D", data_};
  Settings all = {{"port", std::to_string(port())},
                  {"listen_addresses", "127.0.0.1"},
                  {"unix_socket_directories", directory_.path()},
                  {"fsync", "off"},
                  {"full_page_writes", "off"},
                  {"wal_level", "logical"},
                  {"max_wal_senders", "40"},
                  {"max_replication_slots", "40"},
                  {"max_prepared_transactions", "20"},
                  {"max_connections", "200"},
                  {"shared_buffers", "32MB"}};
  all.insert(all.end(), settings_.begin(), settings_.end());
  for (const auto& [name, value] : all) command.insert(command.end(), {"-c", name + "=" + value});
  process_ = std::make_unique<Process>(std::move(command), directory_.path() + "/log", as_server());
}

bool PostgresServer::accepts() const {
  PGconn* connection = PQconnectdb((url() + "?connect_timeout=5").c_str());
  const bool ok = PQstatus(connection) == CONNECTION_OK;
  PQfinish(connection);
  return ok;
}

void PostgresServer::start() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (launch(); !accepts();) {
    if (std::chrono::steady_clock::now() >= until || !process_->running()) {
      process_.reset();
      throw std::runtime_error("PostgreSQL did not start: " + log());
    }
    std::this_thread::sleep_for(kLook);
  }
}

bool PostgresServer::stop(Stop mode) {
  if (!process_) return true;
  process_->signal(mode == Stop::fast ? SIGINT : SIGQUIT);
  if (process_->wait(kStopTimeout)) {
    process_.reset();
    return true;
  }
  kill();
  return false;
}

void PostgresServer::kill() {
  if (!process_) return;
  const std::vector<pid_t> children = stopped(*process_);
  process_->signal(SIGKILL);
  for (const pid_t child : children) ::kill(child, SIGKILL);
  process_.reset();
  for (const pid_t child : children) {  // their shared memory must be free before the next start
    eventually([child] { return ended(child); }, kStopTimeout);
  }
}

void PostgresServer::freeze() const {
  for (const pid_t child : stopped(*process_)) ::kill(child, SIGSTOP);
}

void PostgresServer::thaw() const {
  for (const pid_t child : children_of(process_->pid())) ::kill(child, SIGCONT);
  process_->signal(SIGCONT);
}

void PostgresServer::restart(Stop mode) {
  stop(mode);
  start();
}

void PostgresServer::restart_with(Settings settings, Stop mode) {
  settings_ = std::move(settings);
  restart(mode);
}

void PostgresServer::demand_tls(const std::string& certificate_file, const std::string& key_file,
                                const std::string& client_ca_file) {
  const auto take = [this](const std::string& file, const std::string& name) {
    const std::string path = data_ + "/" + name;
    std::filesystem::copy_file(file, path, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    give_to_server(path);
    return path;
  };
  settings_.insert(settings_.end(), {{"ssl", "on"},
                                     {"ssl_cert_file", take(certificate_file, "server.crt")},
                                     {"ssl_key_file", take(key_file, "server.key")},
                                     {"ssl_ca_file", take(client_ca_file, "clients.crt")}});
  std::ofstream(data_ + "/pg_hba.conf")
      << "local all all trust\nhost all " << kUser << " 127.0.0.1/32 trust\n"
      << "hostssl all localhost 127.0.0.1/32 cert\n"
      << "hostssl all all 127.0.0.1/32 scram-sha-256\n";
  restart();
}

void PostgresServer::restart_at_xid(std::uint32_t xid) {
  for (const char* database : {"postgres", "template1"}) Sql(url(database)).exec("vacuum freeze");
  stop();
  // The oldest id must lie within 2^31 of the next one; everything older is frozen.
  run({binaries() + "/pg_resetwal", "-f", "-D", data_, "-x", std::to_string(xid), "-u",
       std::to_string(xid - 1000)},
      as_server());
  // The server expects the piece of its commit log that the id lies in.
  constexpr std::uint32_t kXidsASegment = 32 * 8192 * 4;
  char name[8];
  std::snprintf(name, sizeof name, "%04X", xid / kXidsASegment);
  const std::string path = data_ + "/pg_xact/" + name;
  std::ofstream(path) << std::string(kXidsASegment / 4, '\0');
  give_to_server(path);
  start();
}

Sql::Sql(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
  if (PQstatus(connection_) != CONNECTION_OK) {
    const std::string message = PQerrorMessage(connection_);
    PQfinish(connection_);
    throw SqlError("", message);
  }
  PQsetNoticeProcessor(connection_, no_notice, nullptr);
}

Sql::~Sql() {
  PQfinish(connection_);
}

Sql::Rows Sql::rows(pg_result* result) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> owned(result, PQclear);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    throw SqlError(sqlstate == nullptr ? "" : sqlstate, PQerrorMessage(connection_));
  }
  Rows rows(PQntuples(result));
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < PQnfields(result); ++column) {
      if (PQgetisnull(result, row, column) != 0) {
        rows[row].emplace_back();
      } else {
        rows[row].emplace_back(
            std::string(PQgetvalue(result, row, column), PQgetlength(result, row, column)));
      }
    }
  }
  return rows;
}

Sql::Rows Sql::exec(const std::string& sql) {
  return rows(PQexec(connection_, sql.c_str()));
}

Sql::Rows Sql::exec(const std::string& sql, const std::vector<std::optional<std::string>>& parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  return rows(PQexecParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                           nullptr, nullptr, 0));
}

std::string Sql::value(const std::string& sql) {
  const Rows found = exec(sql);
  if (found.empty() || found[0].empty() || !found[0][0]) throw SqlError("", "no value from: " + sql);
  return *found[0][0];
}

void Sql::send(const std::string& sql) {
  if (PQsendQuery(connection_, sql.c_str()) == 0) throw SqlError("", PQerrorMessage(connection_));
}

Sql::Rows Sql::finish() {
  Rows last;
  std::optional<SqlError> error;
  while (PGresult* result = PQgetResult(connection_)) {
    try {
      last = rows(result);
    } catch (const SqlError& caught) {
      error = caught;  // the results behind it must be read too
    }
  }
  if (error) throw *error;
  return last;
}

int Sql::backend() const {
  return PQbackendPID(connection_);
}

void look_again() {
  std::this_thread::sleep_for(kLook);
}

}  // namespace tidegate::rig
