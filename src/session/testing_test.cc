#include "session/testing.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace tidegate::session::testing {

bool PlayedFeed::take(const feed::Command& command) {
  std::visit([this](const auto& known) { this->on(known); }, command);
  return true;
}

void PlayedFeed::on(const feed::SubscribeCommand& command) {
  std::lock_guard lock(mutex_);
  subscribed_.push_back(command);
  const auto shard = feed::shard_of(command.subscription);
  if (refusal_) {
    auto refused = *refusal_;
    refused.subscription = command.subscription;
    ports_.at(shard).post(refused, 1);
    return;
  }
  feed::Accepted accepted;
  accepted.subscription = command.subscription;
  accepted.channel = ChannelId(1);
  accepted.partition = Partition(0);
  accepted.after = FeedSeq(seq_);
  ports_.at(shard).post(accepted, 1);
  if (command.account) command.account->owe_reading(read_, std::chrono::steady_clock::now());
  auto spool = spool_ ? spool_ : feed::Spool::of({R"(,"version":0,"cursor":{"lsn":"0"},"rows":[]})"});
  ports_.at(shard).post(feed::SnapshotReady{{command.subscription}, spool, {}, FeedSeq(seq_), Lsn()}, 1);
  changed_.notify_all();
}

void PlayedFeed::on(const feed::UnsubscribeCommand&) {
  std::lock_guard lock(mutex_);
  ++unsubscribed_;
  changed_.notify_all();
}

void PlayedFeed::on(const feed::CatchUpCommand& command) {
  std::lock_guard lock(mutex_);
  std::vector<feed::FrameRun> runs;
  if (!missed_.empty()) runs.push_back(run_of(missed_, 1));
  ports_.at(feed::shard_of(command.subscription))
      .post(feed::CaughtUp{command.subscription, command.after, std::move(runs), FeedSeq(seq_), true}, 1);
  ++live_;
  changed_.notify_all();
}

std::vector<feed::SubscribeCommand> PlayedFeed::wait_live(std::size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return live_ >= count; })) << live_ << " of " << count;
  return subscribed_;
}

void PlayedFeed::wait_subscribed(std::size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return subscribed_.size() >= count; }));
}

std::size_t PlayedFeed::wait_unsubscribed(std::size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return unsubscribed_ >= count; }));
  return unsubscribed_;
}

feed::FrameRun PlayedFeed::run_of(const std::vector<std::string>& payloads, std::uint32_t channel) {
  auto batch = std::make_shared<feed::FrameBatch>();
  feed::FrameRun run;
  for (const auto& payload : payloads) {
    feed::Frame frame;
    frame.channel = ChannelId(channel);
    frame.seq = FeedSeq(++seq_);
    frame.lsn = Lsn(seq_);
    const auto at = static_cast<std::uint32_t>(batch->bytes.size());
    protocol::append_frame_header(batch->bytes, protocol::Opcode::binary, payload.size());
    batch->bytes += payload;
    const feed::Slice slice{at, static_cast<std::uint32_t>(batch->bytes.size()) - at};
    frame.slices[static_cast<int>(protocol::Encoding::raw)] = slice;
    frame.slices[static_cast<int>(protocol::Encoding::v1)] = slice;
    run.frames.push_back(static_cast<std::uint32_t>(batch->frames.size()));
    batch->frames.push_back(frame);
  }
  run.batch = batch;
  return run;
}

void PlayedFeed::deliver(const std::vector<std::string>& payloads, std::uint32_t channel) {
  std::lock_guard lock(mutex_);
  const feed::FrameRun run = run_of(payloads, channel);
  for (auto& port : ports_) port.post(feed::Deliver{run}, run.batch->bytes.size());
}

void PlayedFeed::miss(std::vector<std::string> payloads) {
  std::lock_guard lock(mutex_);
  missed_ = std::move(payloads);
}

void PlayedFeed::snapshots_are(std::shared_ptr<const feed::Spool> spool, std::chrono::nanoseconds read) {
  std::lock_guard lock(mutex_);
  spool_ = std::move(spool);
  read_ = read;
}

Listener::Listener(client::Loop& loop, client::Settings settings) {
  const auto locked = [this](auto change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  };
  const auto message = [this, locked](std::string_view bytes) {
    locked([&] {
      messages_.emplace_back(bytes);
      ++received_;
    });
  };
  client::Handlers handlers;
  handlers.on_open = [this, locked](std::string_view selected) { locked([&] { subprotocol_ = selected; }); };
  handlers.on_text = message;
  handlers.on_binary = message;
  handlers.on_close = [this, locked](std::uint16_t code) { locked([&] { code_ = code; }); };
  handlers.on_error = [this, locked](const client::Failure& failure) { locked([&] { failure_ = failure; }); };
  client_ = std::make_unique<client::Client>(loop, std::move(settings), std::move(handlers));
}

