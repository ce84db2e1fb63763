#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "feed/channel.h"
#include "feed/probe.h"
#include "log/log.h"
#include "registry/registry.h"

/// What decides whether a matcher's record counts, be it read live or again from the log's history.
namespace tidegate::feed {

/// The generations' fences that may concern what is read of a partition (rule 4). One alone would not do:
/// between two takeovers the first one's fence still bars the dead, whatever the second one's says.
class Fences {
 public:
  /// What lies at or below `read` is not read again; of the fences there the highest generation's bars all.
  void add(const registry::GenerationFence& fence, Offset read);
  /// Whether a record of this generation at this offset is a matcher's that had been overthrown.
  [[nodiscard]] bool bar(Generation generation, Offset offset) const;

 private:
  std::vector<registry::GenerationFence> fences_;  // in no order
};

/// Rules 4 and 10: why a record counts for nobody. By the fence in the control topic, and by `seen`, the
/// highest generation that the partition itself has shown: a generation's first record there lies at its
/// fence.
std::optional<Drop> stranger(const log::Record& record, std::optional<Epoch> epoch, Generation seen,
                             const Fences& fences);

/// Rule 5: how a diff's part stands to what a channel has.
enum class Standing : std::uint8_t {
  next,      ///< it goes on where the channel is
  seen,      ///< streamed again after a matcher's restart
  headless,  ///< its first parts never came
};
Standing standing(const log::Headers& headers, Lsn last_complete,
                  const std::optional<Unfinished>& unfinished);

/// Moves a channel on by a part that is next.
void move_on(const log::Headers& headers, Lsn& last_complete, std::optional<Unfinished>& unfinished);

}  // namespace tidegate::feed
