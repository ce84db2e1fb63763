#include "matcher/matcher.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "matcher/reign.h"

namespace tidegate::matcher {

namespace {

/// The stream says that it can't be read and goes on trying by itself; no need to ask more often than this.
constexpr std::chrono::milliseconds kUnavailable{100};

}  // namespace

class Matcher::State {
 public:
  State(Parts parts, Options options) : stream_(parts.stream), reign_(parts, options) {}

  Status start() {
    auto started = reign_.start();
    report(started);
    return started;
  }

  Status run() {
    while (!stopped_) {
      auto stepped = step();
      if (!stepped && stepped.error().fault != Fault::unavailable) {
        report(stepped);
        return stepped;
      }
    }
    report(Error{Fault::unavailable, "the matcher has been stopped"});
    auto finished = reign_.finish();
    stream_.stop();
    return finished;
  }

  void stop() {
    stopped_ = true;
    stream_.wake();
  }

  Status ready() {
    std::lock_guard lock(mutex_);
    return ready_;
  }

 private:
  Status step() {
    // Only the stream's own unavailability is waited out.
    if (auto done = reign_.settle(); !done) return fatal(done);
    if (auto done = reign_.tick(); !done) return fatal(done);
    auto event = stream_.next(reign_.patience());
    if (!event) {
      report(event.error());
      reign_.out_of_reach();
      if (event.error().fault == Fault::unavailable) std::this_thread::sleep_for(kUnavailable);
      return event.error();
    }
    if (auto done = reign_.handle(std::move(*event)); !done) return fatal(done);
    report({});
    return {};
  }

  static Error fatal(const Status& status) { return {Fault::fatal, status.error().message}; }

  void report(Status status) {
    std::lock_guard lock(mutex_);
    ready_ = std::move(status);
  }

  source::ChangeStream& stream_;
  Reign reign_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  Status ready_ = Error{Fault::unavailable, "the matcher has not started"};  // guarded by mutex_
};

Matcher::Matcher(Parts parts, Options options) : state_(std::make_unique<State>(parts, options)) {}
Matcher::~Matcher() = default;
Status Matcher::start() {
  return state_->start();
}
Status Matcher::run() {
  return state_->run();
}
void Matcher::stop() {
  state_->stop();
}
Status Matcher::ready() const {
  return state_->ready();
}

}  // namespace tidegate::matcher
