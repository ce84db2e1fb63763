#include "client/json_slice.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace tidegate::client {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

/// `at` is behind the opening quote; the place behind the closing one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// The place behind the value that begins at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at + 1);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      --depth;
      ++at;
    } else if (depth > 0) {
      ++at;
      continue;
    } else {
      return std::min(text.find_first_of(",]} \t\r\n", at), text.size());
    }
    if (depth <= 0) return at;
  }
  return at;
}

}  // namespace

std::optional<std::string_view> json_member(std::string_view object, std::string_view name) {
  std::size_t at = skip_blanks(object, 0);
  if (at == object.size() || object[at] != '{') return std::nullopt;
  for (++at; at < object.size();) {
    at = skip_blanks(object, at);
    if (at == object.size() || object[at] != '"') return std::nullopt;
    const std::size_t name_end = skip_string(object, at + 1);
    const auto found = object.substr(at + 1, name_end - at - 2);
    at = skip_blanks(object, name_end);
    if (at == object.size() || object[at] != ':') return std::nullopt;
    at = skip_blanks(object, at + 1);
    const std::size_t end = skip_value(object, at);
    if (found == name) return object.substr(at, end - at);
    at = skip_blanks(object, end);
    if (at == object.size() || object[at] != ',') return std::nullopt;
    ++at;
  }
  return std::nullopt;
}

std::vector<std::string_view> json_elements(std::string_view array) {
  std::vector<std::string_view> elements;
  std::size_t at = skip_blanks(array, 0);
  if (at == array.size() || array[at] != '[') return elements;
  for (at = skip_blanks(array, at + 1); at < array.size() && array[at] != ']';) {
    const std::size_t end = skip_value(array, at);
    if (end == at) break;
    elements.push_back(array.substr(at, end - at));
    at = skip_blanks(array, end);
    if (at < array.size() && array[at] == ',') at = skip_blanks(array, at + 1);
  }
  return elements;
}

std::string json_text(std::string_view string) {
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(string.data(), string.size()), error);
  if (error || !value.is_string()) return {};
  return {value.get_string().data(), value.get_string().size()};
}

}  // namespace tidegate::client
