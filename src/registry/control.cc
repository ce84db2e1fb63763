#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "base/encoding.h"
#include "registry/registry.h"

/// The control topic's formats (docs/PROTOCOL.md): one JSON object with `type` and `format`; 64-bit ids that
/// are random are 16 hexadecimal digits, those that count are decimal, both as strings, since JSON readers
/// lose bits above 2^53.
namespace tidegate::registry {
namespace {

namespace json = boost::json;

constexpr std::int64_t kFormat = 1;

std::string hex64(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

template <class Tag>
json::string decimal(Strong<Tag, std::int64_t> value) {
  return json::string(std::to_string(value.value()));
}
json::string decimal(Lsn lsn) {
  return json::string(std::to_string(lsn.value()));
}

/// Reads fields of one object and keeps the first fault; what is at fault reads as a default value.
class Fields {
 public:
  explicit Fields(const json::object& object, std::string_view within = {})
      : object_(object), within_(within) {}

  std::string text(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      fail(name, "must be a string");
      return {};
    }
    return std::string(value->get_string());
  }

  bool flag(std::string_view name) {
    const json::value* value = object_.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr) return false;
    if (!value->is_bool()) fail(name, "must be true or false");
    return value->is_bool() && value->get_bool();
  }

  std::uint64_t hex(std::string_view name) {
    const std::string digits = text(name);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.size() != 16) {
      fail(name, "must be a string of 16 hexadecimal digits");
      return 0;
    }
    return value;
  }

  std::uint64_t unsigned_decimal(std::string_view name) {
    const auto value = parse_u64(text(name));
    if (!value) fail(name, "must be a string with an unsigned 64-bit decimal number");
    return value.value_or(0);
  }

  /// Generations and offsets: 0 to 2^63 - 1.
  std::int64_t position(std::string_view name) {
    const auto value = parse_i64(text(name));
    if (!value || *value < 0) fail(name, "must be a string with a decimal number from 0 to 2^63 - 1");
    return value.value_or(0);
  }

  std::int64_t number(std::string_view name, std::int64_t least, std::int64_t most) {
    const json::value* value = find(name);
    if (value == nullptr) return 0;
    boost::system::error_code error;
    const auto number = value->to_number<std::int64_t>(error);
    if (error.failed() || !value->is_number() || number < least || number > most) {
      fail(name, fmt::format("must be a number from {} to {}", least, most));
      return least;
    }
    return number;
  }

  Fields object(std::string_view name) {
    static const json::object kNone;
    const json::value* value = find(name);
    if (value != nullptr && !value->is_object()) fail(name, "must be an object");
    return Fields(value != nullptr && value->is_object() ? value->get_object() : kNone,
                  fmt::format("{}.", name));
  }

  void fail(std::string_view name, std::string_view what) {
    if (fault_.empty()) fault_ = fmt::format("field \"{}{}\" {}", within_, name, what);
  }
  void merge(const Fields& part) {
    if (fault_.empty()) fault_ = part.fault_;
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  const json::value* find(std::string_view name) {
    const json::value* value = object_.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr) fail(name, "is missing");
    return value;
  }

  const json::object& object_;
  std::string within_;
  std::string fault_;
};

Partition partition_of(Fields& fields) {
  return Partition(static_cast<std::int32_t>(fields.number("partition", 0, INT32_MAX)));
}

json::object body(const EpochBound& record) {
  return {{"type", "epoch"},
          {"epoch", hex64(record.epoch.value())},
          {"source", json::object{{"system", record.source.system},
                                  {"timeline", record.source.timeline},
                                  {"database", record.source.database}}},
          {"slot", record.slot},
          {"partitions", record.partitions}};
}
json::object body(const MatcherStart& record) {
  return {{"type", "start"}, {"process", hex64(record.process)}};
}
json::object body(const GenerationFence& record) {
  return {{"type", "fence"},
          {"partition", record.partition.value()},
          {"generation", decimal(record.generation)},
          {"offset", decimal(record.offset)}};
}
json::object body(const Checkpoint& record) {
  return {{"type", "checkpoint"},
          {"partition", record.partition.value()},
          {"generation", decimal(record.generation)},
          {"offset", decimal(record.offset)},
          {"lsn", decimal(record.lsn)}};
}
json::object body(const Lease& record) {
  return {{"type", "lease"}, {"incarnation", hex64(record.incarnation.value())}, {"ended", record.ended}};
}
json::object body(const Registration& record) {
  return {{"type", "query"},
          {"incarnation", hex64(record.incarnation.value())},
          {"routing_key", record.routing_key},
          {"canonical", record.canonical},
          {"ended", record.ended}};
}
json::object body(const ActivationRecord& record) {
  return {{"type", "activation"},
          {"routing_key", record.routing_key},
          {"activation", hex64(record.activation.value())},
          {"ended", record.ended}};
}

