#pragma once

// What the hub's tests share: a hub with a feed that the test plays by hand.

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace tidegate::hub {

struct StoppedClock final : Clock {
  [[nodiscard]] Steady steady() const override { return now; }
  [[nodiscard]] Wall wall() const override { return {}; }
  Steady now{};
};

/// A hub with a feed that the test plays by hand.
class HubTest : public ::testing::Test {
 protected:
  HubTest() { make({}); }

  void make(Options options) {
    hub.emplace(
        0, options,
        [this](feed::Command command) {
          if (feed_full) return false;
          commands.push_back(std::move(command));
          return true;
        },
        clock, metrics, memory);
  }

  SubscriptionId subscribe(SessionId session, const std::string& name,
                           std::optional<protocol::Encoding> frames = {}, const std::string& key = "k",
                           bool latest = false) {
    SubscribeRequest request;
    request.latest = latest;
    request.hash_id = name;
    request.routing_key = key;
    request.frames = frames;
    hub->subscribe(session, std::move(request));
    if (commands.empty()) return {};
    const auto* command = std::get_if<feed::SubscribeCommand>(&commands.back());
    return command == nullptr ? SubscriptionId{} : command->subscription;
  }

  void accept(SubscriptionId id, std::uint32_t channel = 1) {
    feed::Accepted event;
    event.subscription = id;
    event.channel = ChannelId(channel);
    event.partition = Partition(0);
    hub->on_event(event);
  }

  void snapshot(std::vector<SubscriptionId> ids, std::uint64_t after,
                std::vector<std::string> tails = {",\"rows\":[]}"}, std::optional<Fence> fence = {}) {
    feed::SnapshotReady event;
    event.subscriptions = std::move(ids);
    event.spool = feed::Spool::of(std::move(tails));
    event.after = FeedSeq(after);
    event.fence = std::move(fence);
    hub->on_event(event);
  }

  /// Answers the last question of the subscription.
  void caught_up(SubscriptionId id, std::uint64_t up_to, std::vector<feed::FrameRun> runs = {},
                 bool live = true) {
    FeedSeq after;
    for (const auto& asked : commands_of<feed::CatchUpCommand>()) {
      if (asked.subscription == id) after = asked.after;
    }
    hub->on_event(feed::CaughtUp{id, after, std::move(runs), FeedSeq(up_to), live});
  }

  /// Accepted, an empty snapshot and nothing missed.
  SubscriptionId live(SessionId session, const std::string& name,
                      std::optional<protocol::Encoding> frames = {}, std::uint32_t channel = 1,
                      const std::string& key = "k") {
    const SubscriptionId id = subscribe(session, name, frames, key);
    accept(id, channel);
    snapshot({id}, 0);
    caught_up(id, 0);
    read(session);
    return id;
  }

  /// One frame a payload, with ascending seq and lsn from `first`; the same bytes for every encoding but text
  /// heads.
  static feed::FrameRun run(std::uint32_t channel, std::uint64_t first,
                            const std::vector<std::string>& payloads, std::optional<Xid> xid = {}) {
    auto batch = std::make_shared<feed::FrameBatch>();
    batch->number = first;
    feed::FrameRun made;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      feed::Frame frame;
      frame.channel = ChannelId(channel);
      frame.seq = FeedSeq(first + i);
      frame.lsn = Lsn(first + i);
      frame.xid = xid;
      for (protocol::Encoding encoding : {protocol::Encoding::raw, protocol::Encoding::v1,
                                          protocol::Encoding::json, protocol::Encoding::base64}) {
        const auto at = static_cast<std::uint32_t>(batch->bytes.size());
        if (encoding == protocol::Encoding::raw || encoding == protocol::Encoding::v1) {
          protocol::append_frame_header(batch->bytes, protocol::Opcode::binary, payloads[i].size());
        }
        batch->bytes += payloads[i];
        frame.slices[static_cast<std::size_t>(encoding)] = {
            at, static_cast<std::uint32_t>(batch->bytes.size()) - at};
      }
      batch->frames.push_back(frame);
      made.frames.push_back(static_cast<std::uint32_t>(i));
    }
    made.batch = std::move(batch);
    return made;
  }

  static std::string part_text(std::uint64_t part) { return std::string(200, static_cast<char>('0' + part)); }
  /// One part of the transaction with LSN 1: seq is the part + 1.
  static feed::FrameRun part_of_one(std::uint64_t part, bool last) {
    feed::FrameRun made = run(1, part + 1, {part_text(part)});
    auto batch = std::make_shared<feed::FrameBatch>();
    batch->bytes = made.batch->bytes;
    batch->frames = made.batch->frames;
    batch->frames[0].lsn = Lsn(1);
    batch->frames[0].part = static_cast<std::uint32_t>(part);
    batch->frames[0].last = last;
    made.batch = std::move(batch);
    return made;
  }

  void deliver(const feed::FrameRun& frames) { hub->on_event(feed::Deliver{frames}); }

  /// The kernel takes so many bytes of a session's outbox.
  void take(SessionId session, std::size_t bytes) {
    Outbox& outbox = hub->outbox(session);
    while (bytes > 0 && !outbox.empty()) {
      std::array<iovec, 16> pieces{};
      const std::size_t count = outbox.gather(pieces.data(), pieces.size());
      std::size_t taken = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t size = std::min(pieces[i].iov_len, bytes - taken);
        stream[session].append(static_cast<char*>(pieces[i].iov_base), size);
        taken += size;
      }
      outbox.consume(taken);
      bytes -= taken;
    }
  }
  /// Takes everything, and gives the payloads of the frames that were not given before.
  std::vector<std::string> read(SessionId session) {
    take(session, std::numeric_limits<std::size_t>::max());
    const std::string bytes = std::exchange(stream[session], {});
    std::vector<std::string> payloads;
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t size = static_cast<std::uint8_t>(bytes.at(at + 1)) & 127;
      at += 2;
      const std::size_t extended = size == 126 ? 2 : size == 127 ? 8 : 0;
      if (extended != 0) size = 0;
      for (std::size_t i = 0; i < extended; ++i) size = size << 8 | static_cast<std::uint8_t>(bytes.at(at++));
      EXPECT_LE(at + size, bytes.size()) << "half a frame";
      payloads.push_back(bytes.substr(at, size));
      at += size;
    }
    return payloads;
  }

  template <class T>
  std::vector<T> commands_of() const {
    std::vector<T> found;
    for (const auto& command : commands) {
      if (const auto* one = std::get_if<T>(&command)) found.push_back(*one);
    }
    return found;
  }

  std::uint64_t probed() {
    return metrics.counter("tidegate_subscriptions_probed_total", "Subscriptions looked at for deliveries.")
        .value();
  }

  StoppedClock clock;
  metrics::Registry metrics;
  std::vector<feed::Command> commands;
  bool feed_full = false;
  std::shared_ptr<Budget> memory = std::make_shared<Budget>(std::size_t{1} << 40);
  std::optional<Hub> hub;
  std::map<SessionId, std::string> stream;  // what the kernel took and nobody read
};

}  // namespace tidegate::hub
