#include "query/jsonb.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/json_tree.h"
#include "query/numeric.h"

namespace tidegate::query {
namespace {

constexpr std::size_t kValueDepthMax = 32;

void append_utf8(std::string& out, unsigned point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

/// The string without quotes and escapes. Both printers escape by `\u` only what is below a blank.
std::string unescaped(std::string_view quoted) {
  std::string out;
  for (std::size_t at = 1; at + 1 < quoted.size(); ++at) {
    if (quoted[at] != '\\') {
      out += quoted[at];
      continue;
    }
    switch (quoted[++at]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        unsigned point = 0;
        for (int digit = 0; digit < 4 && at + 2 < quoted.size(); ++digit) {
          const char c = quoted[++at];
          point = point * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        append_utf8(out, point & 0xffffu);
        break;
      }
      default:
        out += quoted[at];
    }
  }
  return out;
}

bool same_string(std::string_view left, std::string_view right) {
  if (left == right) return true;
  if (left.find('\\') == std::string_view::npos && right.find('\\') == std::string_view::npos) return false;
  return unescaped(left) == unescaped(right);
}

/// Takes a container's text apart, value by value. `next` gives an item, or a key and then its member.
class Parts {
 public:
  explicit Parts(std::string_view container)
      : rest_(container.substr(std::min<std::size_t>(1, container.size()))) {}

  /// Empty at the end.
  std::string_view next() {
    const std::size_t begin = rest_.find_first_not_of(" ,:");
    if (begin == std::string_view::npos || rest_[begin] == '}' || rest_[begin] == ']') return {};
    rest_.remove_prefix(begin);
    const std::size_t size = value_bytes();
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }

 private:
  [[nodiscard]] std::size_t value_bytes() const {
    std::size_t depth = 0;
    for (std::size_t at = 0; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c == '"') {
        for (++at; at < rest_.size() && rest_[at] != '"'; ++at) at += rest_[at] == '\\' ? 1 : 0;
        if (depth == 0) return std::min(at + 1, rest_.size());
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
      } else if (depth == 0 && (c == ',' || c == ' ' || c == ':')) {
        return at;
      }
    }
    return rest_.size();
  }
  std::string_view rest_;
};

enum class Kind { object, array, string, number, literal };

Kind kind_of(std::string_view value) {
  const char first = value.empty() ? '\0' : value.front();
  if (first == '{') return Kind::object;
  if (first == '[') return Kind::array;
  if (first == '"') return Kind::string;
  return first == '-' || (first >= '0' && first <= '9') ? Kind::number : Kind::literal;
}
bool is_scalar(std::string_view value) {
  return kind_of(value) != Kind::object && kind_of(value) != Kind::array;
}

std::string_view member(std::string_view object, std::string_view quoted_key) {
  Parts parts(object);
  for (std::string_view key = parts.next(); !key.empty(); key = parts.next()) {
    const std::string_view value = parts.next();
    if (same_string(key, quoted_key)) return value;
  }
  return {};
}

std::size_t count_parts(std::string_view container) {
  Parts parts(container);
  std::size_t count = 0;
  while (!parts.next().empty()) ++count;
  return count;
}

bool any_item(std::string_view array, auto wanted) {
  Parts items(array);
  for (std::string_view item = items.next(); !item.empty(); item = items.next()) {
    if (wanted(item)) return true;
  }
  return false;
}

/// Containers of one kind. Arrays are sets here, at every level; a scalar is no array of one, below the top.
bool contains_container(std::string_view document, std::string_view value) {
  Parts wanted(value);
  for (std::string_view part = wanted.next(); !part.empty(); part = wanted.next()) {
    const auto fits = [&part](std::string_view candidate) {
      if (kind_of(candidate) != kind_of(part)) return false;
      return is_scalar(part) ? equal_jsonb(candidate, part) : contains_container(candidate, part);
    };
    if (kind_of(value) == Kind::array) {
      if (!any_item(document, fits)) return false;
      continue;
    }
    const std::string_view found = member(document, part);
    part = wanted.next();
    if (found.empty() || !fits(found)) return false;
  }
  return true;
}

bool append_canonical(std::string& out, const Json& value) {
  switch (value.kind) {
    case Json::Kind::null:
      out += "null";
      return true;
    case Json::Kind::boolean:
      out += value.text;
      return true;
    case Json::Kind::number: {
      const auto number = normalise_numeric(value.text);
      if (number) out += *number;
      return number.has_value();
    }
    case Json::Kind::string:
      append_json_string(out, value.text);
      return storable_text(value.text);
    case Json::Kind::array:
      out += '[';
      for (const Json& item : value.items) {
        if (&item != &value.items.front()) out += ',';
        if (!append_canonical(out, item)) return false;
      }
      out += ']';
      return true;
    case Json::Kind::object:
      break;
  }
  std::vector<const JsonMember*> members;
  for (const JsonMember& one : value.members) members.push_back(&one);
  std::stable_sort(members.begin(), members.end(),
                   [](const JsonMember* left, const JsonMember* right) { return left->name < right->name; });
  char separator = '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i + 1]->name == members[i]->name) continue;  // the last one counts
    out += separator;
    separator = ',';
    append_json_string(out, members[i]->name);
    out += ':';
    if (!storable_text(members[i]->name) || !append_canonical(out, members[i]->value)) return false;
  }
  if (separator == '{') out += '{';
  out += '}';
  return true;
}

}  // namespace

