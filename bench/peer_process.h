// What the peers have in common: a child of ours with a configuration of its own, and a connection to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rig/process.h"

namespace tidegate::bench {

/// Where bench/peers/install puts what Go builds: TIDEGATE_PEERS, else build/peers/bin of the source tree.
std::string peer_path(const std::string& name);
bool exists(const std::string& path);

/// A directory, two ports that are ours, and the server that works there.
class PeerProcess {
 public:
  [[nodiscard]] const std::string& directory() const { return directory_.path(); }
  [[nodiscard]] int port() const { return port_.number(); }
  [[nodiscard]] int other_port() const { return other_.number(); }
  /// Writes the configuration (`name` in the directory), starts `command` and waits until `port` accepts;
  /// ends the program with the server's words where it does not.
  void start(const std::string& name, const std::string& configuration, std::vector<std::string> command);
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  rig::TemporaryDirectory directory_;
  rig::Port port_, other_;
  std::unique_ptr<rig::Process> process_;
};

/// A plain connection to loopback.
class Line {
 public:
  Line() = default;
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  /// False where nobody accepts.
  bool open(int port);
  /// Sends all, and drops what has come meanwhile.
  void send(std::string_view bytes);

 private:
  int fd_ = -1;
};

/// `bytes` of text that end in a mark (swarm.h).
std::string marked(int bytes);

}  // namespace tidegate::bench
