#include "session/frame_queue.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace tidegate::session {
namespace {

/// A queue over one end of a socket pair; the other end is read by hand.
class FrameQueueTest : public ::testing::Test {
 protected:
  FrameQueueTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    Socket socket(io);
    socket.assign(net::ip::tcp::v4(), ends[0]);
    other = ends[1];
    queue.emplace(Stream(std::move(socket)), outbox, probe, "ahead", [this] { ++pushed; });
  }
  ~FrameQueueTest() override { ::close(other); }

  /// Beast's part: writes, and counts completions.
  void write(const std::string& bytes) {
    queue->async_write_some(net::buffer(bytes.data(), bytes.size()), [this](ErrorStatus error, std::size_t) {
      ++completed;
      last_error = error;
    });
  }
  std::string read_other() {
    std::string all;
    char some[65536];
    for (ssize_t size; (size = ::recv(other, some, sizeof some, 0)) > 0;) {
      all.append(some, static_cast<std::size_t>(size));
    }
    return all;
  }
  void run() {
    io.restart();
    io.poll();
  }

  net::io_context io{1};
  metrics::Registry metrics;
  Probe probe{metrics};
  hub::Outbox outbox;
  std::optional<FrameQueue> queue;
  int other = -1;
  int pushed = 0;
  int completed = 0;
  ErrorStatus last_error;
};

TEST_F(FrameQueueTest, AWriteOfBeastsCompletesWhenItsBytesHaveLeft) {
  write("HTTP/1.1 101");
  EXPECT_EQ(pushed, 1);
  run();
  EXPECT_EQ(completed, 0) << "not before it was flushed";
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_EQ(completed, 0) << "posted, not called";
  run();
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(read_other(), "HTTP/1.1 101");
}

TEST_F(FrameQueueTest, BeforeItIsOpenedAnHIsNoClose) {
  write("HTTP");
  EXPECT_FALSE(queue->close_code());
}

TEST_F(FrameQueueTest, NothingBehindTheFirstCloseIsSent) {
  queue->opened();
  outbox.push("before");
  write(std::string("\x88\x02\x03\xe8", 4));
  outbox.push("after");
  queue->push_close(1012);
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_EQ(read_other(), std::string("before\x88\x02\x03\xe8", 10));
  EXPECT_EQ(queue->close_code(), 1000);
  EXPECT_TRUE(queue->close_written());
}

TEST_F(FrameQueueTest, ASecondCloseWaitsForTheFirstToLeave) {
  queue->opened();
  queue->push_close(1012);
  write(std::string("\x88\x02\x03\xe8", 4));
  run();
  EXPECT_EQ(completed, 0);
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  run();
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(read_other(), std::string("\x88\x02\x03\xf4", 4));
}

TEST_F(FrameQueueTest, AFullSocketBlocksAndGoesOnWhereItWas) {
  std::string expected;
  for (int i = 0; i < 2'000; ++i) {
    const std::string piece(1'000, static_cast<char>('a' + i % 26));
    expected += piece;
    outbox.push(piece);
  }
  std::string got;
  while (queue->flush() == FrameQueue::Flushed::blocked) got += read_other();
  got += read_other();
  EXPECT_EQ(got, expected);
}

TEST_F(FrameQueueTest, APingIsQueuedOnlyWhenTheLastHasLeft) {
  queue->push_ping();
  queue->push_ping();
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_EQ(read_other().size(), 2u);
  queue->push_ping();
  EXPECT_TRUE(queue->has_unwritten());
}

TEST_F(FrameQueueTest, BytesReadAheadComeFirst) {
  std::array<char, 3> into{};
  std::string got;
  const auto take = [&](ErrorStatus, std::size_t size) { got.append(into.data(), size); };
  queue->async_read_some(net::buffer(into), take);
  run();
  queue->async_read_some(net::buffer(into), take);
  run();
  EXPECT_EQ(got, "ahead");
}

TEST_F(FrameQueueTest, AbortCompletesWhatWaits) {
  write("never sent");
  queue->abort();
  run();
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(last_error, net::error::operation_aborted);
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::failed);
}

TEST_F(FrameQueueTest, AGonePeerIsAFailureNotASignal) {
  ::shutdown(other, SHUT_RDWR);
  ::close(other);
  other = -1;
  outbox.push("x");
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::failed);
}

}  // namespace
}  // namespace tidegate::session
