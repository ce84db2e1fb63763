#include "policy/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace tidegate::policy {
namespace {

using query::ParsedCondition;
using query::ParsedLiteral;
using query::TableSchema;

Error unknown_table(std::string_view name) {
  return {Fault::not_found, "unknown table " + in_quotes(name)};
}

ParsedCondition equal(const std::string& column, ParsedLiteral value) {
  ParsedCondition condition;
  condition.column = column;
  condition.values.push_back(std::move(value));
  return condition;
}

ParsedCondition of_tenant(const TablePolicy& policy, const Principal& principal) {
  return equal(policy.tenant_column, {ParsedLiteral::Kind::string, principal.tenant});
}

// ---- what can be said before anybody asks ----

bool lists(const TablePolicy& policy, const std::string& column) {
  return policy.columns.empty() ||
         std::find(policy.columns.begin(), policy.columns.end(), column) != policy.columns.end();
}

std::optional<std::string> columns_fault(const TableSchema& table, const TablePolicy& policy) {
  for (const std::string& name : policy.columns) {
    if (table.find(name) < 0) return fmt::format("columns: the table has no column {}", in_quotes(name));
  }
  for (const int part : table.key) {
    const std::string& name = table.columns[static_cast<std::size_t>(part)].name;
    if (lists(policy, name)) continue;
    return fmt::format("columns: the key's column {} is missing; clients tell rows apart by it",
                       in_quotes(name));
  }
  return std::nullopt;
}

/// Whether the policy's conditions bind, whatever the claims are.
std::optional<std::string> conditions_fault(const query::Query& of_key, const TablePolicy& policy) {
  if (!policy.tenant_column.empty()) {
    const ParsedCondition tenant =
        equal(policy.tenant_column, {ParsedLiteral::Kind::claim, "the token's tenant"});
    if (const auto binds = of_key.check_narrowing({&tenant, 1}); !binds)
      return "tenant_column: " + binds.error().message;
  }
  if (!policy.rows) return std::nullopt;
  if (const auto binds = of_key.check_narrowing(policy.rows->open_conditions()); !binds)
    return "rows: " + binds.error().message;
  return std::nullopt;
}

/// Why the policy can't be kept over this table; nothing where it can. A table that is refused by itself is
/// refused to clients, too.
std::optional<std::string> fault_of(const std::shared_ptr<const TableSchema>& table,
                                    const TablePolicy& policy) {
  if (!table->refusal.empty() || table->key.empty()) return std::nullopt;
  if (auto fault = columns_fault(*table, policy)) return fault;
  query::ParsedQuery key;
  for (const int part : table->key)
    key.columns.push_back(table->columns[static_cast<std::size_t>(part)].name);
  const auto of_key = query::Query::bind(key, table);
  return of_key ? conditions_fault(**of_key, policy) : std::nullopt;
}

/// The config's entries for a table.
std::vector<const TablePolicy*> policies_of(const TableSchema& table, const query::Catalogue& catalogue,
                                            const Options& options) {
  std::vector<const TablePolicy*> found;
  if (const auto whole = options.tables.find(table.qualified()); whole != options.tables.end()) {
    found.push_back(&whole->second);
  }
  const auto bare = options.tables.find(table.name);
  if (bare != options.tables.end() && catalogue.find(table.name).get() == &table)
    found.push_back(&bare->second);
  return found;
}

std::vector<bool> hidden_columns(const TableSchema& table, const std::vector<const TablePolicy*>& policies) {
  std::vector<bool> hidden(table.columns.size(), false);
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    hidden[i] = !std::all_of(policies.begin(), policies.end(), [&](const TablePolicy* policy) {
      return lists(*policy, table.columns[i].name);
    });
  }
  const bool any = std::find(hidden.begin(), hidden.end(), true) != hidden.end();
  return any ? hidden : std::vector<bool>();
}

}  // namespace

Access::Access(std::shared_ptr<const query::Catalogue> catalogue, std::shared_ptr<const Options> options)
    : catalogue_(std::move(catalogue)), options_(std::move(options)) {
  if (options_->open) return;
  for (const auto& schema : catalogue_->tables()) add(schema);
  for (const auto& [name, policy] : options_->tables) {
    if (!catalogue_->find(name))
      faults_.push_back(fmt::format("table {}: no published table has this name", name));
  }
}

void Access::add(const std::shared_ptr<const TableSchema>& schema) {
  Table table{schema, policies_of(*schema, *catalogue_, *options_), {}};
  if (table.policies.empty()) return;
  for (const TablePolicy* policy : table.policies) {
    const auto fault = fault_of(schema, *policy);
    if (!fault) continue;
    faults_.push_back(fmt::format("table {}: {}", schema->qualified(), *fault));
    return;
  }
  table.hidden = hidden_columns(*schema, table.policies);
  tables_.emplace(schema->qualified(), std::move(table));
}

