#include "transport/trust.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <utility>

namespace tidegate::transport {
namespace {

bool is_address(const std::string& host) {
  in6_addr ignored;
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

}  // namespace

Result<Trust> Trust::open(const std::string& ca_file) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return Error{Fault::fatal, "OpenSSL has no TLS"};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int read = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                   : SSL_CTX_load_verify_file(context.get(), ca_file.c_str());
  ERR_clear_error();
  if (read != 1)
    return Error{Fault::invalid, fmt::format("`{}`: no certificates in PEM that can be used", ca_file)};
  return Trust(std::move(context));
}

std::unique_ptr<Channel> Trust::connect(const std::string& host) const {
  SslPointer ssl(SSL_new(context_.get()));
  if (!ssl) return nullptr;
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str());
  } else {
    SSL_set1_host(ssl.get(), host.c_str());
    SSL_set_tlsext_host_name(ssl.get(),
                             host.c_str());  // a server that has several names is asked for this one
  }
  SSL_set_connect_state(ssl.get());
  return std::make_unique<Channel>(std::move(ssl), nullptr);
}

}  // namespace tidegate::transport
