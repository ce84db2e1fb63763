#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "transport/channel.h"

namespace tidegate::transport {

/// Whom a client of TLS trusts. Any thread.
class Trust {
 public:
  /// Certificates (PEM) of `ca_file`; empty: the system's. The error names the file.
  static Result<Trust> open(const std::string& ca_file);

  /// For a socket that is connected to `host`, a name or an address, which the server's certificate must be
  /// for.
  [[nodiscard]] std::unique_ptr<Channel> connect(const std::string& host) const;

 private:
  explicit Trust(std::shared_ptr<SSL_CTX> context) : context_(std::move(context)) {}
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace tidegate::transport
