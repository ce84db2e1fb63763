#include "query/array_json.h"

#include <algorithm>
#include <cstddef>

#include "base/encoding.h"

namespace tidegate::query {
namespace {

/// One pass over the text, a depth counter instead of recursion. Fails on anything that array_out would not
/// print.
class ArrayReader {
 public:
  ArrayReader(std::string& out, Type element, std::string_view text)
      : out_(out), element_(element), text_(text) {}

  bool read() {
    do {
      if (!read_value()) return false;
    } while (read_rest_of_level());
    return depth_ == 0 && at_ == text_.size();
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  /// A `{`, whose first element comes next, or an element.
  bool read_value() {
    while (peek() == '{') {
      out_ += '[';
      ++at_;
      ++depth_;
      if (peek() == '}') return true;  // `{}`
    }
    if (depth_ == 0) return false;
    return peek() == '"' ? read_quoted() : read_plain();
  }

  /// Closes what ends here. True where a comma says that a value follows.
  bool read_rest_of_level() {
    while (depth_ > 0 && peek() == '}') {
      out_ += ']';
      ++at_;
      --depth_;
    }
    if (depth_ == 0 || peek() != ',') return false;
    out_ += ',';
    ++at_;
    return true;
  }

  bool read_quoted() {
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && ++at_ == text_.size()) return false;
      value += text_[at_];
    }
    if (at_ == text_.size()) return false;
    ++at_;
    append_scalar_json(out_, element_, value);
    return true;
  }

  bool read_plain() {
    const std::size_t end = std::min(text_.find_first_of(",}{\"\\", at_), text_.size());
    const std::string_view value = text_.substr(at_, end - at_);
    if (value.empty()) return false;
    at_ = end;
    if (value == "NULL") {
      out_ += "null";
    } else {
      append_scalar_json(out_, element_, value);
    }
    return true;
  }

  std::string& out_;
  const Type element_;
  const std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

void append_array_json(std::string& out, Type element, std::string_view text) {
  std::string_view body = text;
  // Bounds that don't begin at 1 are printed before the values; JSON has no place for them.
  if (body.starts_with('[')) body.remove_prefix(std::min(body.find('=') + 1, body.size()));
  const std::size_t before = out.size();
  if (ArrayReader(out, element, body).read()) return;
  out.resize(before);
  append_json_string(out, text);
}

}  // namespace tidegate::query
