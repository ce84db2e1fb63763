#include "postgres/setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "postgres/checks.h"
#include "postgres/ddl.h"
#include "postgres/partitions.h"
#include "postgres/refusal.h"
#include "postgres/rights.h"
#include "postgres/tables.h"

namespace tidegate::postgres {
namespace {

/// One part of a name up to its dot, which is taken too; SQL's quotes are taken off.
std::string take_part(std::string_view& name) {
  std::string part;
  if (name.substr(0, 1) != "\"") {
    part = name.substr(0, name.find('.'));
    name.remove_prefix(part.size());
  } else {
    for (name.remove_prefix(1); !name.empty(); name.remove_prefix(1)) {
      if (name.front() == '"' && name.substr(0, 2) != "\"\"") break;
      part += name.front();
      if (name.front() == '"') name.remove_prefix(1);
    }
    name.remove_prefix(std::min<std::size_t>(1, name.size()));
  }
  if (name.substr(0, 1) == ".") name.remove_prefix(1);
  return part;
}

/// Schema and table; what stands behind the schema's dot is the table's, dots too.
std::pair<std::string, std::string> parts_of(std::string_view name) {
  std::string first = take_part(name);
  if (name.empty()) return {"public", first};
  if (name.front() != '"') return {first, std::string(name)};
  return {first, take_part(name)};
}

/// One run of setup: keeps the first thing that is wrong and goes on looking.
class Preparation {
 public:
  Preparation(const SetupOptions& options, Connection& connection,
              const std::function<void(std::string)>& say)
      : options_(options), database_(options.database), connection_(connection), say_(say) {}

  Status run() {
    note(check_server(connection_, database_), "the server is fit: it is a primary with wal_level logical");
    if (!looks_for_others()) note(check_role(connection_), "the role may read the change stream");
    publication();
    ddl_trigger();
    tables();
    slot();
    rights();
    return first_;
  }

 private:
  void wrong(const Error& error) {
    say_("NOT READY: " + error.message);
    if (first_) first_ = error;
  }
  void note(const Status& status, const std::string& good) {
    if (status) {
      say_(good);
    } else {
      wrong(status.error());
    }
  }

  /// Runs a statement of definition, or says that it would be needed.
  bool define(const std::string& sql, const std::string& missing) {
    if (options_.check) {
      wrong({Fault::denied, missing + ": " + sql});
      return false;
    }
    if (connection_.simple(sql)) {
      say_("did: " + sql);
      return true;
    }
    // The words of a definition's error name tables and roles, never rows.
    wrong({Fault::denied,
           fmt::format("{}, and it could not be done ({}, SQLSTATE {}): as a role that may, type {}", missing,
                       connection_.failure().message, connection_.failure().sqlstate, sql)});
    return false;
  }

  void publication() {
    const std::string name = quote_name(database_.publication);
    published_ = check_publication(connection_, database_).ok();
    const auto wanted = wanted_tables();
    if (!wanted) return wrong(wanted.error());
    if (published_) {
      say_("the publication " + name + " is there");
      for (const std::string& table : *wanted) {
        published_ =
            define("ALTER PUBLICATION " + name + " ADD TABLE " + table, table + " is not in the publication");
      }
    } else if (wanted->empty()) {
      wrong({Fault::not_found,
             "no table in the schema public has a primary key: ALTER TABLE … ADD PRIMARY KEY (…), or "
             "name tables with --table"});
    } else {
      published_ =
          define(fmt::format("CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)",
                             name, fmt::join(*wanted, ", ")),
                 "there is no publication " + name);
    }
  }

