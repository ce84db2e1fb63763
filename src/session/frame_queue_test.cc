#include "session/frame_queue.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tidegate::session {
namespace {

/// A queue over one end of a socket pair; the other end is read by hand.
class FrameQueueTest : public ::testing::Test {
 protected:
  FrameQueueTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    Socket socket(io.get_executor());
    socket.assign(net::ip::tcp::v4(), ends[0]);
    other = ends[1];
    queue.emplace(Stream(std::move(socket)), outbox, sends);
  }
  ~FrameQueueTest() override { ::close(other); }

  std::string read_other() {
    std::string all;
    char some[65536];
    for (ssize_t size; (size = ::recv(other, some, sizeof some, 0)) > 0;) {
      all.append(some, static_cast<std::size_t>(size));
    }
    return all;
  }

  net::io_context io{1};
  Sends sends;
  hub::Outbox outbox;
  std::optional<FrameQueue> queue;
  int other = -1;
};

TEST_F(FrameQueueTest, NothingBehindTheFirstCloseIsSent) {
  outbox.push("before");
  queue->push_close(1000, "bye");
  outbox.push("after");
  queue->push("after");
  queue->push_pongs("after");
  queue->push_ping();
  queue->push_close(1012);
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_EQ(read_other(), std::string("before\x88\x05\x03\xe8"
                                      "bye",
                                      13));
  EXPECT_EQ(queue->close_code(), 1000);
  EXPECT_TRUE(queue->close_written());
}

TEST_F(FrameQueueTest, ACloseMayBeWithoutACode) {
  queue->push_close(0);
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_EQ(read_other(), std::string("\x88\x00", 2));
  EXPECT_EQ(queue->close_code(), 1005);
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

TEST_F(FrameQueueTest, PongsAreUnwrittenUntilTheyHaveLeft) {
  EXPECT_FALSE(queue->pongs_unwritten());
  outbox.push("data");
  queue->push_pongs("pongs");
  EXPECT_TRUE(queue->pongs_unwritten());
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
  EXPECT_FALSE(queue->pongs_unwritten());
}

TEST_F(FrameQueueTest, AGonePeerIsAFailureNotASignal) {
  ::shutdown(other, SHUT_RDWR);
  ::close(other);
  other = -1;
  outbox.push("x");
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::failed);
}

TEST_F(FrameQueueTest, AClosedStreamIsAFailure) {
  queue->stream().close();
  outbox.push("x");
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::failed);
}

/// The same with io_uring: what is queued up to the Close, and on by itself where that was not all.
TEST_F(FrameQueueTest, JoinedWithOthersItSendsTheSame) {
  const auto batch = transport::SendBatch::open();
  if (!batch) GTEST_SKIP() << "this kernel, or what guards it, allows no io_uring";
  EXPECT_FALSE(queue->join(*batch)) << "there is nothing";
  outbox.push("before");
  queue->push_close(1000);
  outbox.push("after");
  ASSERT_TRUE(queue->join(*batch));
  EXPECT_EQ(queue->sent(batch->send()[0]), FrameQueue::Flushed::all);
  EXPECT_EQ(read_other(), std::string("before\x88\x02\x03\xe8", 10));
  EXPECT_TRUE(queue->close_written());
  EXPECT_FALSE(queue->join(*batch)) << "nothing behind the Close";
}

TEST_F(FrameQueueTest, ManyPiecesAreForFlushAlone) {
  const auto batch = transport::SendBatch::open();
  if (!batch) GTEST_SKIP() << "this kernel, or what guards it, allows no io_uring";
  for (std::size_t i = 0; i < transport::SendBatch::kPieces; ++i) outbox.push("piece");
  EXPECT_FALSE(queue->join(*batch));
  EXPECT_TRUE(batch->empty());
  EXPECT_EQ(queue->flush(), FrameQueue::Flushed::all);
}

TEST_F(FrameQueueTest, WhatAFullSocketDoesNotTakeOfABatchStays) {
  const auto batch = transport::SendBatch::open();
  if (!batch) GTEST_SKIP() << "this kernel, or what guards it, allows no io_uring";
  const std::string large(4 << 20, 'x');
  outbox.push(large);
  ASSERT_TRUE(queue->join(*batch));
  EXPECT_EQ(queue->sent(batch->send()[0]), FrameQueue::Flushed::blocked);
  std::string got = read_other();
  EXPECT_LT(got.size(), large.size());
  while (queue->flush() == FrameQueue::Flushed::blocked) got += read_other();
  got += read_other();
  EXPECT_EQ(got, large);
}

}  // namespace
}  // namespace tidegate::session
