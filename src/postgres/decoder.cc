#include "postgres/decoder.h"

#include <optional>

#include "base/encoding.h"

namespace tidegate::postgres {
namespace {

constexpr std::int64_t kPostgresEpochUs = 946'684'800'000'000;  // 2000-01-01 UTC, where Postgres counts from

/// Reads forward; a read beyond the end marks the whole as broken and gives zeros, so that callers check
/// once.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    const std::string_view taken = take(sizeof(T));
    return read_big_endian<T>(taken).value_or(0);
  }
  std::int64_t time_us() { return static_cast<std::int64_t>(number<std::uint64_t>() + kPostgresEpochUs); }
  char byte() { return static_cast<char>(number<std::uint8_t>()); }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      broken_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view c_string() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return take(rest_.size() + 1);
    const std::string_view text = take(end);
    take(1);
    return text;
  }
  std::string_view rest() { return take(rest_.size()); }
  void mark_broken() { broken_ = true; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  /// All was there, and nothing is left over.
  [[nodiscard]] bool complete() const { return !broken_ && rest_.empty(); }
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

Tuple read_tuple(Bytes& bytes) {
  const auto count = bytes.number<std::uint16_t>();
  Tuple tuple;
  if (count > bytes.left()) bytes.mark_broken();  // a cell takes at least a byte: no memory for a lie
  for (std::uint16_t i = 0; i < count && !bytes.broken(); ++i) {
    const char kind = bytes.byte();
    if (kind == 'n' || kind == 'u') {
      tuple.push_back({static_cast<CellKind>(kind), {}});
    } else if (kind == 't') {
      const auto size = bytes.number<std::uint32_t>();
      tuple.push_back({CellKind::text, bytes.take(size)});
    } else {
      bytes.mark_broken();  // binary cells were never asked for
    }
  }
  return tuple;
}

Relation read_relation(Bytes& bytes) {
  Relation relation;
  relation.id = bytes.number<std::uint32_t>();
  relation.schema = bytes.c_string();
  if (relation.schema.empty()) relation.schema = "pg_catalog";  // how pgoutput abbreviates it
  relation.name = bytes.c_string();
  relation.replica_identity = bytes.byte();
  const auto count = bytes.number<std::uint16_t>();
  for (std::uint16_t i = 0; i < count && !bytes.broken(); ++i) {
    RelationColumn column;
    column.identity = (bytes.number<std::uint8_t>() & 1) != 0;
    column.name = bytes.c_string();
    column.type = bytes.number<std::uint32_t>();
    column.modifier = static_cast<std::int32_t>(bytes.number<std::uint32_t>());
    relation.columns.push_back(column);
  }
  return relation;
}

Insert read_insert(Bytes& bytes) {
  Insert insert;
  insert.relation = bytes.number<std::uint32_t>();
  if (bytes.byte() != 'N') bytes.mark_broken();
  insert.row = read_tuple(bytes);
  return insert;
}

Update read_update(Bytes& bytes) {
  Update update;
  update.relation = bytes.number<std::uint32_t>();
  char tag = bytes.byte();
  if (tag == 'K' || tag == 'O') {
    update.old_kind = static_cast<OldKind>(tag);
    update.old_row = read_tuple(bytes);
    tag = bytes.byte();
  }
  if (tag != 'N') bytes.mark_broken();
  update.new_row = read_tuple(bytes);
  return update;
}

Delete read_delete(Bytes& bytes) {
  Delete removed;
  removed.relation = bytes.number<std::uint32_t>();
  const char tag = bytes.byte();
  if (tag != 'K' && tag != 'O') bytes.mark_broken();
  removed.old_kind = static_cast<OldKind>(tag);
  removed.old_row = read_tuple(bytes);
  return removed;
}

Truncate read_truncate(Bytes& bytes) {
  Truncate truncate;
  const auto count = bytes.number<std::uint32_t>();
  bytes.number<std::uint8_t>();  // CASCADE and RESTART IDENTITY: the relations are listed, sequences are not
                                 // ours
  for (std::uint32_t i = 0; i < count && !bytes.broken(); ++i) {
    truncate.relations.push_back(bytes.number<std::uint32_t>());
  }
  return truncate;
}

LogicalMessage read_logical_message(Bytes& bytes) {
  LogicalMessage message;
  message.transactional = (bytes.number<std::uint8_t>() & 1) != 0;
  message.lsn = bytes.number<std::uint64_t>();
  message.prefix = bytes.c_string();
  const auto size = bytes.number<std::uint32_t>();
  message.content = bytes.take(size);
  return message;
}

Begin read_begin(Bytes& bytes) {
  Begin begin;
  begin.final_lsn = bytes.number<std::uint64_t>();
  begin.commit_time_us = bytes.time_us();
  begin.xid = bytes.number<std::uint32_t>();
  return begin;
}

Commit read_commit(Bytes& bytes) {
  Commit commit;
  bytes.number<std::uint8_t>();  // flags, none defined
  commit.commit_lsn = bytes.number<std::uint64_t>();
  commit.end_lsn = bytes.number<std::uint64_t>();
  commit.commit_time_us = bytes.time_us();
  return commit;
}

std::optional<Message> read_message(char tag, Bytes& bytes) {
  switch (tag) {
    case 'B':
      return read_begin(bytes);
    case 'C':
      return read_commit(bytes);
    case 'O': {
      Origin origin;
      origin.lsn = bytes.number<std::uint64_t>();
      origin.name = bytes.c_string();
      return origin;
    }
    case 'Y': {
      TypeDeclared type;
      type.type = bytes.number<std::uint32_t>();
      type.schema = bytes.c_string();
      type.name = bytes.c_string();
      return type;
    }
    case 'R':
      return read_relation(bytes);
    case 'I':
      return read_insert(bytes);
    case 'U':
      return read_update(bytes);
    case 'D':
      return read_delete(bytes);
    case 'T':
      return read_truncate(bytes);
    case 'M':
      return read_logical_message(bytes);
    case 'S': {
      StreamStart start;
      start.xid = bytes.number<std::uint32_t>();
      start.first = bytes.byte() == 1;
      return start;
    }
    case 'E':
      return StreamStop{};
    case 'c': {
      StreamCommit commit;
      commit.xid = bytes.number<std::uint32_t>();
      commit.commit = read_commit(bytes);
      return commit;
    }
    case 'A': {
      StreamAbort abort;
      abort.xid = bytes.number<std::uint32_t>();
      abort.subtransaction = bytes.number<std::uint32_t>();
      return abort;
    }
    default:
      return std::nullopt;
  }
}

std::string tag_text(std::string_view bytes) {
  return bytes.empty() ? "nothing" : "0x" + hex_encode(bytes.substr(0, 1));
}

}  // namespace

