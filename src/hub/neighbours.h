#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "feed/events.h"
#include "hub/outbox.h"
#include "protocol/frames.h"

namespace tidegate::hub {

/// Frames of one channel that follow each other in a run. A subscription that needs them all may be given
/// their bytes as one, where these lie in one piece and nothing has to be decided in between. Points into the
/// batch and the run.
class Neighbours {
 public:
  Neighbours(const feed::FrameBatch& batch, std::span<const std::uint32_t> frames, Held& held);

  [[nodiscard]] std::size_t size() const { return frames_.size(); }
  [[nodiscard]] const feed::Frame& frame(std::size_t i) const { return batch_->frames[frames_[i]]; }
  [[nodiscard]] const feed::Frame& first() const { return frame(0); }
  [[nodiscard]] const feed::Frame& last() const { return frame(frames_.size() - 1); }
  [[nodiscard]] const feed::FrameBatch& batch() const { return *batch_; }
  [[nodiscard]] Held& held() const { return *held_; }
  /// All of them; empty where they have to be looked at one by one: there is only one, it is a part, LSNs
  /// fall (where we match: stand still), or other bytes lie in between.
  [[nodiscard]] std::string_view as_one(protocol::Encoding encoding, bool pass_through) const {
    const bool ordered = pass_through ? not_falling_ : rising_;
    return ordered ? pieces_[static_cast<std::size_t>(encoding)] : std::string_view();
  }

 private:
  [[nodiscard]] bool ordered(bool pass_through) const;
  [[nodiscard]] std::string_view piece(std::size_t encoding) const;

  const feed::FrameBatch* batch_;
  std::span<const std::uint32_t> frames_;
  Held* held_;
  bool rising_ = false;
  bool not_falling_ = false;
  std::array<std::string_view, protocol::kEncodings> pieces_;
};

/// A run's, in order.
void append_neighbours(std::vector<Neighbours>& out, const feed::FrameRun& run, Held& held);

}  // namespace tidegate::hub
