#pragma once

#include "config/sources.h"

namespace tidegate::config {

/// What the modes make of the settings, and what does not go together. `given` are those that somebody set.
Status apply_rules(const GivenSettings& given, Settings& settings);

/// Reads the files that hold secrets for the database and Kafka, refuses properties that are ours alone, and
/// warns of secrets that stand in flags. After the database's kind is known.
Status check_secrets(const GivenSettings& given, Settings& settings);

}  // namespace tidegate::config
