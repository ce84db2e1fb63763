#include "integration/raider.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <stdexcept>

#include "base/encoding.h"

namespace tidegate::test {
namespace {

constexpr std::size_t kSecretSize = 18;
constexpr std::size_t kNameSize = 5;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_name(std::string_view text) {
  return text.size() == kNameSize && text.starts_with("tn") && is_digit(text[2]) && is_digit(text[3]) &&
         text[4] == 'q';
}
bool is_secret(std::string_view text) {
  return text.size() == kSecretSize && text.starts_with("sx") &&
         std::all_of(text.begin() + 2, text.end(), is_hex);
}

template <class Found>
void each_name(std::string_view text, Found found) {
  for (std::size_t at = text.find("tn"); at != text.npos; at = text.find("tn", at + 1)) {
    if (is_name(text.substr(at, kNameSize))) found(text.substr(at, kNameSize));
  }
}

}  // namespace

Secrets::Secrets(int tenants) {
  std::mt19937_64 random(20'260'129);
  const auto fresh = [&] { return fmt::format("sx{:016x}", random()); };
  for (int tenant = 0; tenant < tenants; ++tenant) {
    of.push_back(fresh());
    whose.emplace(of.back(), tenant);
  }
  nobodys = fresh();
}

std::string Secrets::name(int tenant) {
  return fmt::format("tn{:02}q", tenant);
}

void Findings::add(const Findings& other) {
  frames += other.frames;
  bytes += other.bytes;
  foreign += other.foreign;
  if (first.size() < 4'000) first += other.first;
}

void Scanner::said(std::string_view text) {
  each_name(text, [this](std::string_view name) { said_.emplace(name); });
}

void Scanner::scan(std::string_view bytes) {
  ++findings_.frames;
  findings_.bytes += bytes.size();
  look(bytes);
  constexpr std::string_view kBase64 = R"("b64":")";
  const std::size_t at = bytes.find(kBase64);
  if (at == bytes.npos) return;
  const auto rest = bytes.substr(at + kBase64.size());
  if (const auto inside = base64_decode(rest.substr(0, rest.find('"')))) look(*inside);
}

void Scanner::look(std::string_view bytes) {
  if (!forbidden_.empty() && bytes.find(forbidden_) != bytes.npos) found(forbidden_, bytes);
  each_name(bytes, [&](std::string_view name) {
    if (tenant_ >= 0 && name == Secrets::name(tenant_)) return;
    if (!said_.contains(name)) found(name, bytes);
  });
  for (std::size_t at = bytes.find("sx"); at != bytes.npos; at = bytes.find("sx", at + 1)) {
    const auto secret = bytes.substr(at, kSecretSize);
    if (!is_secret(secret)) continue;
    const auto whose = secrets_.whose.find(secret);
    if (whose == secrets_.whose.end() || whose->second != tenant_) found(secret, bytes);
  }
}

void Scanner::found(std::string_view what, std::string_view where) {
  if (findings_.foreign++ >= 3) return;
  findings_.first += fmt::format("{} in what {} got: {}\n", what,
                                 tenant_ < 0 ? "nobody" : Secrets::name(tenant_), where.substr(0, 300));
}

std::string signed_token(const std::string& claims, const std::string& secret, const std::string& header) {
  const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(), &size);
  return text + "." + base64url_encode({reinterpret_cast<const char*>(code.data()), size});
}

Raider::Raider(const Secrets& secrets, int tenant, int port, const std::string& headers)
    : scanner_(secrets, tenant), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{90, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("nobody listens");
  const std::string request =
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
      "13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      headers + "\r\n";
  static_cast<void>(!::send(fd_, request.data(), request.size(), MSG_NOSIGNAL));
  while (buffer_.find("\r\n\r\n") == std::string::npos && fill(buffer_.size() + 1)) {
  }
  open_ = buffer_.starts_with("HTTP/1.1 101");
  const std::size_t end = open_ ? buffer_.find("\r\n\r\n") + 4 : buffer_.size();
  scanner_.scan(std::string_view(buffer_).substr(0, end));
  buffer_.erase(0, end);
}

Raider::~Raider() {
  ::close(fd_);
}

bool Raider::fill(std::size_t bytes) {
  std::array<char, 65'536> chunk{};
  while (buffer_.size() < bytes) {
    const auto got = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (got <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return true;
}

void Raider::say(std::string_view text, int opcode) {
  scanner_.said(text);
  std::string frame{static_cast<char>(0x80 | opcode)};
  if (text.size() < 126) {
    frame += static_cast<char>(0x80 | text.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    append_big_endian(frame, static_cast<std::uint16_t>(text.size()));
  }
  frame.append(4, '\0');  // a mask that changes nothing
  frame += text;
  std::string_view rest = frame;
  while (!rest.empty()) {
    const auto sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool Raider::ask(std::string_view subscribe) {
  const std::size_t before = answers();
  say(subscribe);
  while (answers() == before) {
    if (!read_frame()) return false;
  }
  return true;
}

bool Raider::settle() {
  const std::size_t before = heard("pong");
  say(R"({"op":"ping"})");
  return hear("pong", before + 1);
}

bool Raider::hear(const std::string& op, std::size_t count) {
  while (heard(op) < count) {
    if (!read_frame()) return false;
  }
  return true;
}

bool Raider::read_frame() {
  if (!fill(2)) return false;
  if ((buffer_[0] & 15) == 2) ++heard_["(binary)"];
  std::size_t size = static_cast<unsigned char>(buffer_[1]) & 127u;
  const std::size_t extended = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (!fill(2 + extended)) return false;
  if (extended > 0) size = 0;
  for (std::size_t i = 0; i < extended; ++i) size = size << 8 | static_cast<unsigned char>(buffer_[2 + i]);
  if (!fill(2 + extended + size)) return false;
  const auto payload = std::string_view(buffer_).substr(2 + extended, size);
  scanner_.scan(payload);
  constexpr std::string_view kOp = R"({"op":")";
  if (payload.starts_with(kOp)) {
    ++heard_[std::string(payload.substr(kOp.size(), payload.find('"', kOp.size()) - kOp.size()))];
    const bool rowless =
        payload.find(R"("resumed":true)") != payload.npos || payload.find(R"("same_as":)") != payload.npos;
    if (payload.starts_with(R"({"op":"ack")") && rowless) ++rowless_acks_;
  }
  buffer_.erase(0, 2 + extended + size);
  return true;
}

std::size_t Raider::heard(const std::string& op) const {
  const auto found = heard_.find(op);
  return found == heard_.end() ? 0 : found->second;
}

}  // namespace tidegate::test
