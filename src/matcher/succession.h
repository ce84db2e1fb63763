#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/identity.h"
#include "base/ids.h"
#include "log/log.h"
#include "registry/registry.h"

namespace tidegate::matcher {

/// What the control topic says of the reign before (rule 10).
struct Predecessor {
  std::optional<registry::EpochBound> epoch;
  std::map<Partition, registry::Checkpoint> checkpoints;
};

/// What an epoch is bound to now.
struct Circumstances {
  SourceIdentity source;
  std::string slot;
  std::int32_t partitions = 0;
  Lsn start_position;
};

/// Why the epoch can't be carried on; empty if it can: nothing that it is bound to changed, and the slot is
/// not above what was noted as acknowledged (it would have been dropped and made again, with a gap).
std::string breaks_epoch(const Predecessor& before, const Circumstances& now);

/// Why this matcher has no business at this control topic: it is another database's (rule 29). Empty: it has.
/// A new timeline of the same database is a new epoch only.
std::string of_another_database(const Predecessor& before, const Circumstances& now);

/// Whether the noted `progress` records still stand in the log as they were written (else it is another log,
/// or it lost its end). Reads one record a partition; `unavailable` where it is out of reach: then nobody
/// knows, and an epoch that is whole must not end for it.
Result<bool> checkpoints_stand(log::Log& log, const Predecessor& before);

}  // namespace tidegate::matcher
