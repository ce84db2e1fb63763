#pragma once

#include <memory>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "postgres/options.h"
#include "source/source.h"

namespace tidegate::postgres {

/// A PostgreSQL as a source. Connects to nothing by itself: the parts do when they are used. Clock and
/// registry must outlive the source and all that it opened. Any thread may open parts.
std::unique_ptr<source::Source> make_source(Options options, const Clock& clock, metrics::Registry& registry);

}  // namespace tidegate::postgres
