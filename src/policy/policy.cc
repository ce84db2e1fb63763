#include "policy/policy.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "query/utf8.h"

namespace tidegate::policy {
namespace {

/// The config's entries for a table. It may be named twice, whole and bare: then both hold.
std::vector<const TablePolicy*> policies_of(const query::TableSchema& table,
                                            const query::Catalogue& catalogue, const Options& options) {
  std::vector<const TablePolicy*> found;
  if (const auto whole = options.tables.find(table.qualified()); whole != options.tables.end()) {
    found.push_back(&whole->second);
  }
  const auto bare = options.tables.find(table.name);
  if (bare != options.tables.end() && catalogue.find(table.name).get() == &table)
    found.push_back(&bare->second);
  return found;
}

Error unknown_table(std::string_view name) {
  return {Fault::not_found, "unknown table " + query::in_quotes(name)};
}

/// What can be said before the client's query is looked at: nothing of the table's shape shows to who may not
/// read it.
Status check_claims(const query::TableSchema& table, const TablePolicy& policy, const Principal& principal) {
  if (policy.tenant_column.empty()) return {};
  if (principal.tenant.empty()) {
    return Error{Fault::denied, fmt::format("table \"{}\" is divided by tenant and the token names none",
                                            table.qualified())};
  }
  if (table.find(policy.tenant_column) < 0) {
    return Error{
        Fault::denied,
        fmt::format("table \"{}\" lacks the tenant column that the configuration names", table.qualified())};
  }
  return {};
}

/// The condition is bound like a client's, but what goes wrong with it is never the client's query: it is
/// denied.
Result<std::shared_ptr<const query::Query>> within_tenant(const query::Query& wide, const TablePolicy& policy,
                                                          const Principal& principal) {
  query::ParsedCondition condition;
  condition.column = policy.tenant_column;
  condition.values.push_back({query::ParsedLiteral::Kind::string, principal.tenant});
  auto narrow = wide.narrowed(condition);
  if (narrow) return narrow;
  return Error{Fault::denied, fmt::format("the token's tenant does not fit table \"{}\": {}",
                                          wide.table().qualified(), narrow.error().message)};
}

}  // namespace

Result<Narrowed> narrow(const query::ParsedQuery& parsed, const query::Catalogue& catalogue,
                        const Options& options, const Principal& principal) {
  const auto table = catalogue.find(parsed.table);
  if (!table) return unknown_table(parsed.table);
  std::vector<const TablePolicy*> policies;
  if (!options.open) {
    policies = policies_of(*table, catalogue, options);
    if (policies.empty()) return unknown_table(parsed.table);
  }
  for (const TablePolicy* policy : policies) {
    if (auto status = check_claims(*table, *policy, principal); !status) return status.error();
  }
  auto bound = query::Query::bind(parsed, table);
  if (!bound) return bound.error();
  Narrowed narrowed{std::move(*bound), {}};
  std::string_view tenant;
  for (const TablePolicy* policy : policies) {
    if (policy->tenant_column.empty()) continue;
    auto within = within_tenant(*narrowed.query, *policy, principal);
    if (!within) return within.error();
    narrowed.query = std::move(*within);
    tenant = principal.tenant;
  }
  narrowed.routing_key = query::routing_key(tenant, *narrowed.query);
  return narrowed;
}

}  // namespace tidegate::policy
