#include "hub/outbox.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <utility>

namespace tidegate::hub {
namespace {

// Written entries are moved out of the way when they are this many and more than half: amortised constant
// cost.
constexpr std::size_t kCompactAbove = 64;

std::uint32_t begin_of(const feed::Frame& frame) {
  std::uint32_t first = std::numeric_limits<std::uint32_t>::max();
  for (const feed::Slice& slice : frame.slices) {
    if (slice.size > 0) first = std::min(first, slice.offset);
  }
  return first;
}

/// Which frame of the batch these bytes are of, and where its slice that holds them begins and ends.
struct Located {
  const feed::Frame* frame;
  const char* begin;
  const char* end;
};
Located locate(const feed::FrameBatch& batch, const char* data) {
  const auto offset = static_cast<std::uint32_t>(data - batch.bytes.data());
  const auto above =
      std::partition_point(batch.frames.begin(), batch.frames.end(),
                           [offset](const feed::Frame& frame) { return begin_of(frame) <= offset; });
  assert(above != batch.frames.begin());
  const feed::Frame& frame = *std::prev(above);
  for (const feed::Slice& slice : frame.slices) {
    if (offset < slice.offset || offset - slice.offset >= slice.size) continue;
    const char* const begin = batch.bytes.data() + slice.offset;
    return {&frame, begin, begin + slice.size};
  }
  assert(false && "bytes of no frame");
  return {&frame, data, data};
}

/// Memory of written pieces for the next ones. A shard's thread has its own, so neither an allocation nor
/// another thread's is waited for. At most 256 KiB.
class Spares {
 public:
  std::unique_ptr<std::string> take() {
    if (spares_.empty()) return std::make_unique<std::string>();
    std::unique_ptr<std::string> spare = std::move(spares_.back());
    spares_.pop_back();
    return spare;
  }
  void give(std::unique_ptr<std::string> used) {
    if (used->capacity() > kBytesMax || spares_.size() == kMost) return;
    used->clear();
    spares_.push_back(std::move(used));
  }

 private:
  static constexpr std::size_t kBytesMax = 256;
  static constexpr std::size_t kMost = 1024;
  std::vector<std::unique_ptr<std::string>> spares_;
};
thread_local Spares spares;

}  // namespace

Outbox::~Outbox() {
  for (std::size_t i = first_; i < entries_.size(); ++i) release(entries_[i]);
}

/// Lets go of what an entry keeps alive.
void Outbox::release(const Entry& entry) {
  if (Held* held = entry.held()) held->release();
  if (std::string* own = entry.own()) {
    own_ -= own->size();
    spares.give(std::unique_ptr<std::string>(own));
  }
}

void Outbox::push(std::string bytes, Piece mark) {
  if (bytes.empty() || silent_) return;
  push_own(new std::string(std::move(bytes)), mark);
}

void Outbox::push_copy(std::initializer_list<std::string_view> bytes, Piece mark) {
  if (silent_) return;
  std::unique_ptr<std::string> own = spares.take();
  for (std::string_view each : bytes) *own += each;
  push_own(own.release(), mark);
}

void Outbox::push_own(std::string* own, Piece mark) {
  pushed_ += own->size();
  own_ += own->size();
  if (mark.kind == Kind::control) control_ += own->size();
  entries_.push_back(
      {own->data(), own, mark.owner, static_cast<std::uint32_t>(own->size()), mark.kind, false, mark.begins});
}

void Outbox::push_shared(Held& held, std::string_view bytes, Piece mark) {
  if (bytes.empty() || silent_) return;
  pushed_ += bytes.size();
  if (entries_.size() > first_) {
    Entry& last = entries_.back();
    if (last.held() == &held && last.data + last.size == bytes.data() && last.owner == mark.owner &&
        last.begins == mark.begins) {
      last.size += static_cast<std::uint32_t>(bytes.size());
      return;
    }
  }
  held.acquire();
  if (held.batch() != nullptr && held.batch()->number > 0) {
    oldest_batch_ = std::min(oldest_batch_, held.batch()->number);
  }
  entries_.push_back({bytes.data(), &held, mark.owner, static_cast<std::uint32_t>(bytes.size()), mark.kind,
                      true, mark.begins});
}

std::size_t Outbox::gather(iovec* out, std::size_t max, std::uint64_t end) const {
  std::size_t count = 0;
  std::uint64_t at = written_;
  for (std::size_t i = first_; i < entries_.size() && count < max && at < end; ++i) {
    const Entry& entry = entries_[i];
    if (!entry.gap()) {
      out[count++] = {const_cast<char*>(entry.data),
                      static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, end - at))};
    }
    at += entry.size;
  }
  return count;
}

void Outbox::consume(std::size_t bytes) {
  assert(bytes <= this->bytes());
  while (bytes > 0) {
    Entry& entry = entries_[first_];
    const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, entry.size));
    written_ += taken;
    bytes -= taken;
    if (entry.kind == Kind::control) control_ -= taken;
    entry.data += taken;
    entry.size -= taken;
    if (entry.size > 0) return;
    release(entry);
    ++first_;
    pass_gaps();
  }
  tidy();
}

