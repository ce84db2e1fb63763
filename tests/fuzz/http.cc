// Any bytes to the door of a gateway that wants a token, cut once anywhere, over a real socket: either
// nothing or a whole HTTP answer of those that we give, no WebSocket for who has no token, and where the
// bytes are cut changes nothing.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "auth/key_ring.h"
#include "input.h"
#include "session/edge.h"

namespace {

using namespace tidegate;

/// A door that lives as long as the process.
class Door {
 public:
  Door() {
    auth_.secret = std::string(32, 's');
    auto keys = auth::KeyRing::open(auth_, {}, {}, clock_, metrics_);
    fuzz::require(keys.ok(), "the keys are good");
    session::Options options;
    options.port = 0;
    options.shards = 1;
    options.deflate = true;
    options.token_parameter = "token";
    options.origins = {"https://example.org"};
    options.payload_bytes_max = 1000;
    session::Parts parts{clock_, metrics_, [](const feed::Command&) { return false; }, {}};
    parts.routes["/echo*"] = [](const session::HttpRequest& request) {
      return session::HttpAnswer{200, "text/plain",
                                 request.method + " " + request.target + "\n" + request.body};
    };
    parts.keys = std::move(*keys);
    edge_ = std::make_unique<session::Edge>(std::move(parts), options, hub::Options(), auth_);
    fuzz::require(edge_->start().ok(), "it listens");
  }
  [[nodiscard]] std::uint16_t port() const { return edge_->port(); }

 private:
  SystemClock clock_;
  metrics::Registry metrics_;
  auth::Options auth_;
  std::unique_ptr<session::Edge> edge_;
};

/// All that comes back; the peer sends no more behind the bytes.
std::string ask(std::string_view bytes, std::size_t cut) {
  static const Door door;
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(door.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // libFuzzer's alarm interrupts what waits; Linux lets an interrupted connect be called again.
  const int taken = static_cast<int>(
      TEMP_FAILURE_RETRY(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)));
  fuzz::require(taken == 0, "it takes us in");
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)})
    (void)!TEMP_FAILURE_RETRY(::send(socket, part.data(), part.size(), MSG_NOSIGNAL));  // it may have hung up
  ::shutdown(socket, SHUT_WR);
  std::string all;
  std::array<char, 4096> some{};
  for (ssize_t got = 0; (got = TEMP_FAILURE_RETRY(::recv(socket, some.data(), some.size(), 0))) > 0;) {
    all.append(some.data(), static_cast<std::size_t>(got));
  }
  // No TIME_WAIT of ours: ports would run out.
  const linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket);
  return all;
}

constexpr std::array<std::string_view, 9> kStatuses{"200", "204", "400", "401", "403",
                                                    "404", "413", "426", "431"};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(fuzz::bytes_of(data, size));
  const std::size_t cut = input.byte() * 16 + input.below(16);
  const std::string_view bytes = input.take(size);
  const std::string whole = ask(bytes, bytes.size());
  if (!whole.empty()) {
    fuzz::require(whole.starts_with("HTTP/1."), "an answer is HTTP");
    const std::string_view status = std::string_view(whole).substr(9, 3);
    fuzz::require(std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end(),
                  "an answer is one of those that we give, and without a token no WebSocket");
    fuzz::require(whole.find("\r\n\r\n") != std::string::npos, "an answer is whole");
  }
  // Who hangs up on unread bytes resets the connection, and an answer on its way may be lost with it.
  const std::string again = ask(bytes, std::min(cut, bytes.size()));
  fuzz::require(again == whole || again.empty() || whole.empty() || whole.starts_with(again) ||
                    again.starts_with(whole),
                "where bytes are cut changes nothing");
  return 0;
}
