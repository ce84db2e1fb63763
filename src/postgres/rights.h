#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "postgres/connection.h"

namespace tidegate::postgres {

/// What a role runs; each of these needs to log in and to CONNECT.
enum class Runs : std::uint8_t {
  both,   ///< `serve` and `match`, or `serve` on one node: all of it
  match,  ///< reads the change stream, and no table
  serve,  ///< with Kafka: takes snapshots of tables, and reads no stream
};

/// A right that such a role lacks, in words, and what to type.
struct MissingRight {
  std::string missing;
  std::string statement;
};

/// What `role` lacks of what docs/OPERATING.md says that it needs for the publication's tables: to log in, to
/// read the change stream, to CONNECT, USAGE of schemas, SELECT of tables, BYPASSRLS where row security would
/// hide rows from it. A role that does not exist lacks everything, itself first. Changes nothing.
Result<std::vector<MissingRight>> missing_rights(Connection& connection, const std::string& publication,
                                                 const std::string& role, Runs runs);

/// Whether the connection's own role has a right more than those: it is a superuser, may create in the
/// database, or owns one of the tables.
Result<bool> has_more_rights(Connection& connection, const std::string& publication);

}  // namespace tidegate::postgres
