#include "sqlite/shadow.h"

#include <cassert>
#include <cstring>
#include <utility>

namespace tidegate::sqlite {
namespace {

constexpr std::uint32_t kNull = 0xffffffff;

void append_cell(std::string& out, const query::Cell& cell) {
  const std::uint32_t size = cell ? static_cast<std::uint32_t>(cell->size()) : kNull;
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  if (cell) out += *cell;
}

/// This process wrote it: lengths in the machine's own order, no checks beyond assertions.
query::Row decode_row(std::string_view bytes) {
  query::Row row;
  while (!bytes.empty()) {
    std::uint32_t size = 0;
    assert(bytes.size() >= sizeof size);
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    if (size == kNull) {
      row.emplace_back();
      continue;
    }
    assert(bytes.size() >= size);
    row.emplace_back(std::string(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
  return row;
}

}  // namespace

std::string key_bytes(const query::TableSchema& schema, const query::Row& row) {
  std::string bytes;
  for (const int column : schema.key) append_cell(bytes, row[static_cast<std::size_t>(column)]);
  return bytes;
}

Result<std::unique_ptr<Shadow>> Shadow::open() {
  auto connection = Connection::open("", std::chrono::milliseconds(0));
  if (!connection) return connection.error();
  auto made = (*connection)
                  ->run(
                      "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000; "
                      "CREATE TABLE shadow(relation INTEGER, key BLOB, cells BLOB, mark INTEGER, PRIMARY KEY "
                      "(relation, key)) WITHOUT ROWID");
  if (!made) return made.error();
  return std::unique_ptr<Shadow>(new Shadow(std::move(*connection)));
}

Status Shadow::begin() {
  return connection_->run("BEGIN");
}
Status Shadow::commit() {
  return connection_->run("COMMIT");
}
void Shadow::rollback() {
  connection_->rollback();
}

Result<std::optional<query::Row>> Shadow::find(std::uint32_t relation, const std::string& key) {
  auto rows = connection_->prepare("SELECT cells FROM shadow WHERE relation = ?1 AND key = ?2");
  if (!rows) return rows.error();
  rows->bind(1, std::int64_t{relation});
  rows->bind_bytes(2, key);
  auto row = rows->step();
  if (!row) return row.error();
  if (!*row) return std::optional<query::Row>();
  return std::optional(decode_row(rows->bytes(0)));
}

Status Shadow::put(std::uint32_t relation, const std::string& key, const query::Row& row, std::int64_t mark) {
  auto rows = connection_->prepare("INSERT OR REPLACE INTO shadow VALUES (?1, ?2, ?3, ?4)");
  if (!rows) return rows.error();
  std::string cells;
  for (const auto& cell : row) append_cell(cells, cell);
  rows->bind(1, std::int64_t{relation});
  rows->bind_bytes(2, key);
  rows->bind_bytes(3, cells);
  rows->bind(4, mark);
  return rows->run();
}

Status Shadow::remove(std::uint32_t relation, const std::string& key) {
  auto rows = connection_->prepare("DELETE FROM shadow WHERE relation = ?1 AND key = ?2");
  if (!rows) return rows.error();
  rows->bind(1, std::int64_t{relation});
  rows->bind_bytes(2, key);
  return rows->run();
}

Result<std::vector<query::Row>> Shadow::sweep(std::uint32_t relation, std::int64_t mark) {
  std::vector<query::Row> swept;
  {
    auto rows = connection_->prepare("SELECT cells FROM shadow WHERE relation = ?1 AND mark <> ?2");
    if (!rows) return rows.error();
    rows->bind(1, std::int64_t{relation});
    rows->bind(2, mark);
    for (;;) {
      auto row = rows->step();
      if (!row) return row.error();
      if (!*row) break;
      swept.push_back(decode_row(rows->bytes(0)));
    }
  }
  auto rows = connection_->prepare("DELETE FROM shadow WHERE relation = ?1 AND mark <> ?2");
  if (!rows) return rows.error();
  rows->bind(1, std::int64_t{relation});
  rows->bind(2, mark);
  if (auto removed = rows->run(); !removed) return removed.error();
  return swept;
}

Status Shadow::clear(std::uint32_t relation) {
  auto rows = connection_->prepare("DELETE FROM shadow WHERE relation = ?1");
  if (!rows) return rows.error();
  rows->bind(1, std::int64_t{relation});
  return rows->run();
}

Status Shadow::clear() {
  return connection_->run("DELETE FROM shadow");
}

}  // namespace tidegate::sqlite
