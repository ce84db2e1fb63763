#include "peer_process.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>

#include "measured.h"
#include "swarm.h"

namespace tidegate::bench {

using namespace std::chrono_literals;

std::string peer_path(const std::string& name) {
  const char* directory = std::getenv("TIDEGATE_PEERS");
  return (directory != nullptr ? std::string(directory) : TIDEGATE_ROOT "/build/peers/bin") + "/" + name;
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), R_OK) == 0;
}

void PeerProcess::start(const std::string& name, const std::string& configuration,
                        std::vector<std::string> command) {
  std::ofstream(directory() + "/" + name) << configuration;
  process_ = std::make_unique<rig::Process>(std::move(command), directory() + "/log");
  for (const auto begin = Clock::now(); milliseconds_since(begin) < 30'000;
       std::this_thread::sleep_for(20ms)) {
    if (!process_->running()) break;
    if (Line line; line.open(port())) return;
  }
  end("a peer does not start:\n" + process_->output());
}

Line::~Line() {
  if (fd_ >= 0) ::close(fd_);
}

bool Line::open(int port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

void Line::send(std::string_view bytes) {
  std::array<char, 16 << 10> dropped;
  while (::recv(fd_, dropped.data(), dropped.size(), MSG_DONTWAIT) > 0) {
  }
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) end("a peer takes no records any more");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string marked(int bytes) {
  const std::string end = mark();
  return std::string(static_cast<std::size_t>(bytes) - end.size(), 'x') + end;
}

}  // namespace tidegate::bench
