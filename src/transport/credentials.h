#pragma once

#include <openssl/types.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/budget.h"
#include "base/clock.h"
#include "base/result.h"
#include "metrics/metrics.h"
#include "transport/channel.h"
#include "transport/options.h"
#include "transport/probe.h"

namespace tidegate::transport {

/// What a listener shows to its clients: TLS 1.2 and 1.3, suites with forward secrecy alone, no
/// renegotiation, tickets, `http/1.1`. Read again on demand; connections go on with what they began with. Any
/// thread.
class Credentials {
 public:
  /// For the log.
  struct Voice {
    std::function<void(const std::string&)> info;
    std::function<void(const std::string&)> warning;
  };
  /// The error names the file at fault and its setting.
  static Result<std::shared_ptr<Credentials>> open(CredentialFiles files, Voice voice, const Clock& clock,
                                                   metrics::Registry& metrics);
  ~Credentials();
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  /// Reads both files again. Where that fails what was there stays, and the log says what is wrong.
  void reload();
  /// For a socket that was accepted. What it has to keep is charged to `memory`.
  [[nodiscard]] std::unique_ptr<Channel> accept(std::shared_ptr<Budget> memory) const;
  /// How its handshake went. HTTP without TLS is told to the log, once a minute at most.
  void shook_hands(const Channel& channel);
  void refused(Refusal why);

 private:
  Credentials(CredentialFiles files, Voice voice, const Clock& clock, metrics::Registry& metrics);
  Status load();

  const CredentialFiles files_;
  const Voice voice_;
  const Clock& clock_;
  Probe probe_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;  // guarded by mutex_
  Steady plain_http_told_{};          // guarded by mutex_
};

}  // namespace tidegate::transport
