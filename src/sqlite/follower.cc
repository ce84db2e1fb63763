#include "sqlite/follower.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <utility>

#include "sqlite/cells.h"
#include "sqlite/journal.h"

namespace tidegate::sqlite {
namespace {

using source::Change;
using source::ChangeKind;

constexpr std::int64_t kPruneBatch = 1'000;
/// Other processes' DDL between our install and our read: it would have to come each time.
constexpr int kSchemaAttempts = 10;

std::size_t bytes_of(const std::optional<query::Row>& row) {
  if (!row) return 0;
  std::size_t bytes = row->size() * sizeof(query::Cell);
  for (const auto& cell : *row) bytes += cell ? cell->size() : 0;
  return bytes;
}

Change change_of(const Table& table, std::optional<query::Row> before, std::optional<query::Row> now) {
  const auto kind = !before ? ChangeKind::insert : !now ? ChangeKind::remove : ChangeKind::update;
  return {table.schema, kind, std::move(before), std::move(now)};
}

}  // namespace

Follower::Follower(Options options, Clock& clock, Probe& probe)
    : options_(std::move(options)), clock_(clock), probe_(probe) {}

Result<std::unique_ptr<Connection>> Follower::connect() const {
  std::error_code error;
  if (!std::filesystem::exists(options_.path, error)) {
    return Error{Fault::not_found, "there is no database file " + options_.path + "; make it with: sqlite3 " +
                                       options_.path +
                                       " \"create table orders(id integer primary key, ...)\""};
  }
  auto connection = Connection::open(options_.path, options_.busy_timeout);
  if (connection) return connection;
  return Error{connection.error().fault, "cannot open " + options_.path + " (" + connection.error().message +
                                             "); see whether this user may: ls -l " + options_.path};
}

Status Follower::prepare() {
  std::lock_guard lock(mutex_);
  return prepared_ ? Status() : prepare_locked();
}

Status Follower::prepare_again() {
  std::lock_guard lock(mutex_);
  prepared_ = false;
  return prepare_locked();
}

Status Follower::prepare_locked() {
  auto writer = connect();
  if (!writer) return writer.error();
  writer_ = std::move(*writer);
  if (auto made = prepare_file(*writer_, options_); !made) return made;
  auto id = read_file_id(*writer_);
  if (!id) return id.error();
  file_id_ = std::move(*id);
  auto shadow = Shadow::open();
  if (!shadow) return shadow.error();
  shadow_ = std::move(*shadow);
  tables_.clear();
  events_.clear();
  events_bytes_ = 0;
  auto reader = connect();
  if (!reader) return reader.error();
  for (int attempt = 0; attempt < kSchemaAttempts; ++attempt) {
    if (auto installed = install(); !installed) return installed;
    if (auto begun = (*reader)->run("BEGIN"); !begun) return begun;
    auto version = (*reader)->integer("PRAGMA main.schema_version");
    if (!version) return version.error();
    Status loaded = *version == schema_version_ ? load(**reader) : Status();
    (*reader)->rollback();
    if (!loaded) return loaded;
    if (*version == schema_version_) {
      prepared_ = true;
      return {};
    }
  }
  return Error{Fault::unavailable, "the tables of " + options_.path + " change without a pause"};
}

/// The first reading of everything: nobody is told of it.
Status Follower::load(Connection& connection) {
  auto tables = read_tables(connection, numbers_);
  if (!tables) return tables.error();
  adopt(std::move(*tables));
  if (auto begun = shadow_->begin(); !begun) return begun;
  ++mark_;
  for (const auto& table : tables_) {
    if (!table.followed()) continue;
    if (auto read = compare(connection, table, nullptr); !read) return read;
  }
  if (auto committed = shadow_->commit(); !committed) return committed;
  auto last = connection.integer("SELECT max(id) FROM main._tidegate_journal");
  if (!last) return last.error();
  start_ = position_ = Lsn(static_cast<std::uint64_t>(*last));
  pruned_ = Lsn(0);
  compare_ = false;
  return {};
}

Status Follower::install() {
  auto version = install_triggers(*writer_, file_id_, numbers_);
  if (!version) return version.error();
  schema_version_ = *version;
  compare_ = true;
  return {};
}

SourceIdentity Follower::identity() const {
  std::lock_guard lock(mutex_);
  std::error_code error;
  return {file_id_, 0, std::filesystem::weakly_canonical(options_.path, error).string()};
}

Lsn Follower::start() const {
  std::lock_guard lock(mutex_);
  return start_;
}

Lsn Follower::position() const {
  std::lock_guard lock(mutex_);
  return position_;
}

void Follower::set_on_event(std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  on_event_ = std::move(wake);
}

Result<Follower::View> Follower::begin_read(Connection& connection) {
  std::lock_guard lock(mutex_);
  assert(prepared_);
  for (int attempt = 0; attempt < kSchemaAttempts; ++attempt) {
    if (auto begun = connection.run("BEGIN"); !begun) return begun.error();
    auto advanced = advance(connection);
    if (advanced && *advanced) {
      if (!events_.empty() && on_event_) on_event_();
      return View{position_, catalogue_};
    }
    shadow_->rollback();
    connection.rollback();
    if (!advanced) return advanced.error();
    if (auto installed = install(); !installed) return installed.error();
  }
  return Error{Fault::unavailable, "the tables of " + options_.path + " change without a pause"};
}

/// False where the schema is another one than that of the triggers.
Result<bool> Follower::advance(Connection& connection) {
  auto version = connection.integer("PRAGMA main.schema_version");
  if (!version) return version.error();
  if (*version != schema_version_) return false;
  auto max = connection.integer("SELECT max(id) FROM main._tidegate_journal");
  if (!max) return max.error();
  const Lsn last(static_cast<std::uint64_t>(*max));
  if (last < position_) {
    return Error{Fault::lost, "the journal of " + options_.path + " ends before what was read; start again"};
  }
  if (last == position_ && !compare_) return true;
  std::vector<Change> changes;
  if (auto begun = shadow_->begin(); !begun) return begun.error();
  Comparison next;
  auto done = compare_ ? compare_all(connection, next, changes) : follow(connection, last, changes);
  if (done) done = shadow_->commit();
  if (!done) return done.error();
  if (compare_) {
    adopt(std::move(next.tables));
    for (auto& schema : next.reshaped) push(source::SchemaChanged{std::move(schema)}, 0);
    compare_ = false;
  }
  publish(last, std::move(changes));
  return true;
}

Status Follower::follow(Connection& connection, Lsn last, std::vector<Change>& changes) {
  auto journal = connection.prepare(
      "SELECT id, relation, k0, k1, k2, k3, k4, k5, k6, k7 FROM main._tidegate_journal WHERE id > ?1 ORDER "
      "BY id");
  if (!journal) return journal.error();
  journal->bind(1, static_cast<std::int64_t>(position_.value()));
  seen_.clear();
  for (Lsn wanted = position_.next(); wanted <= last; wanted = wanted.next()) {
    auto row = journal->step();
    if (!row) return row.error();
    if (!*row || Lsn(static_cast<std::uint64_t>(journal->integer(0))) != wanted) {
      return Error{Fault::lost, "the journal of " + options_.path + " was pruned past its reader"};
    }
    probe_.journal_row_read();
    const Table* table = find(journal->text(1));
    if (table == nullptr) continue;
    if (auto followed = follow_row(connection, *table, *journal, changes); !followed) return followed;
  }
  return {};
}

/// Compares one row of the table with the shadow's.
Status Follower::follow_row(Connection& connection, const Table& table, const Rows& journal,
                            std::vector<Change>& changes) {
  const auto& schema = *table.schema;
  query::Row key(schema.columns.size());
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    const auto column = static_cast<std::size_t>(schema.key[i]);
    key[column] = read_cell(schema.columns[column].type, journal.value(static_cast<int>(i) + 2), true).cell;
    if (!key[column]) return {};  // no row of any result
  }
  const std::string bytes = key_bytes(schema, key);
  if (!seen_.insert(std::to_string(schema.relation) + ":" + bytes).second) return {};

