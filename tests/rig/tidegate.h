#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rig/process.h"

namespace tidegate::rig {

/// Our program as a user runs it: a process of its own on a port of its own.
class Tidegate {
 public:
  /// Starts `tidegate <arguments>` and, unless `listens` is false, adds `--listen 127.0.0.1:0` (not to match)
  /// and
  /// `--admin-listen 127.0.0.1:0`, and waits until it says which ports it got. Throws std::runtime_error with
  /// its output if it ends before.
  explicit Tidegate(std::vector<std::string> arguments, std::vector<std::string> environment = {},
                    bool listens = true);

  [[nodiscard]] Process& process() { return *process_; }
  /// Where clients connect; match's is the operators'.
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int admin_port() const { return admin_port_; }
  /// What it was started with, where it was: shown for its metrics from now on.
  void show_admin_token(std::string token) { admin_token_ = std::move(token); }
  /// The whole text of /metrics.
  [[nodiscard]] std::string metrics() const;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string output() const { return process_->output(); }
  /// Polls /readyz until it answers 200; throws with its last answer after kPatience.
  void wait_ready();
  /// One metric's value from /metrics, the sum over its labels, or with labels that one's; 0 where there is
  /// none.
  [[nodiscard]] double metric(std::string_view name) const;

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Process> process_;
  int port_ = 0;
  int admin_port_ = 0;
  std::string admin_token_;
};

struct HttpAnswer {
  int status = 0;
  std::string head;
  std::string body;
};
/// One plain HTTP/1.1 request to loopback; throws std::runtime_error where nobody answers.
HttpAnswer http(int port, const std::string& method, const std::string& target, const std::string& body = {},
                const std::string& extra_headers = {});

/// The binary under test.
std::string tidegate_path();

}  // namespace tidegate::rig