std::optional<std::string> canonical_jsonb(std::string_view text) {
  const auto tree = parse_json_tree(text, kValueDepthMax);
  std::string out;
  if (!tree || !append_canonical(out, *tree)) return std::nullopt;
  return out;
}

bool equal_jsonb(std::string_view document, std::string_view value) {
  const Kind kind = kind_of(value);
  if (kind_of(document) != kind) return false;
  switch (kind) {
    case Kind::string:
      return same_string(document, value);
    case Kind::number:
      return compare_numeric(document, value) == std::strong_ordering::equal;
    case Kind::literal:
      return document == value;
    default:
      break;
  }
  Parts wanted(value);
  std::size_t count = 0;
  if (kind == Kind::array) {
    Parts items(document);
    for (std::string_view item = wanted.next(); !item.empty(); item = wanted.next()) {
      if (const std::string_view mine = items.next(); mine.empty() || !equal_jsonb(mine, item)) return false;
    }
    return items.next().empty();
  }
  for (std::string_view key = wanted.next(); !key.empty(); key = wanted.next()) {
    const std::string_view mine = member(document, key);
    if (mine.empty() || !equal_jsonb(mine, wanted.next())) return false;
    count += 2;
  }
  return count_parts(document) == count;
}

bool contains_jsonb(std::string_view document, std::string_view value) {
  const bool object = kind_of(value) == Kind::object;
  if ((kind_of(document) == Kind::object) != object) return false;
  if (object) return contains_container(document, value);
  if (!is_scalar(value)) return !is_scalar(document) && contains_container(document, value);
  // At the top a scalar counts as an array of one.
  if (is_scalar(document)) return equal_jsonb(document, value);
  return any_item(document, [&](std::string_view item) { return equal_jsonb(item, value); });
}

bool has_key_jsonb(std::string_view document, std::string_view key) {
  std::string quoted;
  append_json_string(quoted, key);
  const auto is_key = [&](std::string_view item) {
    return kind_of(item) == Kind::string && same_string(item, quoted);
  };
  if (kind_of(document) == Kind::object) return !member(document, quoted).empty();
  return kind_of(document) == Kind::array ? any_item(document, is_key) : is_key(document);
}

std::optional<std::string_view> step_into_jsonb(std::string_view document, const PathStep& step) {
  if (!step.position) {
    std::string quoted;
    append_json_string(quoted, step.key);
    const std::string_view found =
        kind_of(document) == Kind::object ? member(document, quoted) : std::string_view();
    return found.empty() ? std::nullopt : std::optional(found);
  }
  if (kind_of(document) == Kind::object) return std::nullopt;
  std::int64_t place = parse_i64(step.key).value_or(0);
  if (is_scalar(document)) {
    return place == 0 || place == -1 ? std::optional(document)
                                     : std::nullopt;  // an array of one, to Postgres
  }
  if (place < 0) place += static_cast<std::int64_t>(count_parts(document));
  if (place < 0) return std::nullopt;
  Parts items(document);
  for (std::string_view item = items.next(); !item.empty(); item = items.next()) {
    if (place-- == 0) return item;
  }
  return std::nullopt;
}

std::optional<std::string> text_of_jsonb(std::string_view value) {
  if (value == "null") return std::nullopt;
  return kind_of(value) == Kind::string ? unescaped(value) : std::string(value);
}

}  // namespace tidegate::query
