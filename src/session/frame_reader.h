#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tidegate::session {

/// Reads what a client sends over a WebSocket, frame by frame, as the bytes come (RFC 6455 sections 5
/// and 8.1, with RSV1 as RFC 7692 uses it). A frame that came whole is looked at where it lies; only what is
/// incomplete is kept, so that an idle connection holds no buffer. At most one message and one frame are
/// kept, each of at most the limit.
class FrameReader {
 public:
  enum class Kind : std::uint8_t { text, binary, ping, pong, close };
  /// A message, put together, or a control frame.
  struct Message {
    Kind kind = Kind::text;
    bool compressed = false;   ///< RSV1 was set; a text is not checked then
    std::string_view payload;  ///< until the next call
  };
  /// Why the client has to be told to go: a Close code of RFC 6455, and a sentence for the reason.
  struct Violation {
    std::uint16_t code = 0;
    std::string_view why;
  };
  enum class Next : std::uint8_t { message, wanting, violated };

  /// `message_bytes_max`: of a message, its fragments together. `compression`: whether RSV1 was negotiated.
  FrameReader(std::size_t message_bytes_max, bool compression)
      : bytes_max_(message_bytes_max), compression_(compression) {}

  /// What came from the socket. The bytes are unmasked in place, and stay until `next` says `wanting`.
  void take(std::span<char> bytes) { fresh_ = bytes; }
  /// The next message; `wanting` where all bytes are used. After `violated` there is nothing more.
  [[nodiscard]] Next next(Message& message);
  [[nodiscard]] const Violation& violation() const { return violation_; }
  /// Whether a message or a frame has begun and not ended, where `next` said `wanting`.
  [[nodiscard]] bool unfinished() const { return fragmented_ || !kept_.empty(); }
  /// Of an incomplete message or frame.
  [[nodiscard]] std::size_t bytes_kept() const { return kept_.capacity() + message_.capacity(); }

 private:
  struct Header {
    std::uint8_t first = 0;
    std::size_t size = 0;     // of the header itself
    std::size_t payload = 0;  // bytes
    [[nodiscard]] bool fin() const { return (first & 0x80) != 0; }
    [[nodiscard]] std::uint8_t opcode() const { return first & 0x0f; }
    [[nodiscard]] bool control() const { return (first & 0x08) != 0; }
  };
  enum class Parsed : std::uint8_t { whole, partial, wrong };
  Parsed parse(std::string_view bytes, Header& header);
  [[nodiscard]] Violation check(const Header& header, std::string_view bytes) const;
  [[nodiscard]] Violation check_payload(const Header& header, std::uint64_t size) const;
  bool gather(Header& header, std::span<char>& frame);
  bool accept(const Header& header, std::string_view payload, Message& message);
  bool accept_control(const Header& header, std::string_view payload, Message& message);
  bool check_close(std::string_view payload);
  bool check_text(std::string_view text, bool last, std::size_t from = 0);
  bool violate(Violation violation);

  const std::size_t bytes_max_;
  const bool compression_;
  bool fragmented_ = false;  // a message has begun and not ended
  bool compressed_ = false;  // it, that is
  bool given_ = false;       // message_ was given out whole
  Kind kind_ = Kind::text;
  std::span<char> fresh_;
  std::string kept_;  // an incomplete frame, from its header on; or the last one, which was
  bool frame_given_ = false;
  std::string message_;      // the fragments of an incomplete message
  std::size_t checked_ = 0;  // of message_, as UTF-8
  Violation violation_;
};

}  // namespace tidegate::session