template <class Ready>
bool Listener::wait(Ready ready) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, ready);
}

std::optional<std::string> Listener::opened() {
  EXPECT_TRUE(wait([this] { return subprotocol_ || failure_; }));
  const std::lock_guard lock(mutex_);
  return subprotocol_;
}

std::string Listener::next() {
  (void)wait([this] { return !messages_.empty() || failure_ || code_; });
  const std::lock_guard lock(mutex_);
  if (messages_.empty()) {
    ADD_FAILURE() << "no message; " << (failure_ ? failure_->message : "");
    return {};
  }
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void Listener::expect(std::string_view part) {
  const auto message = next();
  EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
}

std::uint16_t Listener::closed() {
  EXPECT_TRUE(wait([this] { return code_ || failure_; }));
  const std::lock_guard lock(mutex_);
  return code_.value_or(0);
}

client::Failure Listener::failure() {
  EXPECT_TRUE(wait([this] { return failure_.has_value(); }));
  const std::lock_guard lock(mutex_);
  return failure_.value_or(client::Failure{});
}

std::size_t Listener::received() {
  std::lock_guard lock(mutex_);
  return received_;
}

void Listener::wait_received(std::size_t count) {
  EXPECT_TRUE(wait([&] { return received_ >= count; })) << received() << " of " << count;
}

RawPeer::RawPeer(Place place, int receive_buffer, const char* from)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = from != nullptr ? ::inet_addr(from) : INADDR_ANY;
  EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own), 0) << std::strerror(errno);
  EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
  if (!place.trust) return;
  channel_ = place.trust->connect("127.0.0.1");
  shake_hands();
}

void RawPeer::wait(short events) const {
  pollfd waiting{socket_, events, 0};
  EXPECT_GT(::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())), 0);
}

void RawPeer::shake_hands() {
  for (;;) {
    const auto step = channel_->shake_hands(socket_);
    if (step == transport::Channel::Step::done) return;
    ASSERT_EQ(step, transport::Channel::Step::wants_more) << channel_->trouble();
    wait(POLLIN);
  }
}

void RawPeer::send(std::string_view bytes) {
  if (!channel_) return send_plain(bytes);
  while (!bytes.empty()) {
    std::unique_lock lock(mutex_);
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    const bool room = channel_->send_rest(socket_);
    const auto taken = room ? channel_->encrypt(socket_, &piece, 1) : 0;
    if (channel_->broken()) return;
    bytes.remove_prefix(taken);
    lock.unlock();
    if (!room) wait(POLLOUT);
  }
}

