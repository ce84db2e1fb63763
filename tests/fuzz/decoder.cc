// Any bytes as a frame of the replication stream and as a message of pgoutput: a value whose views lie in
// the bytes, or an Error of `fatal`.
#include "postgres/decoder.h"

#include <string>
#include <type_traits>

#include "input.h"
#include "postgres/lsn.h"

namespace {

using namespace tidegate;
using namespace tidegate::postgres;
using fuzz::require;

void require_inside(std::string_view view, std::string_view bytes) {
  if (view.empty()) return;
  require(view.data() >= bytes.data() && view.data() + view.size() <= bytes.data() + bytes.size(),
          "a view lies in the bytes");
}

void require_inside(const Tuple& tuple, std::string_view bytes) {
  for (const TupleCell& cell : tuple) {
    require_inside(cell.text, bytes);
    require(cell.kind == CellKind::text || cell.text.empty(), "only a text has one");
  }
}

struct Look {
  std::string_view bytes;

  void operator()(const Origin& origin) const { require_inside(origin.name, bytes); }
  void operator()(const TypeDeclared& type) const {
    require_inside(type.schema, bytes);
    require_inside(type.name, bytes);
  }
  void operator()(const Relation& relation) const {
    if (relation.schema != "pg_catalog") require_inside(relation.schema, bytes);  // which is sent as nothing
    require_inside(relation.name, bytes);
    for (const RelationColumn& column : relation.columns) require_inside(column.name, bytes);
  }
  void operator()(const Insert& insert) const { require_inside(insert.row, bytes); }
  void operator()(const Update& update) const {
    require_inside(update.old_row, bytes);
    require_inside(update.new_row, bytes);
    require(update.old_kind != OldKind::none || update.old_row.empty(), "no old row without its kind");
  }
  void operator()(const Delete& removed) const {
    require_inside(removed.old_row, bytes);
    require(removed.old_kind != OldKind::none, "a delete says which row");
  }
  void operator()(const LogicalMessage& message) const {
    require_inside(message.prefix, bytes);
    require_inside(message.content, bytes);
  }
  template <class Other>
  void operator()(const Other&) const {}
};

/// The relation as the whole message has it; 0 where it is none of insert, update and delete.
std::uint32_t relation_in(const Message& message) {
  if (const auto* insert = std::get_if<Insert>(&message)) return insert->relation;
  if (const auto* update = std::get_if<Update>(&message)) return update->relation;
  if (const auto* removed = std::get_if<Delete>(&message)) return removed->relation;
  return 0;
}

void look_at_message(std::string_view bytes) {
  const auto message = decode_message(bytes);
  if (!message) {
    require(message.error().fault == Fault::fatal, "a broken stream is fatal");
    return;
  }
  std::visit(Look{bytes}, *message);
  require(relation_of(bytes) == relation_in(*message), "the relation is the same without reading the rows");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::bytes_of(data, size);
  look_at_message(bytes);
  relation_of(bytes);
  const auto streamed = decode_streamed(bytes);
  if (streamed) {
    look_at_message(streamed->message);
  } else {
    require(streamed.error().fault == Fault::fatal, "a broken stream is fatal");
  }
  if (const auto frame = decode_frame(bytes)) {
    if (const auto* one = std::get_if<DataFrame>(&*frame)) {
      require_inside(one->message, bytes);
      look_at_message(one->message);
    }
  } else {
    require(frame.error().fault == Fault::fatal, "a broken stream is fatal");
  }
  return 0;
}
