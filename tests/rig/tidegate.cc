#include "rig/tidegate.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "rig/postgres.h"

namespace tidegate::rig {
namespace {

using namespace std::chrono_literals;
constexpr std::string_view kListening = "listening on ";
constexpr std::string_view kOperators = "operators at ";
constexpr auto kAnswer = 90s;  // of one HTTP request

/// 0 while that line is not there, or not whole.
int port_in(const std::string& output, std::string_view words) {
  const std::size_t at = output.find(words);
  if (at == std::string::npos) return 0;
  const std::size_t end = output.find_first_of("\"\n ,", at + words.size());
  if (end == std::string::npos) return 0;
  const std::string address = output.substr(at + words.size(), end - at - words.size());
  return std::stoi(address.substr(address.rfind(':') + 1));
}

}  // namespace

std::string tidegate_path() {
  if (const char* path = std::getenv("TIDEGATE_BINARY")) return path;
  return TIDEGATE_BUILD "/tidegate";
}

Tidegate::Tidegate(std::vector<std::string> arguments, std::vector<std::string> environment, bool listens) {
  std::vector<std::string> command{tidegate_path()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const bool gateway = arguments.empty() || arguments.front() != "match";
  if (listens && gateway) command.insert(command.end(), {"--listen", "127.0.0.1:0"});
  if (listens) command.insert(command.end(), {"--admin-listen", "127.0.0.1:0"});
  Process::Options options;
  options.environment = std::move(environment);
  options.directory = directory_.path();
  process_ = std::make_unique<Process>(std::move(command), directory_.path() + "/output", options);
  if (!listens) return;
  eventually([this, gateway] {
    const bool alive = process_->running();
    admin_port_ = port_in(output(), kOperators);
    port_ = gateway ? port_in(output(), kListening) : admin_port_;
    return (port_ != 0 && admin_port_ != 0) || !alive;
  });
  if (port_ == 0 || admin_port_ == 0) throw std::runtime_error("did not start: " + output());
}

void Tidegate::wait_ready() {
  HttpAnswer answer;
  const bool ready = eventually([&] {
    if (!process_->running()) throw std::runtime_error("ended: " + output());
    try {
      answer = http(admin_port_, "GET", "/readyz");
    } catch (const std::runtime_error& unanswered) {
      answer = {0, "", unanswered.what()};  // it may have just ended: then the next look says so
    }
    return answer.status == 200;
  });
  if (!ready) throw std::runtime_error("not ready: " + answer.body + "\n" + output());
}

std::string Tidegate::metrics() const {
  const std::string header = admin_token_.empty() ? "" : "Authorization: Bearer " + admin_token_ + "\r\n";
  return http(admin_port_, "GET", "/metrics", "", header).body;
}

double Tidegate::metric(std::string_view name) const {
  std::istringstream lines(metrics());
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool ours = line.starts_with(name) && line.size() > name.size() &&
                      (line[name.size()] == ' ' || line[name.size()] == '{');
    if (ours) sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

HttpAnswer http(int port, const std::string& method, const std::string& target, const std::string& body,
                const std::string& extra_headers) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = std::strerror(errno);
    ::close(fd);
    throw std::runtime_error("nobody listens on port " + std::to_string(port) + ": " + why);
  }
  const timeval patience{kAnswer.count(), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string request =
      method + " " + target +
      " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n" + extra_headers + "\r\n" + body;
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) throw std::runtime_error("send failed");
  std::string all;
  char buffer[16384];
  for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    all.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  const std::size_t split = all.find("\r\n\r\n");
  if (split == std::string::npos || all.size() < 12) throw std::runtime_error("no HTTP answer: " + all);
  return {std::stoi(all.substr(9, 3)), all.substr(0, split), all.substr(split + 4)};
}

}  // namespace tidegate::rig
