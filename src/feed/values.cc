#include "feed/values.h"

#include <boost/json.hpp>

#include "base/encoding.h"

namespace tidegate::feed {
namespace {

namespace json = boost::json;

std::optional<json::object> parse_object(std::string_view text) {
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

std::optional<std::string_view> text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains({name.data(), name.size()});
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return std::string_view(found->get_string().data(), found->get_string().size());
}

std::optional<Lsn> lsn_of(const json::object& object, std::string_view name) {
  const auto text = text_of(object, name);
  if (!text) return std::nullopt;
  const auto value = parse_u64(*text);
  return value ? std::optional(Lsn(*value)) : std::nullopt;
}

std::optional<Activation> activation_of(const json::object& object) {
  const auto text = text_of(object, "activation");
  if (!text || text->size() != 16) return std::nullopt;
  const auto bytes = hex_decode(*text);
  const auto value = bytes ? read_big_endian<std::uint64_t>(*bytes) : std::nullopt;
  return value ? std::optional(Activation(*value)) : std::nullopt;
}

}  // namespace

std::optional<ProgressValue> parse_progress(std::string_view text) {
  const auto object = parse_object(text);
  if (!object) return std::nullopt;
  const auto position = lsn_of(*object, "position");
  const auto visible = lsn_of(*object, "visible");
  const json::value* time = object->if_contains("time_us");
  if (!position || !visible || time == nullptr || !time->is_int64()) return std::nullopt;
  return ProgressValue{*position, *visible, time->get_int64()};
}

std::optional<ActiveValue> parse_active(std::string_view text) {
  const auto object = parse_object(text);
  if (!object) return std::nullopt;
  const auto activation = activation_of(*object);
  const auto registered = lsn_of(*object, "r");
  const auto query = text_of(*object, "query");
  if (!activation || !registered || !query) return std::nullopt;
  return ActiveValue{*activation, *registered, std::string(*query)};
}

std::optional<Activation> parse_closed(std::string_view text) {
  const auto object = parse_object(text);
  return object ? activation_of(*object) : std::nullopt;
}

SchemaValue parse_schema(std::string_view text) {
  const auto object = parse_object(text);
  const auto code = object ? text_of(*object, "code") : std::nullopt;
  const auto message = object ? text_of(*object, "message") : std::nullopt;
  return {code == "bad_query" ? protocol::ErrorCode::bad_query : protocol::ErrorCode::schema_changed,
          message ? std::string(*message) : std::string()};
}

}  // namespace tidegate::feed
