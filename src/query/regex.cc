#include "query/regex.h"

#include <re2/re2.h>

#include <utility>

#include "query/regex_tree.h"

namespace tidegate::query {
namespace {

/// Of one expression's program and the states that texts have led it to; beyond it RE2 forgets states.
constexpr std::int64_t kMemoryMax = 256 * 1024;

RE2::Options options() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingUTF8);
  options.set_dot_nl(true);
  options.set_never_capture(true);
  options.set_log_errors(false);
  options.set_max_mem(kMemoryMax);
  return options;
}

}  // namespace

struct Regex::Engine {
  explicit Engine(std::string_view pattern)
      : re(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
  RE2 re;
};

Result<std::string> canonical_regex(std::string_view pattern, bool fold, bool ascii_classes) {
  auto tree = parse_regex(pattern, ascii_classes);
  if (!tree) return tree.error();
  if (fold) ignore_case(*tree);
  std::string text = regex_text(*tree);
  // Folded it may be larger than what may be read; whoever gets it reads it again.
  if (auto again = parse_regex(text, ascii_classes); !again) return again.error();
  return text;
}

std::string prefix_of_regex(std::string_view canonical) {
  const auto tree = parse_regex(canonical, false);
  return tree ? regex_prefix(*tree) : std::string();
}

Result<std::shared_ptr<const Regex>> Regex::compile(std::string_view canonical) {
  auto engine = std::make_unique<Engine>(canonical);
  if (!engine->re.ok()) {
    return Error{Fault::invalid, "the regular expression is not supported: " + engine->re.error()};
  }
  return std::shared_ptr<const Regex>(new Regex(std::move(engine)));
}

Regex::Regex(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
Regex::~Regex() = default;

bool Regex::matches(std::string_view text) const {
  const re2::StringPiece piece(text.data(), text.size());
  return engine_->re.Match(piece, 0, piece.size(), RE2::UNANCHORED, nullptr, 0);
}

}  // namespace tidegate::query
