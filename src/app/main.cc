#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>

#include "app/commands.h"

namespace {

using namespace tidegate;

Status run(app::Process process) {
  switch (process.settings.command) {
    case config::Command::serve:
      return app::serve(process);
    case config::Command::match:
      return app::match(process);
    case config::Command::demo:
      return app::demo(process);
    case config::Command::setup:
      return app::setup(process);
    case config::Command::token:
      return app::token(process);
    case config::Command::tail:
      return app::tail(process);
  }
  return {};
}

/// A connection is a file: as many as the system lets this process have.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

/// Memory that was given up is the system's again. Left to itself glibc raises both bounds to what was freed
/// last, up to 64 MiB, and a process with a budget of 32 MiB was seen to hold 70 MiB that nobody used.
void give_memory_back() {
  static_cast<void>(::mallopt(M_MMAP_THRESHOLD, 128 << 10));
  static_cast<void>(::mallopt(M_TRIM_THRESHOLD, 512 << 10));
}

}  // namespace

int main(int argc, char** argv) {
  const auto settings = config::load(argc, argv, config::process_environment());
  if (!settings) {
    fmt::print(stderr, "tidegate: {}\n", settings.error().message);
    return 2;
  }
  if (!settings->print.empty()) {
    fmt::print("{}", settings->print);
    return 0;
  }
  raise_open_files();
  give_memory_back();
  app::Interrupts interrupts;
  metrics::Registry metrics;
  app::Logger logger(settings->log_level);
  for (const std::string& warning : settings->warnings) logger.warning(warning);
  SystemClock time;
  const Status ended = run({*settings, time, metrics, logger, interrupts, [argc, argv] {
                              return config::load(argc, argv, config::process_environment());
                            }});
  if (ended) return 0;
  fmt::print(stderr, "tidegate: {}\n", ended.error().message);
  return 1;
}
