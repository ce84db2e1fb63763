// What TLS over a socket promises: everything taken arrives once and in order however little the socket
// takes, an idle channel holds nothing, a refusal says why, and nothing waits for a peer that only asks.
#include "transport/channel.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "transport/credentials.h"
#include "transport/testing.h"
#include "transport/trust.h"

namespace tidegate::transport {
namespace {

using testing::Certificate;
using Step = Channel::Step;

/// A server and a client over a socket pair that holds little.
class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_), 0);
    const int little = 4'096;
    ::setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    const auto note = [this](const std::string& line) { said += line + "\n"; };
    auto opened = Credentials::open(certificate.files(), {note, note}, clock, metrics);
    EXPECT_TRUE(opened.ok());
    credentials = *opened;
    server = credentials->accept(budget);
  }
  ~ChannelTest() override {
    for (const int end : ends_) ::close(end);
  }
  void trust(const std::string& file) {
    const auto trusted = Trust::open(file);
    ASSERT_TRUE(trusted.ok());
    client = trusted->connect("localhost");
  }
  /// What each side's last step came to.
  std::pair<Step, Step> shake_hands() {
    std::pair last(Step::wants_more, Step::wants_more);
    for (int round = 0; round < 1'000; ++round) {
      if (last.second == Step::wants_more) last.second = client->shake_hands(ends_[1]);
      client->send_rest(ends_[1]);
      if (last.first == Step::wants_more) last.first = server->shake_hands(ends_[0]);
      server->send_rest(ends_[0]);
    }
    return last;
  }
  std::string read_client() {
    std::string all;
    char some[20'000];
    for (;;) {
      const auto got = client->read(ends_[1], some, sizeof some);
      if (got.step != Step::done) return all;
      all.append(some, got.size);
    }
  }
  void raw(std::string_view bytes) {
    ASSERT_EQ(::send(ends_[1], bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

  Certificate certificate;
  SystemClock clock;
  metrics::Registry metrics;
  std::string said;
  std::shared_ptr<Budget> budget = std::make_shared<Budget>(1 << 20);
  std::shared_ptr<Credentials> credentials;
  std::unique_ptr<Channel> server;
  std::unique_ptr<Channel> client;
  int ends_[2];
};

TEST_F(ChannelTest, EverythingArrivesOnceAndInOrderThroughASocketThatTakesLittle) {
  trust(certificate.file());
  ASSERT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  std::string sent;
  std::string got;
  for (int i = 0; sent.size() < 300'000; ++i) {
    const std::string one(static_cast<std::size_t>(i % 900) * 40 + 1, static_cast<char>('a' + i % 26));
    const std::string two = "|" + std::to_string(i) + "|";
    const iovec pieces[] = {{const_cast<char*>(one.data()), one.size()},
                            {const_cast<char*>(two.data()), two.size()}};
    const std::size_t taken = server->encrypt(ends_[0], pieces, 2);
    ASSERT_GT(taken, 0u);
    ASSERT_LE(taken, Channel::kRecordBytes);
    sent += (one + two).substr(0, taken);
    while (!server->send_rest(ends_[0])) {
      EXPECT_EQ(budget->used() > 0, server->unsent() > 0) << "what is kept is charged";
      got += read_client();
    }
    EXPECT_EQ(budget->used(), 0u);
  }
  got += read_client();
  EXPECT_TRUE(got == sent);
}

TEST_F(ChannelTest, AGoodbyeIsAnEndAndSoIsABareOne) {
  trust(certificate.file());
  ASSERT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  char some[10];
  client->say_goodbye(ends_[1]);
  EXPECT_EQ(server->read(ends_[0], some, sizeof some).step, Step::ended);
  server = credentials->accept(budget);
  ::close(ends_[0]);
  ::close(ends_[1]);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_), 0);
  trust(certificate.file());
  ASSERT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  ::shutdown(ends_[1], SHUT_WR);
  EXPECT_EQ(server->read(ends_[0], some, sizeof some).step, Step::ended);
}

TEST_F(ChannelTest, AStrangersCertificateIsRefusedAndTheServerKnows) {
  const Certificate other;
  trust(other.file());
  const auto [at_server, at_client] = shake_hands();
  EXPECT_EQ(at_client, Step::failed);
  EXPECT_EQ(client->refusal(), Refusal::certificate);
  EXPECT_NE(client->trouble().find("self-signed"), std::string::npos) << client->trouble();
  EXPECT_EQ(at_server, Step::failed);
  EXPECT_EQ(server->refusal(), Refusal::certificate);
}

TEST_F(ChannelTest, ANameThatTheCertificateDoesNotHaveIsRefused) {
  const auto trusted = Trust::open(certificate.file());
  ASSERT_TRUE(trusted.ok());
  client = trusted->connect("example.com");
  EXPECT_EQ(shake_hands().second, Step::failed);
  EXPECT_EQ(client->refusal(), Refusal::certificate);
}

TEST_F(ChannelTest, ABadCertificateNeverTakesTheGoodOnesPlace) {
  trust(certificate.file());
  std::ofstream(certificate.file()) << "rubbish";
  credentials->reload();
  server = credentials->accept(budget);
  EXPECT_EQ(shake_hands(), std::pair(Step::done, Step::done));
}

TEST_F(ChannelTest, HttpWithoutTlsIsKnownAsSuchAndToldOnceAMinute) {
  raw("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(server->shake_hands(ends_[0]), Step::failed);
  EXPECT_EQ(server->refusal(), Refusal::plain_http);
  credentials->refused(server->refusal());
  credentials->refused(server->refusal());
  EXPECT_EQ(said.find("https://"), said.rfind("https://"));
  EXPECT_NE(said.find("https://"), std::string::npos);
  EXPECT_NE(metrics.text().find(R"(tidegate_tls_refused_total{reason="plain_http"} 2)"), std::string::npos);
}

TEST_F(ChannelTest, OlderVersionsThanTls12AreRefused) {
  const SslPointer none;
  SSL_CTX* const old = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(old, 0);
  SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
  SSL_CTX_set_cipher_list(old, "ALL:@SECLEVEL=0");
  SslPointer ssl(SSL_new(old));
  SSL_CTX_free(old);
  SSL_set_connect_state(ssl.get());
  client = std::make_unique<Channel>(std::move(ssl), nullptr);
  const auto [at_server, at_client] = shake_hands();
  EXPECT_EQ(at_server, Step::failed);
  EXPECT_EQ(server->refusal(), Refusal::version);
  EXPECT_EQ(client->refusal(), Refusal::version);
}

TEST_F(ChannelTest, OnlyHttp11IsSpoken) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  const auto offering = [&](std::string_view protocols) {
    SslPointer ssl(SSL_new(context));
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
    SSL_set_connect_state(ssl.get());
    return std::make_unique<Channel>(std::move(ssl), nullptr);
  };
  client = offering("\x02h2\x08http/1.1");
  EXPECT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  server = credentials->accept(budget);
  client = offering("\x02h2");
  EXPECT_EQ(shake_hands().first, Step::failed);
  SSL_CTX_free(context);
}

TEST_F(ChannelTest, APeerThatOnlyAsksAndNeverReadsIsCutAtABound) {
  trust(certificate.file());
  ASSERT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  const std::string much(Channel::kRecordBytes, 'x');
  const iovec piece{const_cast<char*>(much.data()), much.size()};
  // Nobody reads: each record beyond the socket's room is kept, up to the bound.
  int taken = 0;
  while (server->encrypt(ends_[0], &piece, 1) > 0) ASSERT_LT(++taken, 100);
  EXPECT_TRUE(server->broken());
  EXPECT_LE(server->unsent(), 64u << 10);
  EXPECT_FALSE(server->send_rest(ends_[0]));
}

TEST_F(ChannelTest, ABrokenSocketIsAFailureNotASignal) {
  trust(certificate.file());
  ASSERT_EQ(shake_hands(), std::pair(Step::done, Step::done));
  ::close(ends_[1]);
  ends_[1] = -1;
  const iovec piece{const_cast<char*>("x"), 1};
  EXPECT_EQ(server->encrypt(ends_[0], &piece, 1), 0u);
  EXPECT_TRUE(server->broken());
  char some[10];
  EXPECT_EQ(server->read(ends_[0], some, sizeof some).step, Step::failed);
}

}  // namespace
}  // namespace tidegate::transport
