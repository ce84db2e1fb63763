// Any bytes as a query in JSON: a query or a refusal; what can be bound keeps to `bound`.
#include "everything.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidegate;
  const auto parsed = query::parse_json(fuzz::bytes_of(data, size));
  if (parsed) {
    fuzz::bound(*parsed);
  } else {
    fuzz::require_refusal(parsed.error());
  }
  return 0;
}
