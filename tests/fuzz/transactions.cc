// Any messages of pgoutput in any order, put together as the stream does it: each is taken, is not ours or is
// `fatal`; what is committed can be read back, again and again, with as many changes as it says; memory is
// bounded, and nothing of it is left at the end. An input is messages, each behind its length; the first byte
// chooses how much memory may hold.
#include <filesystem>
#include <set>

#include "everything.h"
#include "input.h"
#include "postgres/assembly.h"
#include "postgres/relations.h"
#include "postgres/rows.h"

namespace {

using namespace tidegate;
using namespace tidegate::postgres;
using fuzz::Input;
using fuzz::require;

/// As the stream described the tables; those that it did not describe are `everything`.
std::vector<TablePtr> resolved(const Assembled& assembled) {
  static const std::map<std::uint32_t, TypeInfo> types = {{20, {query::Type::int8, {}, "bigint"}},
                                                          {25, {query::Type::text, {}, "text"}}};
  std::vector<TablePtr> tables;
  for (const Assembled::Table& table : assembled.tables) {
    if (table.described.empty()) {
      tables.push_back(fuzz::everything());
      continue;
    }
    const auto message = decode_message(table.described);
    require(message.ok() && std::holds_alternative<Relation>(*message), "a description can be read again");
    query::TableSchema described = merge(std::get<Relation>(*message), std::nullopt, types);
    described.refusal.clear();  // that the catalogue does not have it
    tables.push_back(std::make_shared<const query::TableSchema>(std::move(described)));
  }
  return tables;
}

void require_whole(const source::Change& change) {
  const std::size_t columns = change.table->columns.size();
  require(!change.old_row || change.old_row->size() == columns, "an old row has a cell a column");
  require(!change.new_row || change.new_row->size() == columns, "a new row has a cell a column");
  const bool has_new = change.kind == source::ChangeKind::insert || change.kind == source::ChangeKind::update;
  require(change.new_row.has_value() == has_new, "an insert and an update have a new row");
  for (const int column : change.left_out)
    require(!change.new_row->at(static_cast<std::size_t>(column)), "what was left out is NULL");
}

void require_readable(Assembled assembled) {
  require(assembled.spill != nullptr, "what is committed has its changes");
  for (const auto& word : assembled.words) require(!word.content.empty(), "a word says something");
  std::vector<TablePtr> tables = resolved(assembled);
  const std::size_t count = assembled.changes;
  const SpilledChanges changes(std::move(assembled.spill), std::move(tables), count);
  std::size_t first = 0;
  std::size_t second = 0;
  const Status read = changes.each([&](const auto& change) { require_whole(*change), ++first; });
  const Status again = changes.each([&](const auto&) { ++second; });
  require(read.ok() == again.ok() && first == second, "it is the same when it is read again");
  require(read.ok() ? first == count : first < count, "there are as many changes as it says");
  require(read.ok() || read.error().fault == Fault::fatal, "what can't be read is fatal");
}

/// As Stream::handle_frame; false where the stream would end.
bool handle(Assembly& assembly, std::string_view bytes) {
  const auto taken = assembly.take(bytes, Xid(5));
  require(taken.ok() || taken.error().fault == Fault::fatal, "a broken stream is fatal");
  if (!taken) return false;
  if (*taken) return true;
  const auto message = decode_message(bytes);
  if (!message) return false;
  auto end = [&]() -> std::optional<Result<Assembled>> {
    if (const auto* commit = std::get_if<Commit>(&*message)) return assembly.commit(*commit);
    if (const auto* commit = std::get_if<StreamCommit>(&*message)) return assembly.commit(*commit);
    return std::nullopt;
  }();
  if (!end) return true;
  require(end->ok() || end->error().fault == Fault::fatal, "a broken stream is fatal");
  if (!*end) return false;
  require_readable(std::move(**end));
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static metrics::Registry metrics;
  static Probe probe(metrics);
  Input input(fuzz::bytes_of(data, size));
  Options options;
  options.spill_directory = std::filesystem::temp_directory_path();
  options.transaction_memory_bytes = input.byte() < 0xe0 ? std::size_t{1} << 20 : 64;
  Assembly assembly(options, probe);
  while (!input.empty()) {
    if (!handle(assembly, input.text())) {
      assembly.abandon();  // as where the connection broke; it goes on with the next one
    }
    require(assembly.memory() <= options.transaction_memory_bytes + Spill::kWriteBytes, "memory is bounded");
  }
  assembly.abandon();
  require(assembly.memory() == 0 && assembly.begun() == 0, "nothing is left");
  return 0;
}
