#include "hub/neighbours.h"

#include <algorithm>

namespace tidegate::hub {

Neighbours::Neighbours(const feed::FrameBatch& batch, std::span<const std::uint32_t> frames, Held& held)
    : batch_(&batch), frames_(frames), held_(&held) {
  if (size() < 2) return;
  rising_ = ordered(false);
  not_falling_ = rising_ || ordered(true);
  if (!not_falling_) return;
  for (std::size_t i = 0; i < pieces_.size(); ++i) pieces_[i] = piece(i);
}

/// Each is whole by itself, and none would be passed over for the sake of the one before it (Place::offer).
bool Neighbours::ordered(bool pass_through) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (frame(i).part != 0 || !frame(i).last) return false;
    if (i == 0) continue;
    const feed::Frame& before = frame(i - 1);
    if (before.seq >= frame(i).seq) return false;
    if (pass_through ? before.lsn > frame(i).lsn : before.lsn >= frame(i).lsn) return false;
  }
  return true;
}

std::string_view Neighbours::piece(std::size_t encoding) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const feed::Slice slice = frame(i).slices[encoding];
    if (slice.size == 0) return {};
    if (i + 1 < size() && slice.offset + slice.size != frame(i + 1).slices[encoding].offset) return {};
  }
  const feed::Slice begin = first().slices[encoding], end = last().slices[encoding];
  return std::string_view(batch_->bytes).substr(begin.offset, end.offset + end.size - begin.offset);
}

void append_neighbours(std::vector<Neighbours>& out, const feed::FrameRun& run, Held& held) {
  std::span<const std::uint32_t> left(run.frames);
  const std::vector<feed::Frame>& frames = run.batch->frames;
  while (!left.empty()) {
    const auto other = std::find_if(left.begin(), left.end(), [&](std::uint32_t index) {
      return frames[index].channel != frames[left.front()].channel;
    });
    out.emplace_back(*run.batch, left.first(static_cast<std::size_t>(other - left.begin())), held);
    left = left.subspan(out.back().size());
  }
}

}  // namespace tidegate::hub
