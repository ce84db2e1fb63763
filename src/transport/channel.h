#pragma once

#include <openssl/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/budget.h"

namespace tidegate::transport {

struct SslDeleter {
  void operator()(SSL* ssl) const;
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;

/// Why there was no TLS with a peer.
enum class Refusal : std::uint8_t {
  plain_http,   ///< it spoke HTTP
  version,      ///< it speaks nothing newer than TLS 1.1
  certificate,  ///< it, or we, did not trust the other's certificate
  protocol,     ///< anything else that OpenSSL objects to
  gone,         ///< it closed the connection
  timeout,      ///< or said nothing for too long
};
inline constexpr int kRefusals = 6;

/// TLS over one non-blocking socket. OpenSSL writes into the socket by a BIO of ours: what the kernel does
/// not take is kept here as ciphertext, so that OpenSSL never has to be called again with the same bytes, and
/// what `encrypt` took counts as sent. That is at most one record and some alerts, and is charged to the
/// budget. Idle it holds no buffers. One thread.
///
/// Each call is told the socket, which its owner may have closed (-1): the channel never uses an old one.
class Channel {
 public:
  enum class Step : std::uint8_t {
    done,
    wants_more,  ///< the socket has to be readable first
    ended,       ///< the peer has said, or shown, that nothing follows
    failed,
  };
  /// The plaintext of a record at most.
  static constexpr std::size_t kRecordBytes = 16 << 10;

  /// `ssl` is made a server or a client already.
  Channel(SslPointer ssl, std::shared_ptr<Budget> memory);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Goes on with the handshake. What it says may lie in `unsent`.
  Step shake_hands(int socket);
  /// Why that failed.
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  /// And in words.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] bool resumed() const;

  struct Read {
    Step step = Step::wants_more;
    std::size_t size = 0;
  };
  Read read(int socket, char* into, std::size_t size);
  /// Takes one record's bytes off the front of the pieces; how many. 0: failed.
  std::size_t encrypt(int socket, const iovec* pieces, std::size_t count);
  /// Whether all ciphertext has left.
  bool send_rest(int socket);
  [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
  /// The socket or the protocol is done for.
  [[nodiscard]] bool broken() const { return broken_; }
  /// Says that nothing follows, as far as the socket takes it at once.
  void say_goodbye(int socket);

 private:
  friend struct ChannelBio;
  int write(const char* data, int size);
  int receive(char* into, int size);
  Step judge(int outcome);
  void keep(std::string_view bytes);

  SslPointer ssl_;
  Charge held_;
  std::string unsent_;
  std::string trouble_;
  int socket_ = -1;  // during a call
  Refusal refusal_ = Refusal::protocol;
  bool broken_ = false;
  bool would_block_ = false;
  bool at_end_ = false;
};

}  // namespace tidegate::transport
