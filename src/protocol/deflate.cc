#include "protocol/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "base/encoding.h"

namespace tidegate::protocol {
namespace {

/// What a sync flush ends with; RFC 7692 section 7.2.1 leaves it away.
constexpr std::string_view kFlush("\x00\x00\xff\xff", 4);
constexpr int kWindowBits = 15;
constexpr int kMemoryLevel = 8;
/// At the best level it is a tenth shorter and takes twice the time.
constexpr int kLevel = Z_BEST_SPEED;

Bytef* writable(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

struct Deflater::State {
  State() {
    // Raw (negative bits). Only out of memory can it fail.
    [[maybe_unused]] const int made =
        deflateInit2(&stream, kLevel, Z_DEFLATED, -kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY);
    assert(made == Z_OK);
  }
  ~State() { deflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  z_stream stream{};
};

Deflater::Deflater() = default;
Deflater::~Deflater() = default;

bool Deflater::append(std::string& out, std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  if (size < kDeflateAbove) return false;
  if (!state_) state_ = std::make_unique<State>();
  z_stream& stream = state_->stream;
  deflateReset(&stream);
  const std::size_t before = out.size();
  out.resize(before + size + kFlush.size());  // longer ones are not wanted
  stream.next_out = writable(std::string_view(out).substr(before));
  stream.avail_out = static_cast<uInt>(size + kFlush.size());
  std::size_t left = parts.size();
  for (const std::string_view part : parts) {
    stream.next_in = writable(part);
    stream.avail_in = static_cast<uInt>(part.size());
    deflate(&stream, --left == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
  }
  // A flush that ended exactly at the end may not be complete.
  const bool shorter = stream.avail_in == 0 && stream.avail_out > kFlush.size();
  const std::size_t made = size + kFlush.size() - stream.avail_out;
  out.resize(shorter ? before + made - kFlush.size() : before);
  return shorter;
}

std::string stored_block_header(std::size_t size) {
  assert(size <= 0xffff);
  // RFC 1951 section 3.2.4: no compression, not the last block; length and its complement, little endian.
  std::string header(1, '\0');
  for (const std::size_t number : {size, ~size}) {
    header += static_cast<char>(number & 0xff);
    header += static_cast<char>(number >> 8 & 0xff);
  }
  return header;
}

Inflated inflate_message(std::string_view payload, std::size_t bytes_max, std::string& out) {
  z_stream stream{};
  if (inflateInit2(&stream, -kWindowBits) != Z_OK) return Inflated::broken;
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::size_t made = 0;
  out.clear();
  for (const std::string_view part : {payload, kFlush}) {
    stream.next_in = writable(part);
    stream.avail_in = static_cast<uInt>(part.size());
    while (stream.avail_in > 0) {
      if (made == out.size()) {
        if (made > bytes_max) return Inflated::too_large;
        out.resize(std::min(std::max<std::size_t>(2 * made, 2 * payload.size() + 256), bytes_max + 1));
      }
      stream.next_out = writable(std::string_view(out).substr(made));
      stream.avail_out = static_cast<uInt>(out.size() - made);
      const int step = inflate(&stream, Z_SYNC_FLUSH);
      made = out.size() - stream.avail_out;
      // A last block may be followed by others (RFC 7692 section 7.2.3.5).
      if (step == Z_STREAM_END && inflateReset(&stream) == Z_OK) continue;
      if (step != Z_OK && step != Z_BUF_ERROR) return Inflated::broken;
    }
  }
  // What is still in zlib's window, where the output was full.
  while (made == out.size() && made <= bytes_max) {
    out.resize(bytes_max + 1);
    stream.next_out = writable(std::string_view(out).substr(made));
    stream.avail_out = static_cast<uInt>(out.size() - made);
    inflate(&stream, Z_SYNC_FLUSH);
    made = out.size() - stream.avail_out;
  }
  if (made > bytes_max) return Inflated::too_large;
  out.resize(made);
  return Inflated::whole;
}

// ---- negotiation ----

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Up to the separator, which is taken away as well. (Values that are quoted hold numbers alone.)
std::string_view take(std::string_view& rest, char separator) {
  const auto at = std::min(rest.find(separator), rest.size());
  const std::string_view part = trimmed(rest.substr(0, at));
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

std::optional<int> window_bits(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  const auto number = parse_u64(value);
  if (!number || *number < 8 || *number > 15 || value.front() == '0') return std::nullopt;
  return static_cast<int>(*number);
}

/// Section 7.1: what an offer asks of us.
struct Offer {
  std::array<bool, 4> seen{};  // each parameter once
  bool names_our_window = false;
};

bool read_parameter(std::string_view parameter, Offer& offer) {
  constexpr std::array<std::string_view, 4> names{"server_no_context_takeover", "client_no_context_takeover",
                                                  "server_max_window_bits", "client_max_window_bits"};
  const bool valued = parameter.find('=') != std::string_view::npos;
  const std::string_view name = take(parameter, '=');
  const auto known = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  if (known == names.size() || offer.seen[known]) return false;
  offer.seen[known] = true;
  if (known < 2) return !valued;
  if (known == 3 && !valued) return true;
  const auto bits = window_bits(trimmed(parameter));
  if (!bits) return false;
  // What everybody gets was compressed with the largest window.
  if (known == 2) offer.names_our_window = *bits == kWindowBits;
  return known == 3 || offer.names_our_window;
}

}  // namespace

std::optional<std::string> accept_deflate(std::string_view offers) {
  while (!offers.empty()) {
    std::string_view one = take(offers, ',');
    if (take(one, ';') != "permessage-deflate") continue;
    Offer offer;
    bool fits = true;
    while (fits && !one.empty()) fits = read_parameter(take(one, ';'), offer);
    if (!fits) continue;
    std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (offer.names_our_window) answer += "; server_max_window_bits=15";
    return answer;
  }
  return std::nullopt;
}

}  // namespace tidegate::protocol
