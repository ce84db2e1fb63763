#pragma once

#include <memory>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "source/source.h"
#include "sqlite/options.h"

namespace tidegate::sqlite {

/// A SQLite file as a source (exactness.md, rule 30; `journal.h` tells how). Nothing is opened yet: the first
/// use of any of the three sets WAL mode and installs our tables and triggers, and its errors say what to
/// type. `clock` and `metrics` outlive the source, and the source its three.
std::unique_ptr<source::Source> make_source(Options options, Clock& clock, metrics::Registry& metrics);

}  // namespace tidegate::sqlite