  /// Tables, quoted, that the publication lacks.
  Result<std::vector<std::string>> wanted_tables() {
    std::vector<std::string> wanted;
    if (options_.tables.empty()) {
      if (published_) return wanted;
      say_("no tables were named: taking those in the schema public that have a primary key");
      const auto rows = connection_.query(
          "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index k on "
          "k.indrelid = c.oid and k.indisprimary where n.nspname = 'public' and c.relkind in ('r', 'p') and "
          "not c.relispartition and c.relpersistence = 'p' order by 1");
      if (!rows) return rows.error();
      for (const Cells& row : *rows)
        wanted.push_back(quote_name("public") + "." + quote_name(row[0].value_or("")));
      return wanted;
    }
    for (const std::string& name : options_.tables) {
      const auto [schema, table] = parts_of(name);
      const auto rows = connection_.query(
          "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where "
          "n.nspname = $1 and "
          "c.relname = $2), exists (select from pg_publication_tables where pubname = $3 and schemaname = $1 "
          "and "
          "tablename = $2), exists (select from pg_publication_rel e join pg_publication p on p.oid = "
          "e.prpubid join "
          "pg_class c on c.oid = e.prrelid join pg_namespace n on n.oid = c.relnamespace where p.pubname = "
          "$3 and "
          "c.relkind = 'p' and not p.pubviaroot and n.nspname = $1 and c.relname = $2)",
          {schema, table, database_.publication});
      if (!rows) return rows.error();
      if (rows->at(0)[0] != "t") return Error{Fault::not_found, "there is no table " + schema + "." + table};
      if (rows->at(0)[2] == "t") {
        return Error{
            Fault::denied,
            fmt::format("the publication {0} has the partitions of {1}.{2} as tables of their own: ALTER "
                        "PUBLICATION {0} SET (publish_via_partition_root = true)",
                        quote_name(database_.publication), schema, table)};
      }
      if (rows->at(0)[1] != "t") wanted.push_back(quote_name(schema) + "." + quote_name(table));
    }
    return wanted;
  }

  void tables() {
    const bool ours = !looks_for_others();
    const auto found = describe_published(connection_, database_.publication, ours);
    if (!found) return wrong(found.error());
    std::size_t ready = 0;
    std::vector<std::string> refusals;
    for (const TableDescription& description : *found) {
      if (!options_.check) prepare(description);
      const auto now =
          describe_relation(connection_, database_.publication, description.table.relation, ours);
      if (!now) return wrong(now.error());
      if (!*now) continue;
      const query::TableSchema& table = (*now)->table;
      if (!table.refusal.empty()) {
        refusals.push_back(table.refusal);
        continue;
      }
      ++ready;
      const std::string part = served_in_part(table);
      say_(part.empty() ? table.qualified() + " is ready" : "in part: " + part);
    }
    // A publication that others made may have tables that nobody here wants.
    const bool others = options_.tables.empty() && ready > 0;
    for (const std::string& refusal : refusals) {
      if (others) {
        say_("not served: " + refusal);
      } else {
        wrong({Fault::denied, refusal});
      }
    }
    if (published_ && found->empty()) {
      wrong({Fault::not_found, "the publication has no tables: ALTER PUBLICATION " +
                                   quote_name(database_.publication) + " ADD TABLE …"});
    }
  }

  void prepare(const TableDescription& description) {
    const query::TableSchema& table = description.table;
    if (description.partitioned) {
      run_all(truncate_trigger_statements(connection_, table.relation),
              "a TRUNCATE of a partition of " + table.qualified() + " is not noticed");
    }
    // FULL only where the rest is fit: it makes the WAL larger for a table that nobody could use.
    const auto now = describe_relation(connection_, database_.publication, table.relation);
    if (!now || !*now) return;
    const std::string refusal = identity_refusal((*now)->table);
    if ((*now)->table.identity_remedy.empty() || (*now)->table.refusal != refusal) return;
    if (refusal.empty() && (options_.keep_identity || table.replica_identity == "index")) return;
    const std::string missing = "the replica identity of " + table.qualified() + " is not full";
    if (description.partitioned) run_all(partition_identity_statements(connection_, table.relation), missing);
    if (table.replica_identity.find("full") != 0) define(identity_statement(table), missing);
  }

  void run_all(const Result<std::vector<std::string>>& statements, const std::string& missing) {
    if (!statements) return wrong(statements.error());
    for (const std::string& statement : *statements) define(statement, missing);
  }

