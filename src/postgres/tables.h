#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/identity.h"
#include "base/result.h"
#include "postgres/connection.h"
#include "query/schema.h"

namespace tidegate::postgres {

/// A table as the catalogue has it now, with the reason why nobody may subscribe to it if there is one.
struct TableDescription {
  query::TableSchema table;
  std::vector<std::uint32_t> types;  ///< pg_type oids, one a column
  bool partitioned = false;
};

/// Every table of the publication. A publication narrower than whole rows (rule 8) refuses all its tables.
/// `reads_rows`: what our role may not SELECT, or would be shown in part, is refused (see Options).
Result<std::vector<TableDescription>> describe_published(Connection& connection,
                                                         const std::string& publication,
                                                         bool reads_rows = true);
/// One table, published or not; nothing where it is gone.
Result<std::optional<TableDescription>> describe_relation(Connection& connection,
                                                          const std::string& publication,
                                                          std::uint32_t relation, bool reads_rows = true);
Result<std::optional<TableDescription>> describe_table(Connection& connection, const std::string& publication,
                                                       const std::string& schema, const std::string& name);

/// Which database of which server. `denied`, with the GRANT to type, where the role may not ask;
/// `unavailable` on a replica, since snapshots must be taken on the primary.
Result<SourceIdentity> read_identity(Connection& connection);

/// Whether a collation orders by bytes of UTF-8. `provider` is pg_collation's letter (c: the C library, b:
/// built in).
bool orders_by_bytes(std::string_view provider, std::string_view locale, std::string_view encoding);

}  // namespace tidegate::postgres
