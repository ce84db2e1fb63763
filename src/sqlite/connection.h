#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_value;

namespace tidegate::sqlite {

/// A prepared statement on loan from its Connection; given back, reset, by the destructor. One thread.
class Rows {
 public:
  Rows(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Rows(Rows&& other) noexcept : database_(other.database_), statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  /// Parameters count from 1. What is bound stays valid until the statement is given back.
  void bind(int parameter, std::int64_t value);
  void bind(int parameter, std::string_view text);
  void bind_bytes(int parameter, std::string_view bytes);
  /// Exactly that value, with its storage class.
  void bind(int parameter, sqlite3_value* value);

  /// Whether there is a row.
  Result<bool> step();
  /// For statements that give no rows.
  Status run();

  /// Columns count from 0; valid until the next step.
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::string_view bytes(int column) const;
  [[nodiscard]] sqlite3_value* value(int column) const;
  [[nodiscard]] bool null(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
};

/// One connection to a database file. One thread at a time. Errors: `unavailable` for what may pass (busy,
/// disk full), `fatal` for a file that is no database or is damaged.
class Connection {
 public:
  /// `create` makes the file where there is none. An empty path is a private temporary database.
  static Result<std::unique_ptr<Connection>> open(const std::string& path,
                                                  std::chrono::milliseconds busy_timeout,
                                                  bool create = false);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One or more statements, without parameters; rows are thrown away.
  Status run(const std::string& sql);
  /// Prepared once a text and connection. The same text must not be on loan twice.
  Result<Rows> prepare(const std::string& sql);
  /// The first column of the only row, 0 where there is none or it is NULL.
  Result<std::int64_t> integer(const std::string& sql);
  /// Rows that the last statement changed.
  [[nodiscard]] std::int64_t changes() const;
  /// Leaves a transaction, if one is open.
  void rollback();
  [[nodiscard]] sqlite3* handle() { return database_; }

 private:
  explicit Connection(sqlite3* database) : database_(database) {}
  sqlite3* database_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

/// `"name"`, with its quotes doubled.
std::string quoted_name(std::string_view name);
/// `'text'`, with its quotes doubled.
std::string literal(std::string_view text);

}  // namespace tidegate::sqlite
