// Any records in the log and in the control topic, as whoever may write there could leave them, read by a
// feed that has a client: the feed goes on, and what it gives as text is JSON.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "feed/testing.h"
#include "feed/values.h"
#include "input.h"
#include "protocol/diff.h"
#include "registry/registry.h"

namespace {

using namespace tidegate;
using namespace std::chrono_literals;

const std::string kKey = "t/things/1";

/// One feed over a log in memory, stepped by hand.
struct Scene {
  explicit Scene(bool managed, protocol::Encoding encoding)
      : stage(managed, options()),
        feed({stage.log,
              managed ? &stage.registry : nullptr,
              managed ? &stage.source : nullptr,
              stage.clock,
              stage.metrics,
              {stage.shard.port()}},
             options()),
        query(feed::query_for(1)) {
    fuzz::require(feed.start().ok(), "it starts");
    feed::SubscribeCommand command{feed::subscription_id(0, 1), kKey};
    if (managed) command.query = query;
    command.encoding = encoding;
    fuzz::require(feed.post(command), "there is room");
    step();
  }
  static feed::Options options() {
    feed::Options out;
    out.snapshot_threads = 0;
    return out;
  }
  void step() {
    fuzz::require(feed.step(0ms).ok(), "no record ends the feed");
    while (!stage.shard.empty()) {
      const feed::Event event = stage.shard.next();
      if (const auto* given = std::get_if<feed::Deliver>(&event)) check(*given->run.batch);
    }
  }
  static void check(const feed::FrameBatch& batch) {
    for (const feed::Frame& frame : batch.frames) {
      for (const feed::Slice& slice : frame.slices)
        fuzz::require(slice.offset + slice.size <= batch.bytes.size(), "a frame lies in its batch");
      const feed::Slice& text = frame.slices[static_cast<std::size_t>(protocol::Encoding::json)];
      if (text.size == 0) continue;
      boost::system::error_code failed;
      boost::json::parse("{\"op\":\"diff\"" + batch.bytes.substr(text.offset, text.size), failed);
      fuzz::require(!failed, "a text is JSON");
    }
  }

  feed::Stage stage;
  feed::Feed feed;
  std::shared_ptr<const query::Query> query;
};

void check_values(std::string_view value) {
  if (const auto diff = protocol::decode_diff(value)) {
    const auto again = protocol::decode_diff(protocol::encode_diff(*diff));
    fuzz::require(again.has_value() && again->changes.size() == diff->changes.size(), "a diff is read back");
    protocol::Cursor cursor;
    (void)feed::render_text(value, cursor);
  }
  (void)protocol::commit_time_of(value);
  (void)feed::parse_progress(value);
  (void)feed::parse_active(value);
  (void)feed::parse_closed(value);
  (void)feed::parse_schema(value);
}

void check_control(std::string_view key, std::string_view value) {
  const auto record = registry::decode_control(key, value);
  if (!record.ok()) return;
  const auto again =
      registry::decode_control(registry::control_key(*record), registry::encode_control(*record));
  fuzz::require(again.ok() && registry::control_key(*again) == registry::control_key(*record),
                "a control record is read back");
}

log::Append record_of(fuzz::Input& input, const Scene& scene) {
  log::Append record;
  record.partition = scene.stage.partition_of(kKey);
  record.key = input.below(4) == 0 ? std::string(input.text()) : kKey;
  log::Headers& headers = record.headers;
  const std::size_t shape = input.byte();
  headers.kind = static_cast<log::Kind>(input.below(7));
  if ((shape & 1) == 0) headers.lsn = Lsn(input.byte());
  if ((shape & 2) == 0) headers.xid = Xid(input.byte());
  if ((shape & 4) == 0) headers.epoch = scene.stage.epoch;
  if ((shape & 8) == 0) headers.generation = Generation(input.below(3));
  headers.part = static_cast<std::uint32_t>(input.below(4));
  headers.flags = input.byte();
  headers.format = (shape & 16) == 0 ? log::kFormat : input.byte();
  headers.malformed = (shape & 0x60) == 0x60;
  const std::size_t length = input.byte() + 256 * input.below(4);
  record.value = std::string(input.take(length));
  return record;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::bytes_of(data, size);
  check_values(bytes);
  const auto line = bytes.find('\n');
  if (line != std::string_view::npos) check_control(bytes.substr(0, line), bytes.substr(line + 1));
  fuzz::Input input(bytes);
  const bool managed = input.below(4) != 0;
  Scene scene(managed, input.below(2) == 0 ? protocol::Encoding::json : protocol::Encoding::v1);
  for (int i = 0; i < 20 && !input.empty(); ++i) {
    scene.stage.append_raw(record_of(input, scene));
    if (input.below(2) == 0) scene.step();
  }
  scene.step();
  return 0;
}
