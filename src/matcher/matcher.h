#pragma once

#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "log/log.h"
#include "matcher/options.h"
#include "metrics/metrics.h"
#include "registry/registry.h"
#include "source/source.h"

namespace tidegate::matcher {

struct Parts {
  source::ChangeStream& stream;
  source::CatalogueReader& catalogue;
  log::Log& log;
  registry::Registry& registry;
  Clock& clock;
  metrics::Registry& metrics;
};

/// Turns the change stream into one diff a query and transaction, in the log. It lives on the change stream's
/// thread: transactions, registrations and acknowledgements are handled one after the other, registrations
/// between transactions.
class Matcher {
 public:
  Matcher(Parts parts, Options options);
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// Takes the slot, decides the epoch (rule 10), writes the start record (rule 4), reads the control topic
  /// whole and grants leases (rule 15), writes the first `progress` into every partition and the fences.
  Status start();
  /// Until `stop`, or an error that ends the process. The calling thread becomes the matcher's.
  Status run();
  /// Any thread.
  void stop();
  /// Any thread, for /readyz.
  [[nodiscard]] Status ready() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::matcher
