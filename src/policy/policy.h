#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy/predicate.h"

namespace tidegate::policy {

/// Who asks: what a verified token says, or nobody (`--auth none`).
struct Principal {
  std::string subject;
  std::string tenant;
  bool anonymous = true;
  std::string claims;  ///< all of the token's, a JSON object
};

/// What the config says of one table.
struct TablePolicy {
  std::string tenant_column;              ///< empty: the table is shared by all tenants
  std::vector<std::string> columns;       ///< those that exist for clients; empty: all
  std::shared_ptr<const Predicate> rows;  ///< those that a token's claims show; null: all
  bool operator==(const TablePolicy& right) const {
    return tenant_column == right.tenant_column && columns == right.columns &&
           (rows && right.rows ? rows->text() == right.rows->text() : rows == right.rows);
  }
};

struct Options {
  /// With tokens, a table that is not named here does not exist for clients. Keys are `schema.name` or a bare
  /// name.
  std::map<std::string, TablePolicy> tables;
  /// `--auth none`: every published table, no tenant condition.
  bool open = false;
  bool operator==(const Options&) const = default;
};

}  // namespace tidegate::policy
