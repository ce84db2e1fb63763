#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace tidegate::client {

struct GetOptions {
  std::chrono::milliseconds timeout{5'000};  ///< for everything together
  std::size_t bytes_max = 1 << 20;           ///< of the body
  std::string ca_file;                       ///< certificates (PEM) to trust for https; empty: the system's
};

/// What an http:// or https:// URL holds. An answer other than 200 is an error: no redirect is followed, no
/// proxy asked. A server of https must show a certificate of its name that is trusted. Blocks the calling
/// thread, until `stop` at the latest (but for the system's look-up of the name). Errors name neither the URL
/// nor what was got.
Result<std::string> http_get(const std::string& url, const GetOptions& options, std::stop_token stop = {});

}  // namespace tidegate::client
