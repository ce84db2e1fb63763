#include "base/fault_point.h"

#ifndef TIDEGATE_NO_FAULT_POINTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "base/encoding.h"

namespace tidegate {
namespace {

void say(std::string_view text) {
  const std::string line = "fault point " + std::string(text) + "\n";
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

struct Armed {
  std::size_t index = kFaultPoints.size();
  std::uint64_t passing = 0;  // that it stops at
  std::atomic<std::uint64_t> passed = 0;

  Armed() {
    const char* given = std::getenv("TIDEGATE_FAULT");
    if (given == nullptr) return;
    const std::string_view text(given);
    const std::size_t colon = text.find(':');
    passing = colon == text.npos ? 1 : parse_u64(text.substr(colon + 1)).value_or(0);
    for (std::size_t i = 0; i < kFaultPoints.size(); ++i) {
      if (kFaultPoints[i].name == text.substr(0, colon)) index = i;
    }
    if (index < kFaultPoints.size() && passing > 0) return;
    say("TIDEGATE_FAULT=" + std::string(text) + " is not <name> or <name>:<n>");
    ::_exit(2);
  }
};

}  // namespace

void fault_point(FaultName name) {
  static Armed armed;
  if (name.index() != armed.index || ++armed.passed != armed.passing) return;
  say(kFaultPoints[armed.index].name);
  // This thread itself takes the signal, so that it goes no further; the others stop with it.
  ::raise(SIGSTOP);
}

}  // namespace tidegate

#endif