  std::string sql = table.select() + " WHERE ";
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    if (i > 0) sql += " AND ";
    sql += quoted_name(schema.columns[static_cast<std::size_t>(schema.key[i])].name) + " = ?" +
           std::to_string(i + 1);
  }
  auto rows = connection.prepare(sql);
  if (!rows) return rows.error();
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    rows->bind(static_cast<int>(i) + 1, journal.value(static_cast<int>(i) + 2));
  }
  auto found = rows->step();
  if (!found) return found.error();
  std::optional<query::Row> now;
  if (*found) {
    now.emplace();
    // Under a collation that calls other keys equal, the row found may be another one, which has its own
    // journal row.
    if (!read_row(schema, *rows, 0, *now, probe_) || key_bytes(schema, *now) != bytes) now.reset();
  }
  return settle(table, bytes, std::move(now), changes);
}

Status Follower::settle(const Table& table, const std::string& key, std::optional<query::Row> now,
                        std::vector<Change>& changes) {
  auto before = shadow_->find(table.schema->relation, key);
  if (!before) return before.error();
  if (*before == now) return {};
  auto kept = now ? shadow_->put(table.schema->relation, key, *now, mark_)
                  : shadow_->remove(table.schema->relation, key);
  if (!kept) return kept;
  changes.push_back(change_of(table, std::move(*before), std::move(now)));
  return {};
}

