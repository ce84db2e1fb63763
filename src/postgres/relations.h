#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "postgres/connection.h"
#include "postgres/decoder.h"
#include "postgres/tables.h"
#include "postgres/types.h"
#include "query/schema.h"

namespace tidegate::postgres {

/// A table as the stream has it: its columns and types of the change's own moment, from `relation`;
/// collations, key and refusal as the catalogue has them now (`current`: nothing where the table is gone),
/// column by column where name and type are still the same.
query::TableSchema merge(const Relation& relation, const std::optional<TableDescription>& current,
                         const std::map<std::uint32_t, TypeInfo>& types);

/// The tables that the stream has named so far, by oid. One thread.
class Relations {
 public:
  using Table = std::shared_ptr<const query::TableSchema>;
  explicit Relations(Options options) : options_(std::move(options)) {}
  /// From now on it asks this server (`server_of`), the stream's.
  void keep_to(std::vector<std::pair<std::string, std::string>> server) {
    options_.server = std::move(server);
    connection_.reset();
  }

  /// Starts from the catalogue, so that only a table that changed since is announced.
  Status prime(Connection& connection);
  /// Takes a Relation message, asking the catalogue each time: the server repeats it whenever something about
  /// the table changed, and a key or a collation is not in it. Gives the table that differs now from what was
  /// known: the one described or, where that is a partition, its root, since the stream has a partition's
  /// changes as the root's and describes both, first the root. Null: none.
  Result<Table> learn(const Relation& relation);
  /// Null where the stream has not named it in this session.
  [[nodiscard]] Table find(std::uint32_t relation) const;
  /// A new connection's stream names every table again before its first change.
  void new_session() {
    named_.clear();
    roots_.clear();
    root_ = 0;
  }

 private:
  /// A partitioned table.
  struct Root {
    query::TableSchema table;                             // where each partition tells as much of old rows
    std::map<std::uint32_t, std::set<std::string>> told;  // by partition, as the stream had it last
  };
  /// Without what its partitions don't tell.
  static query::TableSchema narrowed(const Root& root);
  Table learn_partition(const Relation& relation);
  Table name(std::uint32_t relation, query::TableSchema table);

  Options options_;
  std::optional<Connection> connection_;
  std::map<std::uint32_t, Table> known_;
  std::map<std::uint32_t, Table> named_;
  std::map<std::uint32_t, Root> roots_;
  std::uint32_t root_ = 0;  // described just now: the next is one of its partitions
};

}  // namespace tidegate::postgres
