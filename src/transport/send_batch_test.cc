#include "transport/send_batch.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <string>
#include <vector>

#include "transport/testing.h"

namespace tidegate::transport {
namespace {

using State = Stream::Sent::State;

/// Streams with their other ends in hand. Where this machine has no io_uring for us there is nothing to test.
class SendBatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!batch) GTEST_SKIP() << "this kernel, or what guards it, allows no io_uring";
  }
  ~SendBatchTest() override {
    for (const int end : others) ::close(end);
  }
  Stream& open() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    Socket socket(io.get_executor());
    socket.assign(net::ip::tcp::v4(), ends[0]);
    others.push_back(ends[1]);
    return streams.emplace_back(std::move(socket));
  }
  void add(Stream& stream, const std::vector<std::string_view>& pieces) {
    const auto places = batch->next_pieces();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      places[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    }
    batch->add(stream, pieces.size());
  }
  std::string read(std::size_t index) {
    std::string all;
    char some[65536];
    for (ssize_t size; (size = ::recv(others[index], some, sizeof some, 0)) > 0;) {
      all.append(some, static_cast<std::size_t>(size));
    }
    return all;
  }

  net::io_context io{1};
  std::deque<Stream> streams;
  std::vector<int> others;
  std::unique_ptr<SendBatch> batch = SendBatch::open();
};

TEST_F(SendBatchTest, each_gets_its_own_in_order_however_many_there_are) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < SendBatch::kSends; ++i) texts.push_back("number " + std::to_string(i));
  for (int turn = 0; turn < 3; ++turn) {
    for (std::size_t i = 0; i < SendBatch::kSends; ++i) {
      EXPECT_FALSE(batch->full());
      add(turn == 0 ? open() : streams[i], {texts[i]});
    }
    EXPECT_TRUE(batch->full());
    const auto sent = batch->send();
    EXPECT_TRUE(batch->empty());
    ASSERT_EQ(sent.size(), SendBatch::kSends);
    for (std::size_t i = 0; i < SendBatch::kSends; ++i) {
      EXPECT_EQ(sent[i].state, State::open);
      EXPECT_EQ(sent[i].bytes, texts[i].size());
      EXPECT_EQ(read(i), texts[i]);
    }
  }
}

TEST_F(SendBatchTest, pieces_are_one_send) {
  add(open(), {"one ", "two ", "three ", "four"});
  add(open(), {"alone"});
  add(open(), {"a", "b"});
  const auto sent = batch->send();
  EXPECT_EQ(sent[0].bytes, 18u);
  EXPECT_EQ(read(0), "one two three four");
  EXPECT_EQ(read(1), "alone");
  EXPECT_EQ(read(2), "ab");
}

TEST_F(SendBatchTest, a_full_socket_and_a_closed_one_hold_nobody_up) {
  const std::string large(4 << 20, 'x');
  add(open(), {large});
  Stream& gone = open();
  ::shutdown(others[1], SHUT_RDWR);
  add(gone, {"into nothing"});
  add(open(), {"well"});
  auto sent = batch->send();
  EXPECT_EQ(sent[0].state, State::full);
  const std::size_t taken = sent[0].bytes;
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, large.size());
  EXPECT_EQ(sent[1].state, State::broken);
  EXPECT_EQ(sent[2].state, State::open);
  EXPECT_EQ(read(2), "well");

  add(streams[0], {"more"});
  add(streams[2], {"again"});
  sent = batch->send();
  EXPECT_EQ(sent[0].state, State::full) << "nothing was read of it";
  EXPECT_EQ(sent[0].bytes, 0u);
  EXPECT_EQ(read(2), "again");
  EXPECT_EQ(read(0).size(), taken) << "what was not taken is not sent later";
}

TEST_F(SendBatchTest, one_alone_is_sent_too) {
  add(open(), {"alone"});
  EXPECT_EQ(batch->send()[0].bytes, 5u);
  EXPECT_EQ(read(0), "alone");
  EXPECT_TRUE(batch->send().empty());
}

}  // namespace
}  // namespace tidegate::transport
