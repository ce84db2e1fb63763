#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "postgres/connection.h"

namespace tidegate::postgres {

// A publication with publish_via_partition_root has a partitioned table as one, and its partitions' changes
// come as the root's. Three things the stream does not say then: that a partition was attached, detached or
// dropped with its rows, that one alone was truncated, and that a partition tells less of old rows than its
// root. Event triggers say the first (postgres/ddl.h), a trigger on each partition the second, and the
// description of the partition, which follows the root's, the third (postgres/relations.h).

/// Why the partitioned tables of these oids can't be served, with what to type; absent: they can.
Result<std::map<std::uint32_t, std::string>> partition_refusals(Connection& connection,
                                                                const std::vector<std::uint32_t>& relations);

/// The partitions that hold a table's rows.
Result<std::set<std::uint32_t>> partitions_of(Connection& connection, std::uint32_t relation);

/// What `setup` runs so that TRUNCATE of each partition is told: one statement a partition that lacks it.
Result<std::vector<std::string>> truncate_trigger_statements(Connection& connection, std::uint32_t relation);
/// And for REPLICA IDENTITY FULL of each partition that has another one.
Result<std::vector<std::string>> partition_identity_statements(Connection& connection,
                                                               std::uint32_t relation);

}  // namespace tidegate::postgres
