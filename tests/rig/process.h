#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tidegate::rig {

/// How long a test waits for what must happen, on a machine that has other things to do as well. A test that
/// waits it out fails, and nothing waits for it when all is well.
inline constexpr std::chrono::seconds kPatience{120};

/// A child process of a test: the real thing, started with its output in a file, ended by its process id. It
/// dies with the test (PR_SET_PDEATHSIG), also when that is killed.
class Process {
 public:
  struct Options {
    std::vector<std::string> environment;  ///< `NAME=value`, added to ours
    std::string user;                      ///< run as this user (Postgres refuses root); empty: ours
    int death_signal = 9;                  ///< what it gets when the test dies
    std::string directory;                 ///< working directory; empty: ours
  };
  /// Starts `command`; standard output and error go to `log_path`. Throws std::runtime_error if it can't.
  Process(std::vector<std::string> command, std::string log_path, Options options);
  Process(std::vector<std::string> command, std::string log_path)
      : Process(std::move(command), std::move(log_path), Options{}) {}
  /// SIGKILL and wait, if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Waits for its end; the exit code, or 128 + the signal; nothing if it still runs after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout = kPatience);
  [[nodiscard]] bool running();
  /// Waits until it is stopped (SIGSTOP, by whomever); false if it ends or the time is over before. Each stop
  /// is told once.
  bool wait_stopped(std::chrono::milliseconds timeout);
  [[nodiscard]] std::string output() const;
  /// Waits until the output contains `text`; false if it ends or the time is over before.
  bool wait_for_output(const std::string& text, std::chrono::milliseconds timeout = kPatience);

 private:
  bool look(int options = 0);  // whether it has stopped, if that is among the options
  pid_t pid_ = -1;
  std::string log_path_;
  std::optional<int> exit_code_;
};

/// Runs a command to its end; its output. Throws std::runtime_error with the output where it fails.
std::string run(std::vector<std::string> command, Process::Options options = {});

/// A directory below the system's temporary one, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A TCP port of loopback that is ours as long as this lives: the system gives it to nobody else, neither who
/// asks for any port nor who connects. A socket that is bound to it and does not listen sees to that. A
/// server may listen on it that sets SO_REUSEADDR, as all do, and again after a restart; before that whoever
/// connects is refused.
class Port {
 public:
  /// Throws std::runtime_error where there is none.
  Port();
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int socket_ = -1;
  int number_ = 0;
};

}  // namespace tidegate::rig
