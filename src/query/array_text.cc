#include "query/array_text.h"

#include <algorithm>
#include <cstddef>

#include "base/encoding.h"

namespace tidegate::query {
namespace {

bool is_null(std::string_view text) {
  return text.size() == 4 && (text[0] | 0x20) == 'n' && (text[1] | 0x20) == 'u' && (text[2] | 0x20) == 'l' &&
         (text[3] | 0x20) == 'l';
}

/// One pass over the text, a depth counter instead of recursion. Takes what array_out prints, and as array_in
/// does blanks around elements and NULL in any case, which array_out never prints outside quotes. `Sink` is
/// told of every brace, comma and element, and may end the reading.
template <class Sink>
class ArrayReader {
 public:
  ArrayReader(Sink& sink, std::string_view text) : sink_(sink), text_(text) {}

  bool read() {
    // Bounds that don't begin at 1 are printed before the values; nothing here has a place for them.
    if (text_.starts_with('[')) text_.remove_prefix(std::min(text_.find('=') + 1, text_.size()));
    do {
      if (!read_value()) return false;
    } while (!ended_ && read_rest_of_level());
    return ended_ || (depth_ == 0 && at_ == text_.size());
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_blanks() {
    while (peek() == ' ') ++at_;
  }

  /// A `{`, whose first element comes next, or an element.
  bool read_value() {
    skip_blanks();
    while (peek() == '{') {
      sink_.mark('[');
      ++at_;
      ++depth_;
      skip_blanks();
      if (peek() == '}') return true;  // `{}`
    }
    if (depth_ == 0) return false;
    return peek() == '"' ? read_quoted() : read_plain();
  }

  /// Closes what ends here. True where a comma says that a value follows.
  bool read_rest_of_level() {
    skip_blanks();
    while (depth_ > 0 && peek() == '}') {
      sink_.mark(']');
      ++at_;
      --depth_;
      skip_blanks();
    }
    if (depth_ == 0 || peek() != ',') return false;
    sink_.mark(',');
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
    ended_ = !sink_.element(value);
    return true;
  }

  bool read_plain() {
    const std::size_t end = std::min(text_.find_first_of(",}{\"\\", at_), text_.size());
    std::string_view value = text_.substr(at_, end - at_);
    value = value.substr(0, value.find_last_not_of(' ') + 1);
    if (value.empty()) return false;
    at_ = end;
    ended_ = !(is_null(value) ? sink_.element(std::nullopt) : sink_.element(value));
    return true;
  }

  Sink& sink_;
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool ended_ = false;
};

struct JsonSink {
  std::string& out;
  Type type;
  void mark(char c) { out += c; }
  bool element(std::optional<std::string_view> value) {
    if (value) {
      append_scalar_json(out, type, *value);
    } else {
      out += "null";
    }
    return true;
  }
};

struct ElementSink {
  const std::function<bool(std::optional<std::string_view>)>& element;
  void mark(char) {}
};

}  // namespace

bool for_each_element(std::string_view text,
                      const std::function<bool(std::optional<std::string_view>)>& element) {
  ElementSink sink{element};
  return ArrayReader(sink, text).read();
}

void append_array_json(std::string& out, Type element, std::string_view text) {
  JsonSink sink{out, element};
  const std::size_t before = out.size();
  if (ArrayReader(sink, text).read()) return;
  out.resize(before);
  append_json_string(out, text);
}

}  // namespace tidegate::query
