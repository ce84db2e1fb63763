#pragma once

#include <map>
#include <memory>
#include <optional>

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
  explicit Relations(Options options) : options_(std::move(options)) {}
  /// From now on it asks this server (`server_of`), the stream's.
  void keep_to(std::vector<std::pair<std::string, std::string>> server) {
    options_.server = std::move(server);
    connection_.reset();
  }

  /// Starts from the catalogue, so that only a table that changed since is announced.
  Status prime(Connection& connection);
  /// Takes a Relation message, asking the catalogue each time: the server repeats it whenever something about
  /// the table changed, and a key or a collation is not in it. True where the table differs from what was
  /// known.
  Result<bool> learn(const Relation& relation);
  /// Null where the stream has not named it in this session.
  [[nodiscard]] std::shared_ptr<const query::TableSchema> find(std::uint32_t relation) const;
  /// A new connection's stream names every table again before its first change.
  void new_session() { named_.clear(); }

 private:
  Options options_;
  std::optional<Connection> connection_;
  std::map<std::uint32_t, std::shared_ptr<const query::TableSchema>> known_;
  std::map<std::uint32_t, std::shared_ptr<const query::TableSchema>> named_;
};

}  // namespace tidegate::postgres
