#include "feed/conflation.h"

#include <string_view>
#include <utility>
#include <vector>

#include "feed/encoder.h"

namespace tidegate::feed {
namespace {

using protocol::ChangeKind;

/// One transaction's whole diff, still encoded.
struct Encoded {
  Frame first;
  HeldFrame last;  // holds `value`, unless that is in `joined`
  std::string_view value;
  std::string joined;
  std::size_t end = 0;

  [[nodiscard]] std::string_view bytes() const { return joined.empty() ? value : joined; }
};

/// Nothing where it is not there to its last part, or was begun twice (another generation's).
std::optional<Encoded> read_transaction(const FrameAt& at, std::size_t index, std::size_t end) {
  constexpr auto kRaw = static_cast<std::size_t>(protocol::Encoding::raw);
  Encoded found{.first = at(index).frame()};
  std::uint32_t next_part = 0;
  for (; index < end; ++index) {
    HeldFrame held = at(index);
    const Frame& frame = held.frame();
    if (frame.lsn != found.first.lsn) return std::nullopt;
    if (frame.slices[kRaw].size == 0) continue;  // a further text
    if (frame.part != next_part++) return std::nullopt;
    found.value = payload_of(*held.batch, frame);
    if (frame.part > 0 || !frame.last) found.joined += found.value;
    if (!frame.last) continue;
    found.end = index + 1;
    found.last = std::move(held);
    return found;
  }
  return std::nullopt;
}

}  // namespace

void Conflation::add(protocol::Diff diff) {
  for (protocol::RowChange& change : diff.changes) add(std::move(change));
  diff.changes.clear();
  last_ = std::move(diff);
}

/// A client that holds everything before has the row or not; what is said at last must fit that.
void Conflation::add(protocol::RowChange change) {
  const auto [place, fresh] = changes_.try_emplace(change.key, change);
  if (fresh) return;
  const bool held_before = place->second.kind != ChangeKind::insert;
  const bool held_after = change.kind != ChangeKind::remove;
  if (!held_before && !held_after) {
    changes_.erase(place);
    return;
  }
  if (held_after) change.kind = held_before ? ChangeKind::update : ChangeKind::insert;
  place->second = std::move(change);
}

protocol::Diff Conflation::take() && {
  last_.changes.reserve(changes_.size());
  for (auto& [key, change] : changes_) last_.changes.push_back(std::move(change));
  return std::move(last_);
}

bool begins_transaction(const FrameAt& at, std::size_t index) {
  const HeldFrame held = at(index);
  if (held.frame().part != 0) return false;
  // One diff a query and LSN: what has the same one is an earlier text, or what another generation began.
  return index == 0 || at(index - 1).frame().lsn != held.frame().lsn;
}

std::optional<Stretch> conflate(const FrameAt& at, std::size_t index, std::size_t end,
                                std::size_t bytes_max) {
  std::vector<Encoded> found;
  std::size_t bytes = 0;
  while (index < end && begins_transaction(at, index)) {
    auto next = read_transaction(at, index, end);
    if (!next) break;
    bytes += sizeof(Frame) + next->bytes().size();
    if (bytes > bytes_max) break;
    index = next->end;
    found.push_back(std::move(*next));
  }
  if (found.size() < 2) return std::nullopt;
  Conflation conflation;
  std::size_t count = 0;
  for (; count < found.size(); ++count) {
    auto diff = protocol::decode_diff(found[count].bytes());
    if (!diff) break;  // it is given as it is
    conflation.add(std::move(*diff));
  }
  if (count < 2) return std::nullopt;
  return Stretch{.first = found.front().first,
                 .last = found[count - 1].last.frame(),
                 .transactions = count,
                 .bytes = bytes,
                 .diff = std::move(conflation).take()};
}

}  // namespace tidegate::feed
