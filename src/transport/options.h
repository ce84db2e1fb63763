#pragma once

#include <string>

namespace tidegate::transport {

/// A listener's certificate (PEM: its own first, then those that vouch for it) and its key. Both or neither.
struct CredentialFiles {
  std::string certificate;
  std::string key;
};

}  // namespace tidegate::transport
