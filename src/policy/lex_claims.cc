#include <fmt/format.h>

#include <algorithm>

#include "policy/claims.h"

namespace tidegate::policy {
namespace {

constexpr std::string_view kClaims = "$claims";

bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80u) != 0;
}
bool continues_word(char c) {
  return begins_word(c) || (c >= '0' && c <= '9');
}

/// Walks a text as Postgres's lexer would, as far as that says where claims can't be.
class ClaimLexer {
 public:
  explicit ClaimLexer(std::string_view text) : text_(text) { lexed_.sql = text; }

  Result<Lexed> lex() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'') {
        pass_quoted(c, false);
      } else if (c == '"') {
        pass_quoted(c, false);
      } else if (rest().starts_with("--")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (rest().starts_with("/*")) {
        pass_comment();
      } else if (begins_word(c)) {
        pass_word();
      } else if (c == '$') {
        if (auto status = take_claim(); !status) return status.error();
      } else {
        ++at_;
      }
    }
    return std::move(lexed_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }

  /// A quote that is doubled ends one and begins another, which comes to the same.
  void pass_quoted(char quote, bool backslashes) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (backslashes && text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  void pass_comment() {
    int depth = 0;
    do {
      const bool opens = rest().starts_with("/*");
      const bool closes = rest().starts_with("*/");
      depth += opens ? 1 : closes ? -1 : 0;
      at_ += opens || closes ? 2 : 1;
    } while (depth > 0 && at_ < text_.size());
  }

  void pass_word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (continues_word(text_[at_]) || text_[at_] == '$')) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if ((word == "e" || word == "E") && at_ < text_.size() && text_[at_] == '\'') pass_quoted('\'', true);
  }

  Status take_claim() {
    const std::size_t begin = at_;
    const auto refused = [&](std::string_view what) {
      return Error{Fault::invalid, fmt::format("{} (at byte {})", what, begin)};
    };
    if (!rest().starts_with(kClaims))
      return refused("`$` begins a claim, as in $claims.sub, and nothing else");
    at_ += kClaims.size();
    ClaimName name{std::string(kClaims), {}};
    while (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      auto step = take_step();
      if (!step) return refused("a claim's name is letters, digits and _, or anything in double quotes");
      name.path.push_back(std::move(*step));
    }
    if (name.path.empty()) return refused("$claims needs a name behind it, as in $claims.sub");
    name.text = text_.substr(begin, at_ - begin);
    put_number(begin, std::move(name));
    return {};
  }

  std::optional<std::string> take_step() {
    std::string step;
    if (at_ < text_.size() && text_[at_] == '"') {
      while (at_ < text_.size() && text_[at_] == '"') {
        const std::size_t end = text_.find('"', at_ + 1);
        if (end == std::string_view::npos) return std::nullopt;
        step += text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        if (at_ < text_.size() && text_[at_] == '"') step += '"';
      }
      return step.empty() ? std::nullopt : std::optional(step);
    }
    if (at_ >= text_.size() || !begins_word(text_[at_])) return std::nullopt;
    for (; at_ < text_.size() && continues_word(text_[at_]); ++at_) step += text_[at_];
    return step;
  }

  /// Blanks fill it up, so that places stay where they were.
  void put_number(std::size_t begin, ClaimName name) {
    const auto known = std::find_if(lexed_.claims.begin(), lexed_.claims.end(),
                                    [&](const ClaimName& one) { return one.text == name.text; });
    const auto number = known - lexed_.claims.begin() + 1;
    if (known == lexed_.claims.end()) lexed_.claims.push_back(std::move(name));
    std::string parameter = fmt::format("${}", number);
    parameter.resize(at_ - begin, ' ');
    lexed_.sql.replace(begin, at_ - begin, parameter);
  }

  const std::string_view text_;
  Lexed lexed_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Lexed> lex_claims(std::string_view text) {
  return ClaimLexer(text).lex();
}

}  // namespace tidegate::policy
