#include "floor.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "measured.h"
#include "swarm.h"

namespace tidegate::bench {
namespace {

struct Peer {
  int fd = -1;
  std::string left;  // of a write that the socket did not take whole
};

int listening() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(fd, 4'096) != 0)
    end("the floor cannot listen");
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  fmt::print("listening on 127.0.0.1:{}\n", ntohs(at.sin_port));
  std::fflush(stdout);
  return fd;
}

Peer welcome(int listener) {
  Peer peer;
  peer.fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int on = 1;
  ::setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string request(4'096, '\0');
  if (::recv(peer.fd, request.data(), request.size(), 0) <= 0) end("the floor's client is gone");
  static const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: json\r\n\r\n";
  (void)!::send(peer.fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  return peer;
}

/// False where the socket is full; then the rest stays with the peer.
bool write(Peer& peer, const std::string& bytes) {
  const auto sent = ::send(peer.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) std::exit(0);  // the clients have gone
  const auto taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (taken == bytes.size()) return true;
  peer.left = bytes.substr(taken);
  return false;
}

/// Waits until what the sockets did not take has gone.
void drain(std::vector<Peer>& peers, int poll, std::size_t full) {
  std::vector<epoll_event> events(1'024);
  while (full > 0) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      Peer& peer = peers[events[static_cast<std::size_t>(i)].data.u64];
      const std::string rest = std::move(peer.left);
      peer.left.clear();
      if (!write(peer, rest)) continue;
      ::epoll_ctl(poll, EPOLL_CTL_DEL, peer.fd, nullptr);
      --full;
    }
  }
}

/// Writes `bytes` to peers from `first` up to `last`, whole.
void write_to(std::vector<Peer>& peers, std::size_t first, std::size_t last, const std::string& bytes,
              int poll) {
  std::size_t full = 0;
  for (std::size_t i = first; i < last; ++i) {
    if (write(peers[i], bytes)) continue;
    epoll_event event{.events = EPOLLOUT, .data = {.u64 = i}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, peers[i].fd, &event);
    ++full;
  }
  drain(peers, poll, full);
}

/// Writes to whoever can take something, a batch at a time, and waits for nobody else. The records are always
/// the same, with the time of its beginning.
[[noreturn]] void flood(const std::vector<Peer>& peers, int poll, const FloorSettings& settings) {
  std::string bytes;
  for (int i = 0; i < settings.batch; ++i)
    bytes += binary_frame(stamped(static_cast<std::size_t>(settings.payload)));
  std::vector<std::size_t> written(peers.size());  // of `bytes`
  for (std::size_t i = 0; i < peers.size(); ++i) {
    epoll_event event{.events = EPOLLOUT, .data = {.u64 = i}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, peers[i].fd, &event);
  }
  std::vector<epoll_event> events(1'024);
  for (;;) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::size_t peer = events[static_cast<std::size_t>(i)].data.u64;
      std::size_t& at = written[peer];
      const auto sent =
          ::send(peers[peer].fd, bytes.data() + at, bytes.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) std::exit(0);  // the clients have gone
      if (sent > 0) at = (at + static_cast<std::size_t>(sent)) % bytes.size();
    }
  }
}

}  // namespace

void serve_floor(const FloorSettings& settings) {
  const int listener = listening();
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Peer> peers;
  for (int i = 0; i < settings.sessions; ++i) peers.push_back(welcome(listener));
  if (settings.a_second == 0) flood(peers, poll, settings);
  auto due = Clock::now();
  const std::chrono::nanoseconds interval(1'000'000'000LL * settings.batch / settings.a_second);
  const auto at_once = static_cast<std::uint64_t>(records_at_once(settings.a_second));
  const std::size_t group = peers.size() / static_cast<std::size_t>(settings.queries);
  std::size_t first = 0;
  for (std::uint64_t written = 1;;
       ++written, first = (first + group) % (group * static_cast<std::size_t>(settings.queries))) {
    std::string bytes;
    for (int i = 0; i < settings.batch; ++i)
      bytes += binary_frame(stamped(static_cast<std::size_t>(settings.payload)));
    write_to(peers, first, first + group, bytes, poll);
    due += interval;
    if (written % at_once == 0) std::this_thread::sleep_until(due);
  }
}

}  // namespace tidegate::bench
