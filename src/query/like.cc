#include "query/like.h"

#include <algorithm>
#include <cctype>

namespace tidegate::query {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u;
}
std::size_t character_end(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size() && continues(text[at])) ++at;
  return at;
}

/// Writes a pattern; holds wildcards back until something else comes.
class PatternWriter {
 public:
  void wildcard(char c) {
    if (c == '_') ++ones_;
    many_ = many_ || c == '%';
  }
  void literal(std::string_view character) {
    flush();
    if (character == "%" || character == "_" || character == "\\") out_ += '\\';
    out_ += character;
  }
  std::string take() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    out_.append(ones_, '_');
    if (many_) out_ += '%';
    ones_ = 0;
    many_ = false;
  }
  std::string out_;
  std::size_t ones_ = 0;
  bool many_ = false;
};

}  // namespace

std::optional<std::string> canonical_like(std::string_view pattern, std::string_view escape) {
  if (!escape.empty() && character_end(escape, 0) != escape.size()) return std::nullopt;
  PatternWriter writer;
  for (std::size_t at = 0; at < pattern.size();) {
    std::size_t end = character_end(pattern, at);
    std::string_view character = pattern.substr(at, end - at);
    if (!escape.empty() && character == escape) {
      if (end == pattern.size()) return std::nullopt;
      at = end;
      end = character_end(pattern, at);
      writer.literal(pattern.substr(at, end - at));
    } else if (character == "%" || character == "_") {
      writer.wildcard(character.front());
    } else {
      writer.literal(character);
    }
    at = end;
  }
  return writer.take();
}

std::optional<PlainPattern> plain_pattern(std::string_view canonical) {
  PlainPattern plain;
  for (std::size_t at = 0; at < canonical.size(); ++at) {
    if (canonical[at] == '_') return std::nullopt;
    if (canonical[at] == '%') {
      plain.prefix = at + 1 == canonical.size();
      if (!plain.prefix) return std::nullopt;
      continue;
    }
    if (canonical[at] == '\\' && ++at == canonical.size()) return std::nullopt;
    plain.text += canonical[at];
  }
  return plain;
}

std::optional<std::string> like_of_regex(std::string_view pattern) {
  constexpr std::string_view kSpecial = "*+?{}[]()|^$";
  PatternWriter writer;
  const bool from_start = pattern.starts_with('^');
  if (from_start) pattern.remove_prefix(1);
  if (!from_start) writer.wildcard('%');
  bool to_end = false;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    std::size_t end = character_end(pattern, at);
    if (c == '$' && end == pattern.size()) {
      to_end = true;
    } else if (c == '.') {
      const char next = end < pattern.size() ? pattern[end] : '\0';
      if (next != '*') writer.wildcard('_');
      if (next == '*' || next == '+') {
        writer.wildcard('%');
        ++end;
        // A second quantifier is none that we know: `.*?`, `.+*`.
      }
    } else if (c == '\\') {
      const std::string_view escaped =
          pattern.substr(end, end < pattern.size() ? character_end(pattern, end) - end : 0);
      const bool plain =
          escaped.size() == 1 && std::ispunct(static_cast<unsigned char>(escaped.front())) != 0;
      if (!plain) return std::nullopt;
      writer.literal(escaped);
      ++end;
    } else if (kSpecial.find(c) != std::string_view::npos) {
      return std::nullopt;
    } else {
      writer.literal(pattern.substr(at, end - at));
    }
    at = end;
  }
  if (!to_end) writer.wildcard('%');
  return writer.take();
}

bool like(std::string_view text, std::string_view pattern, bool fold) {
  std::size_t at = 0;
  std::size_t wanted = 0;
  std::size_t after_many = std::string_view::npos;  // in the pattern, behind the last % that was passed
  std::size_t tried = 0;                            // in the text, where what stands behind it was tried last
  for (;;) {
    bool fits = false;
    if (wanted < pattern.size() && pattern[wanted] == '%') {
      after_many = ++wanted;
      tried = at;
      continue;
    }
    if (at == text.size()) {
      if (wanted == pattern.size()) return true;
    } else if (wanted < pattern.size()) {
      if (pattern[wanted] == '_') {
        at = character_end(text, at);
        ++wanted;
        continue;
      }
      const std::size_t literal = pattern[wanted] == '\\' ? wanted + 1 : wanted;
      fits = literal < pattern.size() && (fold ? lower(text[at]) : text[at]) == pattern[literal];
      if (fits) {
        ++at;
        wanted = literal + 1;
        continue;
      }
    }
    // Let the last % take one character more; earlier ones need never give way.
    if (after_many == std::string_view::npos || tried >= text.size()) return false;
    tried = character_end(text, tried);
    at = tried;
    wanted = after_many;
  }
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

}  // namespace tidegate::query
