#include "transport/channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tidegate::transport {
namespace {

/// Beside a record: alerts and updates of keys that a peer asks for and does not read.
constexpr std::size_t kUnsentMax = 64 << 10;

bool again(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

Refusal refusal_of(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return Refusal::protocol;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return Refusal::plain_http;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return Refusal::version;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return Refusal::certificate;
    default:
      return Refusal::protocol;
  }
}

}  // namespace

void SslDeleter::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

/// What OpenSSL calls to read and write.
struct ChannelBio {
  static Channel& of(BIO* bio) { return *static_cast<Channel*>(BIO_get_data(bio)); }
  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    return of(bio).write(data, size);
  }
  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    Channel& channel = of(bio);
    const int got = channel.receive(into, size);
    if (channel.would_block_) BIO_set_retry_read(bio);
    return got;
  }
  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return of(bio).at_end_ ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO* make(Channel& channel) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidegate socket");
      BIO_meth_set_write(made, write);
      BIO_meth_set_read(made, read);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, &channel);
    BIO_set_init(bio, 1);
    return bio;
  }
};

Channel::Channel(SslPointer ssl, std::shared_ptr<Budget> memory)
    : ssl_(std::move(ssl)), held_(std::move(memory)) {
  BIO* const bio = ChannelBio::make(*this);
  SSL_set_bio(ssl_.get(), bio, bio);  // takes the one reference for both directions
}

Channel::~Channel() = default;

int Channel::write(const char* data, int size) {
  const std::string_view bytes(data, static_cast<std::size_t>(size));
  std::size_t sent = 0;
  if (unsent_.empty()) {
    const auto taken = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0 && !again(errno)) {
      broken_ = true;
      return -1;
    }
    sent = taken < 0 ? 0 : static_cast<std::size_t>(taken);
  }
  if (unsent_.size() + bytes.size() - sent > kUnsentMax) {
    broken_ = true;
    return -1;
  }
  keep(bytes.substr(sent));
  return size;
}

void Channel::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  unsent_ += bytes;
  held_.set(unsent_.capacity());
}

int Channel::receive(char* into, int size) {
  const auto got = ::recv(socket_, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  would_block_ = got < 0 && again(errno);
  at_end_ = got == 0;
  return static_cast<int>(got);
}

bool Channel::send_rest(int socket) {
  while (!unsent_.empty() && !broken_) {
    const auto sent = ::send(socket, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && again(errno)) return false;
    if (sent < 0) {
      broken_ = true;
      return false;
    }
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  if (unsent_.empty()) {
    unsent_ = std::string();
    held_.set(0);
  }
  return unsent_.empty();
}

Channel::Step Channel::judge(int outcome) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_NONE:
      return Step::done;
    case SSL_ERROR_WANT_READ:
      return Step::wants_more;
    case SSL_ERROR_ZERO_RETURN:
      refusal_ = Refusal::gone;
      return Step::ended;
    default:
      break;
  }
  const unsigned long error = ERR_peek_error();
  refusal_ = error == 0 ? Refusal::gone : refusal_of(error);
  const char* const reason = ERR_reason_error_string(error);
  trouble_ = reason != nullptr ? reason : "the connection broke";
  if (const long why = SSL_get_verify_result(ssl_.get()); why != X509_V_OK) {
    trouble_ += std::string(" (") + X509_verify_cert_error_string(why) + ")";
  }
  ERR_clear_error();
  broken_ = true;
  return Step::failed;
}

Channel::Step Channel::shake_hands(int socket) {
  socket_ = socket;
  ERR_clear_error();
  return judge(SSL_do_handshake(ssl_.get()));
}

bool Channel::resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

Channel::Read Channel::read(int socket, char* into, std::size_t size) {
  if (broken_) return {Step::failed, 0};
  socket_ = socket;
  ERR_clear_error();
  const int got = SSL_read(ssl_.get(), into, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
  if (got > 0) return {Step::done, static_cast<std::size_t>(got)};
  return {judge(got), 0};
}

std::size_t Channel::encrypt(int socket, const iovec* pieces, std::size_t count) {
  if (broken_ || count == 0) return 0;
  char gathered[kRecordBytes];
  const void* from = pieces[0].iov_base;
  std::size_t size = std::min(pieces[0].iov_len, kRecordBytes);
  if (size < kRecordBytes && count > 1) {
    size = 0;
    for (std::size_t i = 0; i < count && size < kRecordBytes; ++i) {
      const std::size_t fits = std::min(pieces[i].iov_len, kRecordBytes - size);
      std::memcpy(gathered + size, pieces[i].iov_base, fits);
      size += fits;
    }
    from = gathered;
  }
  if (size == 0) return 0;
  socket_ = socket;
  ERR_clear_error();
  const int taken = SSL_write(ssl_.get(), from, static_cast<int>(size));
  if (taken > 0) return static_cast<std::size_t>(taken);
  // The BIO takes everything, and the peer can't make us shake hands again: nothing can be waited for.
  judge(taken);
  broken_ = true;
  return 0;
}

void Channel::say_goodbye(int socket) {
  if (broken_ || !send_rest(socket)) return;
  socket_ = socket;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace tidegate::transport
