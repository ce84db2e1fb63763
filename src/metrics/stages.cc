#include "metrics/stages.h"

#include <algorithm>
#include <vector>

namespace tidegate::metrics {
namespace {

/// Seconds: 50 µs to 10 s, three to a decade, as nothing here is known better than by a third.
const std::vector<double> kBounds = {50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3,
                                     50e-3, 100e-3, 200e-3, 500e-3, 1,    2,    5,    10};
constexpr std::array<const char*, kStages> kNames = {"received", "appended", "acknowledged", "logged",
                                                     "posted",   "taken",    "written"};

}  // namespace

Stages::Stages(Registry& registry)
    : whole_(registry.histogram("tidegate_commit_to_written_seconds",
                                "From a commit until a shard has written it to its connections, of each "
                                "batch's first diff.",
                                kBounds)) {
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    stages_[stage] =
        &registry.histogram("tidegate_stage_seconds", "How long a change's journey takes, by stage.", kBounds,
                            {{"stage", kNames[stage]}});
  }
}

void Stages::took(Stage stage, Time time) {
  stages_[static_cast<std::size_t>(stage)]->observe(std::max(time.count(), 0.0));
}

void Stages::written_after_commit(Time time) {
  whole_.observe(std::max(time.count(), 0.0));
}

}  // namespace tidegate::metrics
