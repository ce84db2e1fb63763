// Any bytes as SQL: a query or a refusal; what can be bound keeps to `bound`. A NUL ends the SQL, and each
// one behind it a parameter, whose first byte chooses its kind. libpg_query itself is not instrumented: what
// it does wrong shows where it crashes, leaks or overruns an allocation.
#include <algorithm>

#include "everything.h"
#include "input.h"

namespace {

using tidegate::query::ParsedLiteral;

/// Cuts what stands before the next NUL off `left`.
std::string_view piece(std::string_view& left) {
  const std::string_view piece = left.substr(0, left.find('\0'));
  left.remove_prefix(std::min(left.size(), piece.size() + 1));
  return piece;
}

ParsedLiteral parameter(std::string_view piece) {
  if (piece.empty() || piece.front() == 'z') return {};
  const bool number = piece.front() == 'n';
  if (piece.front() == 'b') return {ParsedLiteral::Kind::boolean, piece.size() % 2 == 0 ? "true" : "false"};
  // As the protocol has checked it: a number by JSON's grammar, else a string.
  if (number) return {ParsedLiteral::Kind::number, std::to_string(piece.size()) + "e1"};
  return {ParsedLiteral::Kind::string, std::string(piece.substr(1))};
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidegate;
  std::string_view left = fuzz::bytes_of(data, size);
  const std::string_view sql = piece(left);
  std::vector<ParsedLiteral> parameters;
  while (!left.empty()) parameters.push_back(parameter(piece(left)));
  const auto parsed = query::parse_sql(sql, parameters);
  if (parsed) {
    fuzz::bound(*parsed);
  } else {
    fuzz::require_refusal(parsed.error());
  }
  return 0;
}