Result<Message> decode_message(std::string_view bytes) {
  Bytes reader(bytes);
  const char tag = reader.byte();
  std::optional<Message> message = read_message(tag, reader);
  if (!message) {
    return Error{Fault::fatal, "the change stream sent a message of an unknown kind, " + tag_text(bytes)};
  }
  if (!reader.complete()) {
    return Error{Fault::fatal, "the change stream sent a message of kind " + tag_text(bytes) +
                                   " that ends too " + (reader.broken() ? "early or is malformed" : "late") +
                                   ", of " + std::to_string(bytes.size()) + " bytes"};
  }
  return std::move(*message);
}

bool names_transaction(std::string_view bytes) {
  return !bytes.empty() && std::string_view("RYIUDTM").find(bytes.front()) != std::string_view::npos;
}

Result<Streamed> decode_streamed(std::string_view bytes) {
  Bytes reader(bytes);
  Streamed streamed;
  streamed.message = reader.byte();
  streamed.xid = reader.number<std::uint32_t>();
  streamed.message += reader.rest();
  if (names_transaction(bytes) && !reader.broken()) return streamed;
  return Error{Fault::fatal,
               "the change stream sent a message that can't stand in a block, of kind " + tag_text(bytes)};
}

std::uint32_t relation_of(std::string_view bytes) {
  Bytes reader(bytes);
  const char tag = reader.byte();
  return tag == 'I' || tag == 'U' || tag == 'D' ? reader.number<std::uint32_t>() : 0;
}

Result<Frame> decode_frame(std::string_view bytes) {
  Bytes reader(bytes);
  const char tag = reader.byte();
  if (tag == 'w') {
    DataFrame frame;
    frame.start = reader.number<std::uint64_t>();
    frame.end = reader.number<std::uint64_t>();
    reader.time_us();
    frame.message = reader.rest();
    if (reader.complete()) return Frame(frame);
  } else if (tag == 'k') {
    KeepaliveFrame frame;
    frame.end = reader.number<std::uint64_t>();
    reader.time_us();
    frame.reply_requested = reader.byte() != 0;
    if (reader.complete()) return Frame(frame);
  }
  return Error{Fault::fatal, "the change stream sent a frame that can't be read, of kind " + tag_text(bytes)};
}

std::string encode_status(std::uint64_t written, std::uint64_t flushed, std::int64_t now_us,
                          bool reply_requested) {
  std::string frame = "r";
  append_big_endian(frame, written);
  append_big_endian(frame, flushed);
  append_big_endian(frame, flushed);  // applied: we don't tell the two apart
  append_big_endian(frame, static_cast<std::uint64_t>(now_us - kPostgresEpochUs));
  frame.push_back(reply_requested ? '\1' : '\0');
  return frame;
}

}  // namespace tidegate::postgres
