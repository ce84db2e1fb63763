#include "app/keys.h"

#include <utility>

#include "client/http_get.h"

namespace tidegate::app {

Result<std::shared_ptr<auth::KeyRing>> open_keys(Process process) {
  const auth::Options& options = process.settings.auth;
  if (options.mode == auth::Options::Mode::none) return std::shared_ptr<auth::KeyRing>();
  auto fetch = [ca_file = options.jwks_ca_file](const std::string& url, std::stop_token stop) {
    return client::http_get(url, {.bytes_max = auth::kJwksBytesMax, .ca_file = ca_file}, std::move(stop));
  };
  const Logger& logger = process.logger;
  auto ring = auth::KeyRing::open(options, std::move(fetch),
                                  {[&logger](const std::string& line) { logger.info(line); },
                                   [&logger](const std::string& line) { logger.warning(line); }},
                                  process.clock, process.metrics);
  if (!ring) return ring.error();
  return std::shared_ptr<auth::KeyRing>(std::move(*ring));
}

Result<std::shared_ptr<transport::Credentials>> open_credentials(Process process) {
  const transport::CredentialFiles& files = process.settings.tls;
  if (files.certificate.empty()) return std::shared_ptr<transport::Credentials>();
  const Logger& logger = process.logger;
  auto opened = transport::Credentials::open(files,
                                             {[&logger](const std::string& line) { logger.info(line); },
                                              [&logger](const std::string& line) { logger.warning(line); }},
                                             process.clock, process.metrics);
  if (!opened) return opened.error();
  return std::move(*opened);
}

}  // namespace tidegate::app
