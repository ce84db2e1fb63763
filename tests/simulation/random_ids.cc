// Random ids (epochs, activations, incarnations) come from the seed here, so that a schedule does the same
// each time: the linker's --wrap puts this function in the place of base's.

#include <cstdint>

#include "simulation/database.h"

namespace tidegate::simulation {
namespace {
Dice ids(0);
}
void reseed_ids(std::uint64_t seed) {
  ids = Dice(seed ^ 0x5eed);
}
std::uint64_t next_id() {
  return ids.next() | 1;
}
}  // namespace tidegate::simulation

extern "C" std::uint64_t __wrap__ZN8tidegate10random_u64Ev() {
  return tidegate::simulation::next_id();
}
