#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

/// What the walsender sends, taken apart: the frames of a replication stream and the messages of the plugin
/// `pgoutput`, protocol version 2 (PostgreSQL's manual, "Logical Replication Message Formats"). Pure; every
/// length is checked, any bytes give a value or an Error of `fatal`. Views point into the bytes that were
/// given.
namespace tidegate::postgres {

/// Positions are Postgres's own (next byte, or a record's first byte). Times are microseconds since
/// 1970-01-01 UTC.
struct Begin {
  std::uint64_t final_lsn = 0;  ///< where the commit record begins
  std::int64_t commit_time_us = 0;
  std::uint32_t xid = 0;
};
struct Commit {
  std::uint64_t commit_lsn = 0;  ///< the same as Begin's
  std::uint64_t end_lsn = 0;     ///< the byte behind the commit record
  std::int64_t commit_time_us = 0;
};
struct Origin {
  std::uint64_t lsn = 0;
  std::string_view name;
};
struct TypeDeclared {
  std::uint32_t type = 0;
  std::string_view schema;
  std::string_view name;
};
struct RelationColumn {
  bool identity = false;  ///< part of the replica identity (under FULL: every column)
  std::string_view name;
  std::uint32_t type = 0;
  std::int32_t modifier = -1;
};
struct Relation {
  std::uint32_t id = 0;
  std::string_view schema;
  std::string_view name;
  char replica_identity = 'f';  ///< pg_class.relreplident: f, d, i, n
  std::vector<RelationColumn> columns;
};

enum class CellKind : char { null = 'n', unchanged = 'u', text = 't' };
struct TupleCell {
  CellKind kind = CellKind::null;
  std::string_view text;
};
using Tuple = std::vector<TupleCell>;

struct Insert {
  std::uint32_t relation = 0;
  Tuple row;
};
/// What an update or a delete says about the row before: nothing, its key only, or (FULL) all of it.
enum class OldKind : char { none = 0, key = 'K', whole = 'O' };
struct Update {
  std::uint32_t relation = 0;
  OldKind old_kind = OldKind::none;
  Tuple old_row;
  Tuple new_row;
};
struct Delete {
  std::uint32_t relation = 0;
  OldKind old_kind = OldKind::none;
  Tuple old_row;
};
struct Truncate {
  std::vector<std::uint32_t> relations;
};
/// A transaction that is still open is streamed in blocks, between a start and a stop; blocks of several
/// follow each other. Inside of a block each message names the transaction, or subtransaction, that it is of.
struct StreamStart {
  std::uint32_t xid = 0;
  bool first = false;  ///< of this transaction's blocks
};
struct StreamStop {};
struct StreamCommit {
  std::uint32_t xid = 0;
  Commit commit;
};
/// What the subtransaction has streamed is void; the transaction's own id: all of it.
struct StreamAbort {
  std::uint32_t xid = 0;
  std::uint32_t subtransaction = 0;
};
struct LogicalMessage {
  bool transactional = false;
  std::uint64_t lsn = 0;  ///< the byte behind the message's record
  std::string_view prefix;
  std::string_view content;
};

using Message = std::variant<Begin, Commit, Origin, TypeDeclared, Relation, Insert, Update, Delete, Truncate,
                             LogicalMessage, StreamStart, StreamStop, StreamCommit, StreamAbort>;

Result<Message> decode_message(std::string_view bytes);

/// A message inside of a block, taken out of it: whose it is, and as it would be outside.
struct Streamed {
  std::uint32_t xid = 0;
  std::string message;
};
Result<Streamed> decode_streamed(std::string_view bytes);
/// Whether it is one that names its transaction inside of a block.
bool names_transaction(std::string_view bytes);
/// The relation of an insert, update or delete, without reading its rows; 0 where it is none of these.
std::uint32_t relation_of(std::string_view bytes);

/// A frame of the stream: data with one message, or a keepalive.
struct DataFrame {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::string_view message;
};
struct KeepaliveFrame {
  std::uint64_t end = 0;  ///< everything before this byte has been sent
  bool reply_requested = false;
};
using Frame = std::variant<DataFrame, KeepaliveFrame>;

Result<Frame> decode_frame(std::string_view bytes);

/// A standby status update: the feedback frame. Positions are next bytes; `now_us` since 1970-01-01 UTC.
std::string encode_status(std::uint64_t written, std::uint64_t flushed, std::int64_t now_us,
                          bool reply_requested);

}  // namespace tidegate::postgres
