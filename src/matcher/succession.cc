#include "matcher/succession.h"

#include <set>
#include <vector>

namespace tidegate::matcher {
namespace {

/// A log that is out of reach, or that we may not read, says nothing about what it holds; any other answer is
/// that of another log.
Result<bool> unknown(const Error& error) {
  if (error.fault == Fault::unavailable || error.fault == Fault::denied) return error;
  return false;
}

}  // namespace

std::string breaks_epoch(const Predecessor& before, const Circumstances& now) {
  if (!before.epoch) return "there is none";
  if (before.epoch->source != now.source) return "the database is another one";
  if (before.epoch->slot != now.slot) return "the replication slot is another one";
  if (before.epoch->partitions != now.partitions) return "the log's partition count changed";
  for (std::int32_t partition = 0; partition < now.partitions; ++partition) {
    auto checkpoint = before.checkpoints.find(Partition(partition));
    if (checkpoint == before.checkpoints.end()) return "a partition has no checkpoint";
    if (now.start_position > checkpoint->second.lsn) return "the slot is confirmed above the checkpoints";
  }
  return {};
}

std::string of_another_database(const Predecessor& before, const Circumstances& now) {
  if (!before.epoch) return {};
  const SourceIdentity& theirs = before.epoch->source;
  if (theirs.system == now.source.system && theirs.database == now.source.database) return {};
  return "these topics belong to another database: here it is " + now.source.database + " of system " +
         now.source.system + ", there " + theirs.database + " of system " + theirs.system +
         ". Give this one topics of its own with --topic NAME; or, where it takes the other's place for "
         "good, "
         "delete both topics and run `tidegate setup` again";
}

Result<bool> checkpoints_stand(log::Log& log, const Predecessor& before) {
  std::vector<log::Start> starts;
  for (const auto& [partition, checkpoint] : before.checkpoints) {
    if (partition.value() >= before.epoch->partitions) continue;  // of an epoch with more of them
    auto marks = log.watermarks(partition);
    if (!marks) return unknown(marks.error());
    if (checkpoint.offset < marks->start || checkpoint.offset >= marks->end) return false;
    starts.push_back({partition, checkpoint.offset});
  }
  auto reader = log.open_reader(starts);
  if (!reader) return unknown(reader.error());
  std::set<Partition> read;
  Error silent{Fault::unavailable, "the log gives nothing"};
  // Each partition has something to read, so that empty answers only mean that the log is slow.
  for (int tries = 0; tries < 20 && read.size() < starts.size(); ++tries) {
    auto batch = (*reader)->read(std::chrono::milliseconds(500), 1 << 20);
    if (!batch && batch.error().fault != Fault::unavailable) return unknown(batch.error());
    if (!batch) {
      silent = batch.error();
      continue;
    }
    for (const auto& record : batch->records) {
      if (!read.insert(record.partition).second) continue;
      const auto& checkpoint = before.checkpoints.at(record.partition);
      if (record.offset != checkpoint.offset || record.headers.kind != log::Kind::progress) return false;
      if (record.headers.lsn != checkpoint.lsn || record.headers.epoch != before.epoch->epoch) return false;
      if (record.headers.generation != checkpoint.generation) return false;
    }
    for (const auto& end : batch->ends) {
      if (!read.contains(end.partition)) return false;
    }
  }
  if (read.size() < starts.size()) return silent;
  return true;
}

}  // namespace tidegate::matcher
