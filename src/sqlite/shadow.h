#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/schema.h"
#include "sqlite/connection.h"

namespace tidegate::sqlite {

/// A row's key as bytes: equal exactly where all cells are equal.
std::string key_bytes(const query::TableSchema& schema, const query::Row& row);

/// The rows as the stream has last given them: where a change's old row comes from. It lies in a temporary
/// database of our own, on disk above a few megabytes, so that the user's file holds nothing twice and memory
/// stays bounded. One thread at a time.
class Shadow {
 public:
  static Result<std::unique_ptr<Shadow>> open();

  Status begin();
  Status commit();
  void rollback();

  /// The row; nothing where there is none.
  Result<std::optional<query::Row>> find(std::uint32_t relation, const std::string& key);
  /// `mark` tells a whole comparison which rows it has met.
  Status put(std::uint32_t relation, const std::string& key, const query::Row& row, std::int64_t mark);
  Status remove(std::uint32_t relation, const std::string& key);

  /// Removes and returns the rows that the comparison `mark` has not met.
  Result<std::vector<query::Row>> sweep(std::uint32_t relation, std::int64_t mark);
  Status clear(std::uint32_t relation);
  Status clear();

 private:
  explicit Shadow(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<Connection> connection_;
};

}  // namespace tidegate::sqlite
