#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "query/query.h"

namespace tidegate::policy {

/// Who asks: what a verified token says, or nobody (`--auth none`).
struct Principal {
  std::string subject;
  std::string tenant;
  bool anonymous = true;
};

/// What the config says of one table.
struct TablePolicy {
  std::string tenant_column;  ///< empty: the table is shared by all tenants
};

struct Options {
  /// With tokens, a table that is not named here does not exist for clients. Keys are `schema.name` or a bare
  /// name.
  std::map<std::string, TablePolicy> tables;
  /// `--auth none`: every published table, no tenant condition.
  bool open = false;
};

/// A query after its policy, and under which tenant it is routed (empty where it does not depend on one, so
/// that it is shared among tenants).
struct Narrowed {
  std::shared_ptr<const query::Query> query;
  std::string routing_key;
};

/// Narrows a parsed query to what the principal may see. `not_found` ("unknown table …") where the table does
/// not exist for it, `denied` where a claim is missing, else what binding says. Any thread.
Result<Narrowed> narrow(const query::ParsedQuery& parsed, const query::Catalogue& catalogue,
                        const Options& options, const Principal& principal);

}  // namespace tidegate::policy
