#include "transport/credentials.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

namespace tidegate::transport {
namespace {

using namespace std::chrono_literals;

constexpr auto kPlainHttpToldAgain = 1min;

/// Forward secrecy and authenticated encryption alone; those of TLS 1.3 all are so.
constexpr const char* kSuites = "ECDHE+AESGCM:ECDHE+CHACHA20";
/// What follows the length in a client's list of protocols.
constexpr std::string_view kHttp = "http/1.1";

/// OpenSSL's first complaint, which is the cause.
std::string complaint() {
  const unsigned long error = ERR_peek_error();
  const char* const reason = ERR_reason_error_string(error);
  std::string text = reason != nullptr ? reason : "cannot be read";
  if (ERR_SYSTEM_ERROR(error)) text = std::generic_category().message(ERR_GET_REASON(error));
  ERR_clear_error();
  return text;
}

Error fault(std::string_view setting, const std::string& file, std::string_view what) {
  return {Fault::invalid, fmt::format("--{}: `{}`: {}", setting, file, what)};
}

/// Never asks at a terminal.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

/// RFC 7301: a client that offers protocols, and not ours among them, is refused.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned int size, void*) {
  std::string_view rest(reinterpret_cast<const char*>(offered), size);
  while (!rest.empty()) {
    const auto length = static_cast<unsigned char>(rest.front());
    const std::string_view name = rest.substr(1, length);
    if (name == kHttp) {
      *out = reinterpret_cast<const unsigned char*>(name.data());
      *out_size = length;
      return SSL_TLSEXT_ERR_OK;
    }
    rest.remove_prefix(1 + name.size());
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_rules(SSL_CTX& context) {
  SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_cipher_list(&context, kSuites);
  // An idle connection holds no buffers.
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
  // Sessions are resumed by tickets, which the clients keep.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(&context, select_protocol, nullptr);
}

Status use_certificate(SSL_CTX& context, const std::string& file) {
  if (SSL_CTX_use_certificate_chain_file(&context, file.c_str()) == 1) return {};
  return fault("tls-certificate-file", file,
               fmt::format("no certificates in PEM that can be used: {}", complaint()));
}

Status use_key(SSL_CTX& context, const std::string& file) {
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(&context, no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(&context, &asked);
  const bool used = SSL_CTX_use_PrivateKey_file(&context, file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
  if (used && SSL_CTX_check_private_key(&context) == 1) return {};
  if (asked) {
    ERR_clear_error();
    return fault("tls-key-file", file, "is encrypted: give a key without a passphrase, readable to us alone");
  }
  if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
      ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH) {
    ERR_clear_error();
    return fault("tls-key-file", file, "is not the key of --tls-certificate-file's first certificate");
  }
  return fault("tls-key-file", file, fmt::format("no private key in PEM that can be used: {}", complaint()));
}

std::int64_t expiry_of(const SSL_CTX& context) {
  std::tm time{};
  const X509* const certificate = SSL_CTX_get0_certificate(&context);
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&time));
}

}  // namespace

Credentials::Credentials(CredentialFiles files, Voice voice, const Clock& clock, metrics::Registry& metrics)
    : files_(std::move(files)), voice_(std::move(voice)), clock_(clock), probe_(metrics) {}

Credentials::~Credentials() = default;

Result<std::shared_ptr<Credentials>> Credentials::open(CredentialFiles files, Voice voice, const Clock& clock,
                                                       metrics::Registry& metrics) {
  std::shared_ptr<Credentials> made(new Credentials(std::move(files), std::move(voice), clock, metrics));
  if (Status loaded = made->load(); !loaded) return loaded.error();
  return made;
}

Status Credentials::load() {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return Error{Fault::fatal, "OpenSSL: " + complaint()};
  set_rules(*context);
  if (Status used = use_certificate(*context, files_.certificate); !used) return used;
  if (Status used = use_key(*context, files_.key); !used) return used;
  const std::int64_t expires = expiry_of(*context);
  if (expires <= unix_us(clock_.wall()) / 1'000'000) {
    voice_.warning(
        fmt::format("--tls-certificate-file: `{}` has expired: clients will refuse it", files_.certificate));
  }
  probe_.loaded(expires);
  const std::lock_guard lock(mutex_);
  context_ = context;
  return {};
}

void Credentials::reload() {
  if (Status loaded = load(); !loaded) {
    probe_.load_failed();
    voice_.warning(loaded.error().message + "; the earlier certificate stays");
    return;
  }
  voice_.info(
      fmt::format("new connections are shown the certificate that `{}` holds now", files_.certificate));
}

std::unique_ptr<Channel> Credentials::accept(std::shared_ptr<Budget> memory) const {
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  SslPointer ssl(SSL_new(context.get()));
  if (!ssl) return nullptr;
  SSL_set_accept_state(ssl.get());
  return std::make_unique<Channel>(std::move(ssl), std::move(memory));
}

void Credentials::shook_hands(const Channel& channel) {
  probe_.shook_hands(channel.resumed());
}

void Credentials::refused(Refusal why) {
  probe_.refused(why);
  if (why != Refusal::plain_http) return;
  {
    const std::lock_guard lock(mutex_);
    const Steady now = clock_.steady();
    if (plain_http_told_ != Steady{} && now - plain_http_told_ < kPlainHttpToldAgain) return;
    plain_http_told_ = now;
  }
  voice_.warning(
      "a client spoke HTTP without TLS and was cut: this port has a certificate, so clients must say "
      "https:// "
      "or wss:// (told once a minute; see tidegate_tls_refused_total)");
}

}  // namespace tidegate::transport
