#include "protocol/json_reading.h"

#include <boost/json/parse.hpp>
#include <cassert>
#include <cmath>

namespace tidegate::protocol {
namespace {

// No message of ours nests deeper than a query's conditions; the bound keeps the destruction of a value off
// the stack's end.
constexpr std::size_t kDepthMax = 64;

// Walks well-formed JSON text without making values of it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  // After blanks: whether this character stands here; passes it if so.
  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // After blanks: one value of any kind, as it stands there.
  std::string_view value() {
    skip_blanks();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) break;  // the end of what contains the value
        --depth;
        ++at_;
      } else if (depth == 0 && (c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
        break;
      } else {
        ++at_;
      }
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  void skip_string() {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool names(std::string_view quoted, std::string_view name) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2) == name;
  const auto key = parse_json(quoted);
  return key && key->is_string() && std::string_view(key->get_string()) == name;
}

}  // namespace

std::optional<boost::json::value> parse_json(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(text, error, {}, options);
  if (error) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> read_u64(const boost::json::value& value) {
  if (const auto* number = value.if_uint64()) return *number;
  if (const auto* number = value.if_int64()) {
    if (*number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
  }
  constexpr double kExactMax = 9007199254740992.0;
  const auto* number = value.if_double();
  if (number == nullptr || *number < 0 || *number > kExactMax || std::trunc(*number) != *number)
    return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<std::string_view> string_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string());
}

std::optional<std::string_view> raw_member(std::string_view object, std::string_view name) {
  Scanner scan(object);
  std::optional<std::string_view> found;
  if (!scan.take('{') || scan.take('}')) return found;
  do {
    const std::string_view key = scan.value();
    if (!scan.take(':')) break;
    const std::string_view value = scan.value();
    if (names(key, name)) found = value;
  } while (scan.take(','));
  return found;
}

std::vector<std::string_view> raw_elements(std::string_view array) {
  Scanner scan(array);
  std::vector<std::string_view> elements;
  if (!scan.take('[') || scan.take(']')) return elements;
  do {
    elements.push_back(scan.value());
  } while (scan.take(','));
  return elements;
}

}  // namespace tidegate::protocol
