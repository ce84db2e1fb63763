#include "postgres/partitions.h"

#include <fmt/format.h>

#include "postgres/ddl.h"
#include "postgres/types.h"

namespace tidegate::postgres {
namespace {

// The partitions that hold rows, as `l`, below the roots `r`.
constexpr const char* kLeaves =
    "from unnest($1::oid[]) r cross join lateral pg_partition_tree(r) t join pg_class l on l.oid = t.relid "
    "where t.isleaf ";
constexpr const char* kUntoldTruncate =
    "not exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_namespace n on n.oid = "
    "p.pronamespace where g.tgrelid = l.oid and g.tgenabled = 'A' and n.nspname = 'tidegate' and p.proname = "
    "'tell_truncate')";

std::string refusal_of_leaf(const Cells& row) {
  const std::string root = row[1].value_or("");
  const std::string leaf = row[2].value_or("");
  if (row[3] != "r" || row[4] != "p") {
    return fmt::format(
        "the partition {0} of {1} is {2}, whose changes are not in the stream: ALTER TABLE {1} DETACH "
        "PARTITION {0}",
        leaf, root, row[3] != "r" ? "a foreign table" : "unlogged");
  }
  return fmt::format(
      "a TRUNCATE of {}, a partition of {}, would not be noticed: as a superuser, type tidegate setup "
      "--database postgres://…",
      leaf, root);
}

Result<std::vector<std::string>> statements(Connection& connection, const std::string& statement,
                                            const std::string& condition, std::uint32_t relation) {
  const auto rows = connection.query(
      "select " + statement + " " + kLeaves + "and " + condition + " order by 1", {oid_array({relation})});
  if (!rows) return rows.error();
  std::vector<std::string> all;
  for (const Cells& row : *rows) all.push_back(row[0].value_or(""));
  return all;
}

}  // namespace

Result<std::map<std::uint32_t, std::string>> partition_refusals(Connection& connection,
                                                                const std::vector<std::uint32_t>& relations) {
  std::map<std::uint32_t, std::string> refusals;
  if (relations.empty()) return refusals;
  const auto told = has_ddl_trigger(connection);
  if (!told) return told.error();
  for (const std::uint32_t relation : relations) {
    if (*told) break;
    refusals[relation] =
        "it is partitioned, and a partition that is attached, detached or dropped would not be noticed: as a "
        "superuser, type tidegate setup --database postgres://…";
  }
  const auto rows = connection.query(
      std::string("select r, r::regclass, l.oid::regclass, l.relkind, l.relpersistence ") + kLeaves +
          "and (l.relkind <> 'r' or l.relpersistence <> 'p' or " + kUntoldTruncate + ") order by 1, 3",
      {oid_array(relations)});
  if (!rows) return rows.error();
  for (const Cells& row : *rows) refusals.try_emplace(oid_of(row[0]), refusal_of_leaf(row));
  return refusals;
}

Result<std::set<std::uint32_t>> partitions_of(Connection& connection, std::uint32_t relation) {
  const auto rows = connection.query(std::string("select l.oid ") + kLeaves, {oid_array({relation})});
  if (!rows) return rows.error();
  std::set<std::uint32_t> partitions;
  for (const Cells& row : *rows) partitions.insert(oid_of(row[0]));
  return partitions;
}

Result<std::vector<std::string>> truncate_trigger_statements(Connection& connection, std::uint32_t relation) {
  return statements(connection,
                    "format('CREATE OR REPLACE TRIGGER tidegate_truncated AFTER TRUNCATE ON %1$s FOR EACH "
                    "STATEMENT EXECUTE FUNCTION tidegate.tell_truncate(); ALTER TABLE %1$s ENABLE ALWAYS "
                    "TRIGGER tidegate_truncated', l.oid::regclass)",
                    std::string("l.relkind = 'r' and ") + kUntoldTruncate, relation);
}

Result<std::vector<std::string>> partition_identity_statements(Connection& connection,
                                                               std::uint32_t relation) {
  return statements(connection, "format('ALTER TABLE %s REPLICA IDENTITY FULL', l.oid::regclass)",
                    "l.relkind = 'r' and l.relreplident <> 'f'", relation);
}

}  // namespace tidegate::postgres
