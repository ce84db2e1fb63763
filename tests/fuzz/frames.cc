// Any bytes as what a client sends over a WebSocket, cut anywhere: the same messages and the same end
// wherever they are cut, no message above the limit, text that is UTF-8, control frames of at most 125 bytes,
// and no more kept than what is incomplete.
#include <algorithm>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "input.h"
#include "session/frame_reader.h"

namespace {

using namespace tidegate;
using session::FrameReader;
using Kind = FrameReader::Kind;
using Next = FrameReader::Next;

constexpr std::size_t kMax = 300;

struct Seen {
  std::vector<std::string> messages;
  std::uint16_t violation = 0;
  bool operator==(const Seen&) const = default;
};

void check(const FrameReader::Message& message) {
  const bool data = message.kind == Kind::text || message.kind == Kind::binary;
  fuzz::require(message.payload.size() <= (data ? kMax : 125), "nothing is longer than it may be");
  if (message.kind == Kind::text && !message.compressed)
    fuzz::require(whole_characters(message.payload) == message.payload.size(), "text is UTF-8");
}

/// `cuts`: how many bytes come at a time, over and over; none: all at once.
Seen read(std::string bytes, bool compression, std::string_view cuts) {
  FrameReader reader(kMax, compression);
  Seen seen;
  std::size_t cut = 0;
  for (std::size_t at = 0; at < bytes.size() && seen.violation == 0;) {
    const std::size_t some =
        cuts.empty() ? bytes.size() : 1 + static_cast<std::uint8_t>(cuts[cut++ % cuts.size()]);
    const std::size_t size = std::min(some, bytes.size() - at);
    reader.take({bytes.data() + at, size});
    at += size;
    FrameReader::Message message;
    Next next = reader.next(message);
    for (; next == Next::message; next = reader.next(message)) {
      check(message);
      seen.messages.emplace_back(1, static_cast<char>('0' + static_cast<int>(message.kind)));
      seen.messages.back() += message.compressed ? "+" : "-";
      seen.messages.back() += message.payload;
    }
    if (next == Next::violated) seen.violation = reader.violation().code;
    fuzz::require(reader.bytes_kept() <= 4 * (kMax + 14) + 64, "only what is incomplete is kept");
  }
  return seen;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(fuzz::bytes_of(data, size));
  const bool compression = input.below(2) != 0;
  const std::string_view cuts = input.take(input.below(8));
  const std::string bytes(input.take(size));
  fuzz::require(read(bytes, compression, {}) == read(bytes, compression, cuts.empty() ? "\0" : cuts),
                "where bytes are cut changes nothing");
  return 0;
}
