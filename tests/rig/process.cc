#include "rig/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace tidegate::rig {
namespace {

using namespace std::chrono_literals;
constexpr auto kPoll = 5ms;  // between two looks at a child or its output; no test depends on it

[[noreturn]] void become(const std::vector<std::string>& command, const std::string& log_path,
                         const Process::Options& options, const passwd* user) {
  const int out = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::setpgid(0, 0);
  if (user != nullptr && (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
                          ::setuid(user->pw_uid) != 0)) {
    ::_exit(126);
  }
  ::prctl(PR_SET_PDEATHSIG, options.death_signal);  // after setuid, which clears it
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(126);
  for (const std::string& pair : options.environment) ::putenv(const_cast<char*>(pair.c_str()));
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Process::Process(std::vector<std::string> command, std::string log_path, Options options)
    : log_path_(std::move(log_path)) {
  const passwd* user = options.user.empty() ? nullptr : ::getpwnam(options.user.c_str());
  if (!options.user.empty() && user == nullptr) throw std::runtime_error("no user " + options.user);
  if (::geteuid() != 0) user = nullptr;
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) become(command, log_path_, options, user);
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    wait(kPatience);
  }
}

void Process::signal(int number) const {
  if (!exit_code_) ::kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (look(); !exit_code_; look()) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(kPoll);
  }
  return exit_code_;
}

bool Process::look(int options) {
  int status = 0;
  if (exit_code_ || ::waitpid(pid_, &status, WNOHANG | options) != pid_) return false;
  if (WIFSTOPPED(status)) return true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

bool Process::wait_stopped(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!look(WUNTRACED)) {
    if (exit_code_ || std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

bool Process::running() {
  return !wait(0ms);
}

std::string Process::output() const {
  std::ifstream file(log_path_);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Process::wait_for_output(const std::string& text, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const bool alive = running();
    if (output().find(text) != std::string::npos) return true;
    if (!alive || std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

std::string run(std::vector<std::string> command, Process::Options options) {
  const TemporaryDirectory directory;
  const std::string shown = command.front();
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  Process process(std::move(command), directory.path() + "/out", std::move(options));
  const auto code = process.wait(kPatience);
  if (code != 0) throw std::runtime_error(shown + " failed: " + process.output());
  return process.output();
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tidegate-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Port::Port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int shared = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &shared, sizeof shared) != 0 ||
      ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(socket_);
    throw std::runtime_error("no free port");
  }
  number_ = ntohs(address.sin_port);
}

Port::~Port() {
  ::close(socket_);
}

}  // namespace tidegate::rig
