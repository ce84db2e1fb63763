#pragma once

#include "config/sources.h"

namespace tidegate::config {

/// What the modes make of the settings, and what does not go together. `given` are those that somebody set.
Status apply_rules(const GivenSettings& given, Settings& settings);

}  // namespace tidegate::config
