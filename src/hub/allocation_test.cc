// What a delivered frame costs in memory: nothing. Counts this program's allocations.

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>

#include "hub/testing.h"

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// That the others are of these is the language's promise ([new.delete]).
void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace tidegate::hub {
namespace {

class AllocationTest : public HubTest, public ::testing::WithParamInterface<protocol::Encoding> {
 protected:
  /// As a shard does it: the outbox is gathered from and what the kernel took consumed.
  std::size_t write(SessionId id) {
    Outbox& outbox = hub->outbox(id);
    std::array<iovec, 16> pieces{};
    const std::size_t count = outbox.gather(pieces.data(), pieces.size());
    outbox.consume(outbox.bytes());
    return count;
  }
};

TEST_P(AllocationTest, a_delivered_frame_allocates_nothing) {
  constexpr std::size_t kSessions = 500;
  std::vector<SessionId> sessions;
  for (std::size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(hub->open({.v1 = true}));
    live(sessions.back(), "a client's own name of it, too long to lie in a string itself", GetParam());
  }
  std::size_t most = 0;
  for (std::uint64_t seq = 1; seq <= 20; ++seq) {
    const feed::FrameRun one = run(1, seq, {",\"seq\":" + std::to_string(seq) + "}"});
    const std::size_t before = allocations;
    deliver(one);
    static_cast<void>(hub->take_dirty());
    for (const SessionId id : sessions) ASSERT_GT(write(id), 0U);
    if (seq > 10) most = std::max(most, allocations - before);  // what is kept for the next one is there
  }
  // The event's own, and lists of sessions that grow by doubling.
  EXPECT_LT(most, 30U) << "for " << kSessions << " frames";
}

INSTANTIATE_TEST_SUITE_P(Encodings, AllocationTest,
                         ::testing::Values(protocol::Encoding::v1, protocol::Encoding::json,
                                           protocol::Encoding::base64),
                         [](const auto& one) {
                           return std::string(one.param == protocol::Encoding::v1     ? "binary"
                                              : one.param == protocol::Encoding::json ? "json"
                                                                                      : "base64");
                         });

}  // namespace
}  // namespace tidegate::hub