Status Follower::compare_all(Connection& connection, Comparison& next, std::vector<Change>& changes) {
  probe_.tables_compared();
  ++mark_;
  auto tables = read_tables(connection, numbers_);
  if (!tables) return tables.error();
  next.tables = std::move(*tables);
  if (auto reshaped = reshape(next, changes); !reshaped) return reshaped;
  for (const auto& table : next.tables) {
    if (!table.followed()) continue;
    if (auto compared = compare(connection, table, &changes); !compared) return compared;
  }
  return {};
}

/// The whole table against the shadow. Without `changes` the shadow is only filled.
Status Follower::compare(Connection& connection, const Table& table, std::vector<Change>* changes) {
  const auto& schema = *table.schema;
  auto rows = connection.prepare(table.select());
  if (!rows) return rows.error();
  for (;;) {
    auto found = rows->step();
    if (!found) return found.error();
    if (!*found) break;
    query::Row now;
    if (!read_row(schema, *rows, 0, now, probe_)) continue;
    const std::string key = key_bytes(schema, now);
    if (changes != nullptr) {
      auto before = shadow_->find(schema.relation, key);
      if (!before) return before.error();
      if (*before != now) changes->push_back(change_of(table, std::move(*before), now));
    }
    if (auto kept = shadow_->put(schema.relation, key, now, mark_); !kept) return kept;
  }
  if (changes == nullptr) return {};
  auto gone = shadow_->sweep(schema.relation, mark_);
  if (!gone) return gone.error();
  for (auto& row : *gone) changes->push_back(change_of(table, std::move(row), std::nullopt));
  return {};
}

