#include "swarm.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "measured.h"
#include "protocol/deflate.h"

namespace tidegate::bench {
namespace {

constexpr std::size_t kStamp = 20;
constexpr std::size_t kBuffer = 256 << 10;
constexpr unsigned kText = 1, kBinary = 2, kPing = 9, kPong = 10;
constexpr char kMark = '~';

/// A client's frame; the mask is zero, which a server can't tell from any other.
std::string masked(unsigned opcode, std::string_view payload) {
  std::string frame{static_cast<char>(0x80 | opcode)};
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(payload.size() >> 8));
    frame.push_back(static_cast<char>(payload.size()));
  }
  frame.append(4, '\0');
  return frame.append(payload);
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) end(std::string("send: ") + std::strerror(errno));
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void wait_for_socket(int fd, short event) {
  pollfd waiting{fd, event, 0};
  ::poll(&waiting, 1, 1'000);
}

struct Header {
  unsigned opcode = 0;
  bool deflated = false;
  std::size_t head = 0, payload = 0;
};
/// head is 0 where it is not whole.
Header header_of(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  const auto at = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  Header header{static_cast<unsigned>(at(0) & 0x0f), (at(0) & 0x40) != 0, 2, at(1) & 0x7f};
  const std::size_t extra = header.payload == 126 ? 2 : header.payload == 127 ? 8 : 0;
  if (bytes.size() < 2 + extra) return {};
  if (extra > 0) header.payload = 0;
  for (std::size_t i = 0; i < extra; ++i) header.payload = header.payload << 8 | at(2 + i);
  header.head += extra;
  return header;
}

/// As a connection from afar is: with loopback's segments of 64 kB the kernel would take megabytes for a
/// client that reads nothing.
void be_narrow(int fd) {
  const int buffer = 16 << 10, segment = 1'400;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  ::setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
}

}  // namespace

void raise_open_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

std::uint64_t steady_nanoseconds() {
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
}

std::string stamped(std::size_t bytes) {
  std::string payload(bytes, 'x');
  const std::string digits = fmt::format("{:020}", steady_nanoseconds());
  payload.replace(bytes - kStamp, kStamp, digits);
  return payload;
}

std::string mark() {
  return fmt::format("{}{:020}", kMark, steady_nanoseconds());
}

std::string binary_frame(const std::string& payload) {
  std::string frame = masked(kBinary, payload);
  frame.erase(frame.size() - payload.size() - 4, 4);
  frame[1] = static_cast<char>(frame[1] & 0x7f);
  return frame;
}