/// What was dropped counts as written when all before it is.
void Outbox::pass_gaps() {
  for (; first_ < entries_.size() && entries_[first_].gap(); ++first_) {
    written_ += entries_[first_].size;
    gaps_ -= entries_[first_].size;
  }
}

void Outbox::tidy() {
  if (first_ == entries_.size()) {
    entries_.clear();
    if (entries_.capacity() >
        kOwnEntries) {  // an idle session holds nothing (shrinking would forget its own place)
      std::destroy_at(&entries_);
      std::construct_at(&entries_);
    }
    first_ = 0;
    oldest_batch_ = kNoBatch;
  } else if (first_ > kCompactAbove && first_ * 2 > entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

// ---- rule 26 ----

struct Outbox::Dropping {
  Entries left;
  std::vector<Cut> cuts;
  bool named = true;  ///< the frame that is being dropped stands in `cuts`
};

/// Whether the kernel has bytes of the frame that this piece, the first one, is of.
bool Outbox::begun(const Entry& front) const {
  if (!front.begins) return true;
  if (const std::string* own = front.own()) return front.data != own->data();
  const Held* held = front.held();
  return held != nullptr && held->batch() != nullptr &&
         locate(*held->batch(), front.data).begin != front.data;
}

/// Of the frame that is half written: its bytes become our own. What follows it in the same entry is dropped.
void Outbox::keep_rest(const Entry& entry, Dropping& dropping) {
  if (entry.own() != nullptr) return dropping.left.push_back(entry);
  const Held* held = entry.held();
  std::size_t size = entry.size;
  if (held->batch() != nullptr) {
    size = std::min<std::size_t>(
        size, static_cast<std::size_t>(locate(*held->batch(), entry.data).end - entry.data));
  }
  auto* own = new std::string(entry.data, size);
  own_ += size;
  dropping.left.push_back(
      {own->data(), own, entry.owner, static_cast<std::uint32_t>(size), entry.kind, false, false});
  Entry rest = entry;
  rest.data += size;
  rest.size -= static_cast<std::uint32_t>(size);
  if (rest.size > 0) return drop(rest, dropping);
  release(entry);
}

void Outbox::drop(const Entry& entry, Dropping& dropping) {
  if (entry.begins) dropping.named = false;
  const Held* held = entry.held();
  if (!dropping.named && entry.kind == Kind::frame && held != nullptr) {
    dropping.named = true;
    if (dropping.cuts.empty() || !dropping.cuts.back().lost || dropping.cuts.back().owner != entry.owner) {
      dropping.cuts.push_back({entry.owner, *locate(*held->batch(), entry.data).frame});
    }
  }
  gaps_ += entry.size;
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (!dropping.left.empty() && dropping.left.back().gap() &&
      dropping.left.back().size <= kMost - entry.size) {
    dropping.left.back().size += entry.size;
  } else {
    dropping.left.push_back({nullptr, nullptr, {}, entry.size, Kind::position, false, true});
  }
  release(entry);
}

std::vector<Outbox::Cut> Outbox::drop_frames() {
  Dropping dropping;
  bool keeping = first_ < entries_.size() && begun(entries_[first_]);
  for (std::size_t i = first_; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (i > first_ && entry.begins) keeping = false;
    if (entry.gap() || entry.kind == Kind::control || entry.kind == Kind::part) {
      if (entry.kind == Kind::part) dropping.cuts.push_back({entry.owner, std::nullopt});
      dropping.left.push_back(entry);
    } else if (keeping) {
      keep_rest(entry, dropping);
    } else {
      drop(entry, dropping);
    }
  }
  entries_ = std::move(dropping.left);
  first_ = 0;
  oldest_batch_ = kNoBatch;
  pass_gaps();
  tidy();
  return std::move(dropping.cuts);
}

bool Outbox::drop_data(std::optional<SubscriptionId> owner) {
  const auto owned = [owner](const Entry& entry) {
    if (entry.gap() || (owner && entry.owner != *owner)) return false;
    return entry.kind == Kind::frame || entry.kind == Kind::part;
  };
  const bool half = first_ < entries_.size() && begun(entries_[first_]);
  if (half && owned(entries_[first_])) {
    fall_silent();
    return false;
  }
  Dropping dropping;
  for (std::size_t i = first_; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const bool position = entry.kind == Kind::position && !(half && i == first_);
    if (!entry.gap() && (owned(entry) || position)) {
      drop(entry, dropping);
    } else {
      dropping.left.push_back(entry);
    }
  }
  entries_ = std::move(dropping.left);
  first_ = 0;
  pass_gaps();
  tidy();
  return true;
}

void Outbox::fall_silent() {
  for (std::size_t i = first_; i < entries_.size(); ++i) release(entries_[i]);
  first_ = entries_.size();
  written_ = pushed_;
  gaps_ = control_ = 0;
  silent_ = true;
  tidy();
}

}  // namespace tidegate::hub