/// A table that went, or has another shape, loses its shadow: its old rows go by a truncate, and compare()
/// then gives the new ones as inserts.
Status Follower::reshape(Comparison& next, std::vector<Change>& changes) {
  for (const auto& old : tables_) {
    const auto same = std::find_if(next.tables.begin(), next.tables.end(), [&](const Table& table) {
      return table.schema->name == old.schema->name;
    });
    const bool gone = same == next.tables.end();
    if (!gone && *same->schema == *old.schema) {
      same->schema = old.schema;
      continue;
    }
    if (auto cleared = shadow_->clear(old.schema->relation); !cleared) return cleared;
    auto shape = gone ? nullptr : same->schema;
    if (gone) {
      auto dropped = std::make_shared<query::TableSchema>(*old.schema);
      dropped->refusal = "table " + dropped->name + " was dropped";
      shape = std::move(dropped);
    }
    changes.push_back({shape, ChangeKind::truncate, std::nullopt, std::nullopt});
    next.reshaped.push_back(std::move(shape));
  }
  for (const auto& table : next.tables) {
    const bool known = std::any_of(tables_.begin(), tables_.end(),
                                   [&](const Table& old) { return old.schema->name == table.schema->name; });
    if (!known) next.reshaped.push_back(table.schema);
  }
  return {};
}

void Follower::adopt(std::vector<Table> tables) {
  tables_ = std::move(tables);
  Schemas schemas;
  for (const auto& table : tables_) schemas.push_back(table.schema);
  catalogue_ = std::make_shared<const query::Catalogue>(std::move(schemas));
}

void Follower::publish(Lsn lsn, std::vector<Change> changes) {
  position_ = lsn;
  if (changes.empty()) return push(source::StreamPosition{lsn}, 0);
  std::size_t bytes = 0;
  for (const auto& change : changes)
    bytes += sizeof change + bytes_of(change.old_row) + bytes_of(change.new_row);
  push(source::Transaction{lsn, std::nullopt, unix_us(clock_.wall()), std::move(changes), bytes}, bytes);
}

void Follower::push(source::StreamEvent event, std::size_t bytes) {
  const bool position = std::holds_alternative<source::StreamPosition>(event);
  if (position && !events_.empty() && std::holds_alternative<source::StreamPosition>(events_.back().first)) {
    events_.pop_back();
  }
  events_.emplace_back(std::move(event), bytes);
  events_bytes_ += bytes;
}

std::optional<source::StreamEvent> Follower::take() {
  std::lock_guard lock(mutex_);
  if (events_.empty()) return std::nullopt;
  auto [event, bytes] = std::move(events_.front());
  events_.pop_front();
  events_bytes_ -= bytes;
  return std::move(event);
}

std::size_t Follower::queued_bytes() const {
  std::lock_guard lock(mutex_);
  return events_bytes_;
}

Status Follower::prune(Lsn lsn) {
  std::lock_guard lock(mutex_);
  const auto kept = static_cast<std::uint64_t>(std::max<std::int64_t>(options_.journal_rows_kept, 1));
  if (lsn.value() <= kept) return {};
  const Lsn until(lsn.value() - kept);
  if (until.value() < pruned_.value() + static_cast<std::uint64_t>(kPruneBatch)) return {};
  auto rows = writer_->prepare(
      "DELETE FROM _tidegate_journal WHERE id <= min(?1, (SELECT min(id) FROM _tidegate_journal) + ?2)");
  if (!rows) return rows.error();
  rows->bind(1, static_cast<std::int64_t>(until.value()));
  rows->bind(2, 10 * kPruneBatch);
  // Not worth waiting for: another time, then.
  if (auto set = writer_->run("PRAGMA busy_timeout = 0"); !set) return set;
  auto deleted = rows->run();
  if (auto set = writer_->run("PRAGMA busy_timeout = " + std::to_string(options_.busy_timeout.count())); !set)
    return set;
  if (!deleted) return deleted;
  probe_.journal_pruned(static_cast<std::uint64_t>(writer_->changes()));
  auto first = writer_->integer("SELECT min(id) FROM _tidegate_journal");
  if (!first) return first.error();
  pruned_ = Lsn(static_cast<std::uint64_t>(*first - 1));
  return {};
}

const Table* Follower::find(const std::string& name) const {
  for (const auto& table : tables_) {
    if (table.schema->name == name) return table.followed() ? &table : nullptr;
  }
  return nullptr;
}

}  // namespace tidegate::sqlite