  /// Without it all works, but DDL is noticed late (rule 7).
  void ddl_trigger() {
    const auto present = has_ddl_trigger(connection_);
    if (!present) return wrong(present.error());
    if (*present) return say_("event triggers tell the change stream of DDL");
    const auto role = connection_.query("select rolsuper from pg_roles where rolname = current_user");
    const bool may = role && !role->empty() && role->at(0)[0] == "t";
    if (may && !options_.check) {
      if (connection_.simple(ddl_trigger_sql())) {
        return say_("did: event triggers, in the schema tidegate, tell the change stream of DDL");
      }
      const std::string why = connection_.failure().message;
      (void)connection_.simple("ROLLBACK");
      say_("warning: the event triggers could not be made: " + why);
    }
    say_(
        "warning: no event triggers tell the change stream of DDL: an ALTER is noticed with the table's next "
        "write, and one that rewrites values and keeps the types is not noticed: as a superuser, type "
        "tidegate "
        "setup --database postgres://…");
  }

  void slot() {
    if (database_.temporary_slot) return;
    if (const Status name = check_slot_name(database_.slot); !name) return wrong(name.error());
    for (const std::string& warning : slot_warnings(connection_)) say_("warning: " + warning);
    const auto state = read_slot(connection_, database_.slot);
    if (!state) return wrong(state.error());
    if (*state && !(*state)->lost()) return say_("the replication slot " + database_.slot + " is there");
    if (*state) {
      define(
          "SELECT pg_drop_replication_slot(" + quote_literal(database_.slot) + ")",
          "the replication slot " + database_.slot + " fell behind max_slot_wal_keep_size and lost its WAL");
    }
    if (!first_) return say_("the replication slot " + database_.slot + " waits until the rest is ready");
    const bool failover = connection_.server_version() >= kFailoverSlots;
    define("SELECT pg_create_logical_replication_slot(" + quote_literal(database_.slot) + ", 'pgoutput'" +
               (failover ? ", failover => true)" : ")"),
           "there is no replication slot " + database_.slot);
  }

  /// Never granted here: a right comes from a person, and so does a password.
  void rights() {
    if (names_roles()) {
      const bool apart = !options_.serve_role.empty();
      look_at(options_.role, apart ? Runs::match : Runs::both,
              apart ? "match needs" : "serve and match need");
      return look_at(options_.serve_role, Runs::serve, "serve needs");
    }
    const auto more = has_more_rights(connection_, database_.publication);
    if (!more) return wrong(more.error());
    if (!*more) return;  // it is such a role itself, and was looked at
    const std::string role = "tidegate";
    const auto missing = missing_rights(connection_, database_.publication, role, Runs::both);
    if (!missing) return wrong(missing.error());
    if (missing->empty()) return;
    std::string statements;
    for (const MissingRight& one : *missing) statements += "\n  " + one.statement + ";";
    say_("serve and match need less than this role has; for one of their own, " + role +
         " (another: --role NAME" +
         (database_.temporary_slot ? ")" : "; one for each, with less: --serve-role NAME as well)") +
         ", type" + statements);
  }
  [[nodiscard]] bool names_roles() const { return !options_.role.empty() || !options_.serve_role.empty(); }
  /// Our own rights are no matter then.
  [[nodiscard]] bool looks_for_others() const { return options_.check && names_roles(); }
  void look_at(const std::string& role, Runs runs, const std::string& need) {
    if (role.empty()) return;
    const auto missing = missing_rights(connection_, database_.publication, role, runs);
    if (!missing) return wrong(missing.error());
    for (const MissingRight& one : *missing) wrong({Fault::denied, one.missing + ": " + one.statement});
    if (missing->empty()) say_("the role " + role + " has the rights that " + need);
  }

  const SetupOptions& options_;
  const Options& database_;
  Connection& connection_;
  const std::function<void(std::string)>& say_;
  bool published_ = false;
  Status first_;
};

}  // namespace

Status setup(const SetupOptions& options, const std::function<void(std::string)>& say) {
  auto connection = Connection::open(options.database);
  if (!connection) return connection.error();
  return Preparation(options, *connection, say).run();
}

}  // namespace tidegate::postgres