Swarm::Swarm(SwarmSettings settings)
    : settings_(std::move(settings)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      sessions_(static_cast<std::size_t>(settings_.sessions)),
      buffer_(kBuffer) {
  if (!settings_.ca_file.empty()) {
    auto trust = transport::Trust::open(settings_.ca_file);
    if (!trust) end(trust.error().message);
    trust_ = *trust;
  }
  thread_ = std::thread([this] { run(); });
  for (int i = 0; i < settings_.sessions; ++i) connect(i);
  const auto begin = Clock::now();
  while (ready_ < settings_.sessions) {
    if (milliseconds_since(begin) > 120'000)
      end(fmt::format("{} of {} opened", ready_.load(), settings_.sessions));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Swarm::~Swarm() {
  stopping_ = true;
  thread_.join();
  for (const Session& session : sessions_) ::close(session.fd);
  ::close(poll_);
}

void Swarm::connect(int number) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (number < settings_.stalling) be_narrow(fd);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(settings_.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    end(fmt::format("connection {}: {}", number, std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
      settings_.target ? settings_.target(number) : "/");
  if (!settings_.subprotocol.empty())
    request += fmt::format("Sec-WebSocket-Protocol: {}\r\n", settings_.subprotocol);
  if (settings_.deflate) request += "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  Session& session = sessions_[static_cast<std::size_t>(number)];
  session.fd = fd;
  if (trust_) secure(session);
  send(session, request + "\r\n");
  watch(number, EPOLL_CTL_ADD);
}

void Swarm::secure(Session& session) const {
  session.channel = trust_->connect("127.0.0.1");
  for (;;) {
    const auto step = session.channel->shake_hands(session.fd);
    if (step == transport::Channel::Step::done) return;
    if (step != transport::Channel::Step::wants_more) end("no TLS: " + session.channel->trouble());
    wait_for_socket(session.fd, POLLIN);
  }
}

void Swarm::send(const Session& session, std::string_view bytes) {
  if (!session.channel) return send_all(session.fd, bytes);
  while (!bytes.empty()) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    bytes.remove_prefix(session.channel->encrypt(session.fd, &piece, 1));
    while (!session.channel->send_rest(session.fd)) {
      if (session.channel->broken()) end("the server has ended a connection");
      wait_for_socket(session.fd, POLLOUT);
    }
  }
}

void Swarm::watch(int number, int operation) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<std::uint64_t>(number)}};
  ::epoll_ctl(poll_, operation, sessions_[static_cast<std::size_t>(number)].fd, &event);
}

void Swarm::stall() {
  for (int i = 0; i < settings_.stalling; ++i) watch(i, EPOLL_CTL_DEL);
}

void Swarm::go_on() {
  for (int i = 0; i < settings_.stalling; ++i) watch(i, EPOLL_CTL_ADD);
}

void Swarm::run() {
  std::vector<epoll_event> events(1'024);
  while (!stopping_) {
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < count; ++i) read(sessions_[events[static_cast<std::size_t>(i)].data.u64]);
  }
}

void Swarm::read(Session& session) {
  // What OpenSSL has read already would not make the socket readable again.
  do {
    const std::size_t got = receive(session);
    if (got == 0) return;
    look(session, {buffer_.data(), got});
  } while (session.channel);
}

/// 0: nothing is there now.
std::size_t Swarm::receive(const Session& session) {
  if (session.channel) {
    using Step = transport::Channel::Step;
    const auto got = session.channel->read(session.fd, buffer_.data(), buffer_.size());
    if (got.step != Step::done && got.step != Step::wants_more)
      end(fmt::format("the server has ended connection {}", number_of(session)));
    return got.size;
  }
  const auto got = ::recv(session.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) end(fmt::format("the server has ended connection {}", number_of(session)));
  return static_cast<std::size_t>(got);
}

void Swarm::look(Session& session, std::string_view bytes) {
  now_ = steady_nanoseconds();
  std::string joined;
  if (!session.pending.empty()) {
    joined = std::move(session.pending);
    joined.append(bytes);
    bytes = joined;
  }
  if (!session.open) open(session, bytes);
  came_ = 0;
  const std::lock_guard lock(mutex_);
  while (session.open) {
    const std::size_t used = take(session, bytes);
    if (used == 0) break;
    bytes.remove_prefix(used);
  }
  session.pending = std::string(bytes);
  if (came_ == 0) return;
  frames_ += came_;
  if (number_of(session) < settings_.stalling) frames_of_stalling_ += came_;
}

void Swarm::open(Session& session, std::string_view& bytes) {
  const std::size_t over = bytes.find("\r\n\r\n");
  if (over == std::string_view::npos) return;
  if (!bytes.starts_with("HTTP/1.1 101")) end(std::string(bytes));
  session.open = true;
  bytes.remove_prefix(over + 4);
  if (settings_.greeting) send(session, masked(kText, settings_.greeting(number_of(session))));
  if (settings_.answers == 0) ++ready_;
}

std::size_t Swarm::take(Session& session, std::string_view bytes) {
  const Header header = header_of(bytes);
  if (header.head == 0 || bytes.size() < header.head + header.payload) return 0;
  const std::string_view payload = bytes.substr(header.head, header.payload);
  const bool marks = settings_.records == SwarmSettings::Records::marks;
  if (header.opcode == kPing) {
    send(session, masked(kPong, payload));
  } else if (header.opcode > kBinary) {
    end(fmt::format("a frame of opcode {}: {}", header.opcode, payload));
  } else if (header.opcode == kBinary && !marks) {
    take_binary(session, payload, header.deflated);
  } else {
    take_text(session, payload);
    if (marks) take_marks(session, payload);
  }
  return header.head + header.payload;
}

void Swarm::take_binary(const Session& session, std::string_view payload, bool deflated) {
  if (!deflated) return take_record(session, payload.substr(payload.size() - kStamp));
  if (number_of(session) % 16 != 0) {
    ++came_;
    return;
  }
  std::string text;
  if (protocol::inflate_message(payload, kBuffer, text) != protocol::Inflated::whole || text.size() < kStamp)
    end("a frame that can't be inflated");
  take_record(session, std::string_view(text).substr(text.size() - kStamp));
}

void Swarm::take_text(Session& session, std::string_view text) {
  if (settings_.on_text) settings_.on_text(number_of(session), text);
  if (text == settings_.question) send(session, masked(kText, settings_.reply));
  if (session.answers >= settings_.answers && text.size() > 256) return;  // records alone
  if (text.find(settings_.fault) != std::string_view::npos) end(std::string(text));
  for (std::size_t at = text.find(settings_.answer);
       at != std::string_view::npos && session.answers < settings_.answers;
       at = text.find(settings_.answer, at + 1)) {
    if (++session.answers == settings_.answers) ++ready_;
  }
}

void Swarm::take_marks(Session& session, std::string_view text) {
  std::string joined;
  if (!session.cut.empty()) {
    joined = std::move(session.cut);
    session.cut.clear();
    text = joined.append(text);
  }
  for (std::size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark, at)) {
    if (text.size() < at + 1 + kStamp) {
      session.cut = text.substr(at);
      return;
    }
    take_record(session, text.substr(at + 1, kStamp));
    at += 1 + kStamp;
  }
}

void Swarm::take_record(const Session& session, std::string_view digits) {
  ++came_;
  if (number_of(session) < settings_.stalling) return;
  std::uint64_t stamp = 0;
  for (const char c : digits) stamp = stamp * 10 + static_cast<unsigned>(c - '0');
  ages_.add(now_ > stamp ? now_ - stamp : 0);
}

Histogram Swarm::take_ages() {
  const std::lock_guard lock(mutex_);
  Histogram taken = ages_;
  ages_.clear();
  return taken;
}

bool Swarm::wait_for(std::uint64_t frames, double seconds) const {
  const auto begin = Clock::now();
  while (frames_ < frames) {
    if (milliseconds_since(begin) > seconds * 1'000) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace tidegate::bench
