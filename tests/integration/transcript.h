#pragma once

#include <string>
#include <vector>

#include "integration/upstream.h"

namespace tidegate::test {

/// What was recorded from the seed, tests/integration/transcripts.json: the names of its scenarios.
std::vector<std::string> scenario_names();

/// Plays a scenario's client and producer against a gateway and compares what comes with the recording:
/// every message by value and, since JSON orders no members, byte for byte with what the seed's
/// JSON.stringify made; binary frames byte for byte; the selected subprotocol. Pauses of the recording
/// (`wait`, `quiet`) are replaced by a mark: what was produced has been read, and what follows from it
/// has been sent. Differences are gtest failures. `number` is unique to the run, `base` above every
/// LSN that the gateway has read.
void replay_scenario(const std::string& name, client::Loop& loop, int port, Upstream& upstream, int number,
                     std::uint64_t base);

}  // namespace tidegate::test
