// Peers that open connections and never come to an end: memory stays bounded, they are cut in time, and
// whoever is served meanwhile does not notice.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"
#include "transport/testing.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

/// Many sockets, each from one of many addresses of loopback, so that no limit by address is what is seen.
class Crowd {
 public:
  static constexpr int kAddresses = 250;

  explicit Crowd(int port) : port_(port) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~Crowd() {
    for (const pollfd& each : sockets_) ::close(each.fd);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void add(std::string_view says) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_GE(socket, 0) << "no more files: raise the hard limit of them";
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7f010001U + static_cast<std::uint32_t>(sockets_.size() % kAddresses));
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port_));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    ASSERT_EQ(::send(socket, says.data(), says.size(), MSG_NOSIGNAL), static_cast<ssize_t>(says.size()));
    sockets_.push_back({socket, POLLIN, 0});
  }
  /// One byte of each that is still there.
  void drip(char byte) const {
    for (const pollfd& each : sockets_) (void)!::send(each.fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  /// Waits for a moment, and lets go of who was cut; how many are left.
  std::size_t left(std::chrono::milliseconds wait) {
    ::poll(sockets_.data(), sockets_.size(), static_cast<int>(wait.count()));
    std::erase_if(sockets_, [](const pollfd& each) {
      if (each.revents == 0) return false;
      std::array<char, 4096> some{};
      const ssize_t got = ::recv(each.fd, some.data(), some.size(), MSG_DONTWAIT);
      if (got > 0 || (got < 0 && errno == EAGAIN)) return false;
      ::close(each.fd);
      return true;
    });
    return sockets_.size();
  }
  [[nodiscard]] std::size_t size() const { return sockets_.size(); }

 private:
  const int port_;
  std::vector<pollfd> sockets_;
};

std::size_t resident_bytes(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class HostilePeers : public ::testing::Test {
 protected:
  HostilePeers() {
    rig::run({"sqlite3", file, "create table orders (id integer primary key, status text not null)"});
  }
  void insert(int id) const {
    rig::run({"sqlite3", "-cmd", ".timeout 20000", file,
              "insert into orders values (" + std::to_string(id) + ", 'new')"});
  }
  /// `timeout_ms`: of an opening; all of a crowd must have come within it.
  [[nodiscard]] std::vector<std::string> serve(const std::string& timeout_ms,
                                               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{
        "serve", "--auth", "none", "--database", "sqlite:" + file, "--handshake-timeout-ms", timeout_ms};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Lets them be there until all have been cut; what the process took more, at most.
  static std::size_t outlast(Crowd& crowd, rig::Tidegate& gateway, std::size_t before, char byte,
                             const std::function<void()>& meanwhile) {
    std::size_t most = 0;
    meanwhile();
    EXPECT_TRUE(rig::eventually([&] {
      if (byte != 0) crowd.drip(byte);
      most = std::max(most, resident_bytes(gateway.process().pid()));
      return crowd.left(200ms) == 0;
    })) << crowd.size()
        << " are still there";
    const std::size_t more = most > before ? most - before : 0;
    std::printf("at most %.1f MB more\n", static_cast<double>(more) / 1e6);
    return more;
  }

  rig::TemporaryDirectory directory;
  const std::string file = directory.path() + "/shop.db";
};

TEST_F(HostilePeers, fifteen_thousand_handshakes_that_never_finish_are_cut_and_others_are_served) {
  constexpr std::size_t kPeers = 15'000;
  rig::Tidegate gateway(serve("15000"));
  gateway.wait_ready();
  client::Loop loop;
  Watcher watcher(loop, gateway.port(), R"("sql":"select id, status from orders")", "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  const std::size_t before = resident_bytes(gateway.process().pid());
  Crowd crowd(gateway.port());
  const std::array<std::string, 3> says{
      "", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1024\r\n\r\n" + std::string(1'000, 'x')};
  for (std::size_t i = 0; i < kPeers && !HasFatalFailure(); ++i) crowd.add(says[i % says.size()]);
  ASSERT_EQ(crowd.size(), kPeers);
  // Byte by byte they go on: what counts is when the opening began.
  const std::size_t more = outlast(crowd, gateway, before, 'x', [&] {
    insert(1);
    EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 1; })) << watcher.fault();
    EXPECT_EQ(rig::http(gateway.port(), "GET", "/healthz").status, 200);
  });
  EXPECT_LT(more, kPeers * 16'000) << "a peer costs too much";
  insert(2);
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 2; })) << watcher.fault();
}

TEST_F(HostilePeers, tls_handshakes_that_stall_are_cut_and_others_are_served) {
  constexpr std::size_t kPeers = 3'000;
  const transport::testing::Certificate certificate;
  rig::Tidegate gateway(serve(
      "6000", {"--tls-certificate-file", certificate.file(), "--tls-key-file", certificate.key_file()}));
  const std::size_t before = resident_bytes(gateway.process().pid());
  Crowd crowd(gateway.port());
  // The beginning of a ClientHello of 512 bytes.
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  for (std::size_t i = 0; i < kPeers && !HasFatalFailure(); ++i) crowd.add(i % 2 == 0 ? hello : "");
  ASSERT_EQ(crowd.size(), kPeers);
  const std::size_t more = outlast(crowd, gateway, before, 0, [&] {
    const std::string answer = rig::run({"curl", "-sS", "--cacert", certificate.file(),
                                         "https://localhost:" + std::to_string(gateway.port()) + "/healthz"});
    EXPECT_EQ(answer, "ok\n");
  });
  EXPECT_LT(more, kPeers * 64'000) << "a peer costs too much";
}

}  // namespace
}  // namespace tidegate::test