void RawPeer::send_plain(std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the other side may close in the middle of what it refuses
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string RawPeer::frame(int opcode, std::string_view payload, bool fin) {
  std::string bytes;
  protocol::append_frame_header(bytes, static_cast<protocol::Opcode>(opcode), payload.size());
  if (!fin) bytes[0] = static_cast<char>(bytes[0] & 0x7f);
  bytes[1] = static_cast<char>(bytes[1] | 0x80);
  const std::string mask = "mask";
  bytes += mask;
  for (std::size_t i = 0; i < payload.size(); ++i)
    bytes.push_back(static_cast<char>(payload[i] ^ mask[i % mask.size()]));
  return bytes;
}

std::string RawPeer::upgrade(const std::string& more_headers) {
  send(
      "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
      more_headers + "\r\n");
  return head();
}

bool RawPeer::fill(std::size_t bytes_max) {
  pollfd waiting{socket_, POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) {
    ADD_FAILURE() << "nothing came";
    return false;
  }
  char bytes[65536];
  if (channel_) {
    // What OpenSSL has decrypted already does not make the socket readable: read until it wants more.
    using Step = transport::Channel::Step;
    const std::lock_guard lock(mutex_);
    const auto before = read_.size();
    transport::Channel::Read got;
    do {
      got = channel_->read(socket_, bytes, std::min(sizeof bytes, bytes_max));
      read_.append(bytes, got.size);
    } while (got.step == Step::done);
    return got.step == Step::wants_more || read_.size() > before;
  }
  const auto size = ::recv(socket_, bytes, std::min(sizeof bytes, bytes_max), 0);
  if (size < 0 && errno == ECONNRESET) reset_ = true;
  if (size > 0) read_.append(bytes, static_cast<std::size_t>(size));
  return size > 0;
}

std::size_t RawPeer::trickle(std::size_t bytes_max) {
  fill(bytes_max);
  return std::exchange(read_, {}).size();
}

std::string RawPeer::take(std::size_t size) {
  while (read_.size() < size) {
    if (!fill()) return {};
  }
  auto taken = read_.substr(0, size);
  read_.erase(0, size);
  return taken;
}

std::string RawPeer::head() {
  while (read_.find("\r\n\r\n") == std::string::npos) {
    if (!fill()) return {};
  }
  return take(read_.find("\r\n\r\n") + 4);
}

std::string RawPeer::body(std::string_view head) {
  constexpr std::string_view name = "Content-Length: ";
  const auto found = head.find(name);
  if (found == std::string_view::npos) return {};
  return take(std::strtoul(head.data() + found + name.size(), nullptr, 10));
}

int RawPeer::Frame::close_code() const {
  if (opcode != 8 || payload.size() < 2) return -1;
  return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
}

std::optional<RawPeer::Frame> RawPeer::next() {
  const auto start = take(2);
  if (start.empty()) return std::nullopt;
  std::size_t size = static_cast<unsigned char>(start[1]) & 0x7f;
  if (size >= 126) {
    const auto bytes = take(size == 126 ? 2 : 8);
    size = 0;
    for (const char byte : bytes) size = size << 8 | static_cast<unsigned char>(byte);
  }
  return Frame{start[0] & 0x0f, take(size)};
}

bool RawPeer::ended() {
  for (;;) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0)
      return false;
    if (!fill()) return true;
  }
}

EdgeTest::EdgeTest() {
  options.port = 0;
  options.shards = 1;
  options.pass_through = true;
}

void EdgeTest::start() {
  Parts parts{clock, metrics, [this](feed::Command command) { return feed.take(command); }, routes};
  auto ring = auth::KeyRing::open(auth, {}, {}, clock, metrics);
  ASSERT_TRUE(ring.ok()) << ring.error().message;
  parts.keys = std::move(*ring);
  parts.credentials = credentials;
  parts.memory = memory;
  parts.revocations = revocations;
  edge.emplace(std::move(parts), options, hub, auth);
  feed.set_ports(edge->ports());
  const auto started = edge->start();
  ASSERT_TRUE(started.ok()) << started.error().message;
}

void EdgeTest::speak_tls() {
  certificate.emplace();
  const auto quiet = [](const std::string&) {};
  auto opened = transport::Credentials::open(certificate->files(), {quiet, quiet}, clock, metrics);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  credentials = *opened;
  auto trusting = transport::Trust::open(certificate->file());
  ASSERT_TRUE(trusting.ok()) << trusting.error().message;
  trust = *trusting;
}

void EdgeTest::set_catalogue() {
  auto table = std::make_shared<query::TableSchema>();
  table->schema = "public";
  table->name = "orders";
  table->relation = 1;
  query::ColumnSchema id{.name = "id", .type = query::Type::int8, .declared = "bigint"};
  id.not_null = true;
  table->columns = {id, {.name = "status", .type = query::Type::text, .declared = "text"}};
  table->key = {0};
  std::vector<std::shared_ptr<const query::TableSchema>> tables{table};
  edge->set_access(std::make_shared<policy::Access>(std::make_shared<query::Catalogue>(tables),
                                                    std::make_shared<policy::Options>(policy)));
}

client::Settings EdgeTest::settings(std::vector<std::string> subprotocols) const {
  client::Settings settings;
  settings.port = edge->port();
  settings.subprotocols = std::move(subprotocols);
  settings.tls = trust.has_value();
  if (settings.tls) settings.ca_file = certificate->file();
  return settings;
}

double EdgeTest::metric(const std::string& series) const {
  const auto text = "\n" + metrics.text();
  const auto found = text.find("\n" + series + " ");
  return found == std::string::npos ? 0 : std::strtod(text.c_str() + found + series.size() + 2, nullptr);
}

void EdgeTest::wait_metric(const std::string& series, double value) const {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (metric(series) != value) {
    if (std::chrono::steady_clock::now() > end) {
      ADD_FAILURE() << series << " is " << metric(series) << ", not " << value;
      return;
    }
    std::this_thread::yield();
  }
}

}  // namespace tidegate::session::testing