ControlRecord epoch_bound(Fields& fields) {
  EpochBound record;
  record.epoch = Epoch(fields.hex("epoch"));
  Fields source = fields.object("source");
  fields.merge(source);
  record.source.system = source.text("system");
  record.source.timeline = static_cast<std::uint32_t>(source.number("timeline", 0, UINT32_MAX));
  record.source.database = source.text("database");
  fields.merge(source);
  record.slot = fields.text("slot");
  record.partitions = static_cast<std::int32_t>(fields.number("partitions", 1, INT32_MAX));
  return record;
}

ControlRecord record_of(std::string_view type, Fields& fields) {
  if (type == "epoch") return epoch_bound(fields);
  if (type == "start") return MatcherStart{fields.hex("process")};
  if (type == "fence") {
    const Partition partition = partition_of(fields);
    const Generation generation(fields.position("generation"));
    return GenerationFence{partition, generation, Offset(fields.position("offset"))};
  }
  if (type == "checkpoint") {
    const Partition partition = partition_of(fields);
    const Generation generation(fields.position("generation"));
    const Offset offset(fields.position("offset"));
    return Checkpoint{partition, generation, offset, Lsn(fields.unsigned_decimal("lsn"))};
  }
  if (type == "lease") {
    const Incarnation incarnation(fields.hex("incarnation"));
    return Lease{incarnation, fields.flag("ended")};
  }
  if (type == "query") {
    const Incarnation incarnation(fields.hex("incarnation"));
    Registration record{incarnation, fields.text("routing_key"), fields.text("canonical"),
                        fields.flag("ended")};
    if (record.canonical.empty() && !record.ended) fields.fail("canonical", "must not be empty");
    return record;
  }
  if (type == "activation") {
    const std::string key = fields.text("routing_key");
    const Activation activation(fields.hex("activation"));
    return ActivationRecord{key, activation, fields.flag("ended")};
  }
  fields.fail("type", fmt::format("is none that this version knows: \"{}\"", type.substr(0, 40)));
  return MatcherStart{};
}

struct KeyOf {
  std::string operator()(const EpochBound&) const { return "epoch"; }
  std::string operator()(const MatcherStart&) const { return "start"; }
  std::string operator()(const GenerationFence& record) const {
    return fmt::format("fence/{}", record.partition.value());
  }
  std::string operator()(const Checkpoint& record) const {
    return fmt::format("checkpoint/{}", record.partition.value());
  }
  std::string operator()(const Lease& record) const { return "lease/" + hex64(record.incarnation.value()); }
  std::string operator()(const Registration& record) const {
    return fmt::format("query/{}/{}", hex64(record.incarnation.value()), record.routing_key);
  }
  std::string operator()(const ActivationRecord& record) const { return "activation/" + record.routing_key; }
};

}  // namespace

std::string control_key(const ControlRecord& record) {
  return std::visit(KeyOf{}, record);
}

bool ends_its_key(const ControlRecord& record) {
  return std::visit(
      [](const auto& value) {
        if constexpr (requires { value.ended; }) return value.ended;
        return false;
      },
      record);
}

std::string encode_control(const ControlRecord& record) {
  json::object object = std::visit([](const auto& value) { return body(value); }, record);
  object.emplace("format", kFormat);
  return json::serialize(object);
}

Result<ControlRecord> decode_control(std::string_view key, std::string_view value) {
  const auto invalid = [key](std::string_view what) {
    return Error{Fault::invalid, fmt::format("control record \"{}\": {}", key.substr(0, 80), what)};
  };
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(value.data(), value.size()), error);
  if (error.failed()) return invalid("not JSON: " + error.message());
  if (!parsed.is_object()) return invalid("not a JSON object");
  Fields fields(parsed.get_object());
  if (fields.number("format", 1, INT32_MAX) > kFormat) {
    fields.fail("format", "is of a later version of Tidegate; this process must be upgraded");
  }
  ControlRecord record = record_of(fields.text("type"), fields);
  if (!fields.fault().empty()) return invalid(fields.fault());
  if (control_key(record) != key)
    return invalid(fmt::format("the key does not fit the record, whose own is \"{}\"",
                               control_key(record).substr(0, 80)));
  return record;
}

}  // namespace tidegate::registry