const Access::Table* Access::table_of(const std::string& qualified) const {
  const auto found = tables_.find(qualified);
  return found == tables_.end() ? nullptr : &found->second;
}

std::shared_ptr<const TableSchema> Access::find(std::string_view name) const {
  auto table = catalogue_->find(name);
  if (!table || options_->open || table_of(table->qualified()) != nullptr) return table;
  return nullptr;
}

/// What the policies add for this principal. All that can be said before the client's query is looked at:
/// nothing of the table's shape shows to who may not read it.
Result<std::vector<ParsedCondition>> Access::conditions_for(const Table& table, const Principal& principal) {
  std::vector<ParsedCondition> conditions;
  const std::string name = in_quotes(table.schema->qualified());
  std::optional<Claims> claims;
  for (const TablePolicy* policy : table.policies) {
    if (!policy->tenant_column.empty()) {
      if (principal.tenant.empty()) {
        return Error{Fault::denied,
                     fmt::format("table {} is divided by tenant and the token names none", name)};
      }
      conditions.push_back(of_tenant(*policy, principal));
    }
    if (!policy->rows) continue;
    if (!claims) claims.emplace(principal.claims);
    auto narrowing = policy->rows->over(*claims);
    if (!narrowing)
      return Error{Fault::denied, fmt::format("the policy of table {}: {}", name, narrowing.error().message)};
    if (narrowing->constant == false)
      return Error{Fault::denied, fmt::format("no row of table {} shows to this token's claims", name)};
    if (!narrowing->constant) conditions.push_back(std::move(narrowing->condition));
  }
  return conditions;
}

/// Which claim it is that a column does not take. Why is said where the client may know the column.
Error Access::misfit(const query::Query& wide, const Table& table, const Principal& principal) {
  const auto denied = [&](std::string_view what, const Error& why) {
    const bool told = table.hidden.empty();
    return Error{Fault::denied,
                 fmt::format("{} does not fit table {}{}", what, in_quotes(table.schema->qualified()),
                             told ? ": " + why.message : std::string())};
  };
  const Claims claims(principal.claims);
  for (const TablePolicy* policy : table.policies) {
    if (!policy->tenant_column.empty()) {
      if (const auto tenant = wide.narrowed(of_tenant(*policy, principal)); !tenant)
        return denied("the token's tenant", tenant.error());
    }
    if (!policy->rows) continue;
    for (const Predicate::Closed& closed : policy->rows->closed_conditions(claims)) {
      if (const auto one = wide.narrowed(closed.condition); !one)
        return denied("the token's " + closed.claims, one.error());
    }
  }
  return denied("the token", {Fault::denied, "its claims are too many"});
}

Result<Narrowed> Access::narrow(const query::ParsedQuery& parsed, const Principal& principal) const {
  const auto schema = find(parsed.table);
  if (!schema) return unknown_table(parsed.table);
  const Table* table = options_->open ? nullptr : table_of(schema->qualified());
  if (table == nullptr) {
    auto bound = query::Query::bind(parsed, schema);
    if (!bound) return bound.error();
    return Narrowed{*bound, query::routing_key({}, **bound)};
  }
  if (!schema->refusal.empty() && !table->hidden.empty()) {  // it may name what is hidden
    return Error{Fault::denied, fmt::format("table {} can't be served; the server's log says why",
                                            in_quotes(schema->qualified()))};
  }
  const auto conditions = conditions_for(*table, principal);
  if (!conditions) return conditions.error();
  auto bound = query::Query::bind(parsed, schema, table->hidden);
  if (!bound) return bound.error();
  auto narrowed = conditions->empty() ? std::move(bound) : (*bound)->narrowed(*conditions);
  if (!narrowed) return misfit(**bound, *table, principal);
  const bool divided = std::any_of(table->policies.begin(), table->policies.end(),
                                   [](const TablePolicy* policy) { return !policy->tenant_column.empty(); });
  return Narrowed{*narrowed, query::routing_key(divided ? principal.tenant : std::string_view(), **narrowed)};
}

bool Access::same_claims(const Principal& left, const Principal& right) const {
  const Claims before(left.claims);
  const Claims after(right.claims);
  return std::all_of(options_->tables.begin(), options_->tables.end(), [&](const auto& entry) {
    const auto& rows = entry.second.rows;
    return !rows || std::all_of(rows->claims().begin(), rows->claims().end(),
                                [&](const ClaimName& name) { return Claims::same(before, after, name); });
  });
}

}  // namespace tidegate::policy
