#include "app/interrupts.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace tidegate::app {

Interrupts::Interrupts() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  failures_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Interrupts::~Interrupts() {
  ::close(signals_);
  ::close(failures_);
}

void Interrupts::fail(Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(failures_, &one, sizeof one));
}

/// Whether the process is to end.
bool Interrupts::take_signal() {
  signalfd_siginfo info{};
  if (::read(signals_, &info, sizeof info) != sizeof info) return false;
  if (info.ssi_signo == SIGHUP && reload_) {
    reload_();
    return false;
  }
  return true;
}

Status Interrupts::wait(std::optional<std::chrono::milliseconds> timeout) {
  if (signalled_) return {};
  pollfd ready[2] = {{signals_, POLLIN, 0}, {failures_, POLLIN, 0}};
  do {
    static_cast<void>(::poll(ready, 2, timeout ? static_cast<int>(timeout->count()) : -1));
    if (take_signal()) {
      signalled_ = true;
      return {};
    }
    std::uint64_t count = 0;
    static_cast<void>(!::read(failures_, &count, sizeof count));
    const std::lock_guard lock(mutex_);
    if (failure_) return *std::exchange(failure_, std::nullopt);
  } while (!timeout);
  return Error{Fault::unavailable, {}};
}

}  // namespace tidegate::app
