#pragma once

#include <cstdlib>
#include <random>

namespace tidegate {

/// Where a random test begins; it prints it. The same in every `make test`, so that what fails there was
/// broken by whoever runs it and not found by luck; a new one in `make long` (TIDEGATE_LONG), which looks for
/// what nobody knows yet; TIDEGATE_SEED repeats one. Any thread.
inline unsigned test_seed() {
  constexpr unsigned kEveryday = 20'240'917;  // any number does
  if (const char* given = std::getenv("TIDEGATE_SEED")) {
    return static_cast<unsigned>(std::strtoull(given, nullptr, 10));
  }
  return std::getenv("TIDEGATE_LONG") != nullptr ? std::random_device{}() : kEveryday;
}

}  // namespace tidegate
