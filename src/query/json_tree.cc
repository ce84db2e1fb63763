#include "query/json_tree.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tidegate::query {
namespace {

using boost::json::error_code;
using View = boost::json::string_view;

/// Boost.JSON's events, made a tree. All of them go on: the parser itself refuses what is wrong.
class TreeBuilder {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return open(Json::Kind::array); }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_object_begin(error_code&) { return open(Json::Kind::object); }
  bool on_object_end(std::size_t, error_code&) { return close(); }
  bool on_string_part(View part, std::size_t, error_code&) { return append(part); }
  bool on_string(View part, std::size_t, error_code&) { return append(part) && add(Json::Kind::string); }
  bool on_key_part(View part, std::size_t, error_code&) { return append(part); }
  bool on_key(View part, std::size_t, error_code&) {
    append(part);
    keys_.push_back(std::exchange(text_, {}));
    return true;
  }
  bool on_number_part(View part, error_code&) { return append(part); }
  bool on_int64(std::int64_t, View part, error_code&) { return append(part) && add(Json::Kind::number); }
  bool on_uint64(std::uint64_t, View part, error_code&) { return append(part) && add(Json::Kind::number); }
  bool on_double(double, View part, error_code&) { return append(part) && add(Json::Kind::number); }
  bool on_bool(bool value, error_code&) {
    return append(value ? "true" : "false") && add(Json::Kind::boolean);
  }
  bool on_null(error_code&) { return add(Json::Kind::null); }
  bool on_comment_part(View, error_code&) { return true; }
  bool on_comment(View, error_code&) { return true; }

  Json take() { return std::move(root_); }

 private:
  bool append(View part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool open(Json::Kind kind) {
    open_.push_back(Json{kind, {}, {}, {}});
    return true;
  }
  bool close() {
    Json value = std::move(open_.back());
    open_.pop_back();
    return place(std::move(value));
  }
  bool add(Json::Kind kind) { return place(Json{kind, std::exchange(text_, {}), {}, {}}); }
  bool place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().kind == Json::Kind::array) {
      open_.back().items.push_back(std::move(value));
    } else {
      open_.back().members.push_back({std::move(keys_.back()), std::move(value)});
      keys_.pop_back();
    }
    return true;
  }

  std::vector<Json> open_;
  std::vector<std::string> keys_;
  std::string text_;
  Json root_;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<Json> parse_json_tree(std::string_view text, std::size_t depth_max) {
  boost::json::parse_options options;
  options.max_depth = depth_max;
  boost::json::basic_parser<TreeBuilder> parser{options};
  error_code code;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), code);
  if (!code && read < text.size()) code = boost::json::error::extra_data;
  if (code) return Error{Fault::invalid, fmt::format("not JSON at byte {}: {}", read, code.message())};
  return parser.handler().take();
}

}  // namespace tidegate::query
