#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "query/query.h"

namespace tidegate::policy {

/// A query after its policy, and under which tenant it is routed (empty where it does not depend on one, so
/// that it is shared among tenants).
struct Narrowed {
  std::shared_ptr<const query::Query> query;
  std::string routing_key;
};

/// The tables of a catalogue as the configuration's policies let clients see them. Immutable; any thread.
class Access {
 public:
  Access(std::shared_ptr<const query::Catalogue> catalogue, std::shared_ptr<const Options> options);

  /// Null where the table does not exist for clients.
  [[nodiscard]] std::shared_ptr<const query::TableSchema> find(std::string_view name) const;
  /// Narrows a parsed query to what the principal may see. `not_found` ("unknown table …") where the table
  /// does not exist for it, `denied` where its claims don't suffice, else what binding says.
  [[nodiscard]] Result<Narrowed> narrow(const query::ParsedQuery& parsed, const Principal& principal) const;

  /// Policies that can't be kept, and why: their tables don't exist for clients. For the operator alone.
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }
  [[nodiscard]] const std::shared_ptr<const Options>& options() const { return options_; }
  /// Whether all claims that any policy names are the same in both.
  [[nodiscard]] bool same_claims(const Principal& left, const Principal& right) const;

 private:
  /// A table that has policies. It may have two, by its whole name and the bare one: then both hold.
  struct Table {
    std::shared_ptr<const query::TableSchema> schema;
    std::vector<const TablePolicy*> policies;
    std::vector<bool> hidden;  // one a column; empty: none
  };
  void add(const std::shared_ptr<const query::TableSchema>& schema);
  [[nodiscard]] const Table* table_of(const std::string& qualified) const;
  [[nodiscard]] static Result<std::vector<query::ParsedCondition>> conditions_for(const Table& table,
                                                                                  const Principal& principal);
  [[nodiscard]] static Error misfit(const query::Query& wide, const Table& table, const Principal& principal);

  std::shared_ptr<const query::Catalogue> catalogue_;
  std::shared_ptr<const Options> options_;
  std::unordered_map<std::string, Table> tables_;  // by `schema.name`
  std::vector<std::string> faults_;
};

}  // namespace tidegate::policy
