// Bare Kafka, by our own reader and appender: single appends at a steady rate.
#pragma once

#include <cstddef>
#include <vector>

#include "kafka/options.h"

namespace tidegate::bench {

/// Milliseconds of each append.
struct KafkaTimes {
  std::vector<double> to_acknowledgement, to_reader;
};

/// To partition 1 of the first topic, which must be there. Ends the program with the fault's text.
KafkaTimes steady_appends(const kafka::Options& options, std::size_t count, int a_second);

}  // namespace tidegate::bench
