#include "postgres/random_predicates.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace tidegate::postgres {
namespace {

using Strings = std::vector<std::string>;

const Strings kNullTests = {"is null", "is not null"};
const Strings kEquality = {"=",          "<>",          "in",
                           "not in",     "is distinct", "is not distinct",
                           "= column",   "<> column",   "distinct column",
                           "= any list", "<> all list"};
const Strings kOrder = {"<", "<=", ">", ">=", "between", "not between", "< column", ">= column", "mirrored"};
const Strings kPatterns = {"like", "not like", "like escape", "starts_with",
                           "~",    "!~",       "~ regex",     "!~ regex"};
const Strings kArrays = {"= any", "<> all", "@>", "<@", "&&"};
const Strings kJsonb = {"@>",       "?",     "->",           "->>", "-> =", "->> =", "->> in",
                        "->> like", "-> @>", "->> distinct", "=",   "<>",   "in"};
const Strings kArithmetic = {"+ arithmetic",  "- arithmetic",      "* arithmetic",       "% arithmetic",
                             "negated",       "arithmetic column", "arithmetic in",      "arithmetic between",
                             "arithmetic is", "arithmetic null",   "constant arithmetic"};
const Strings kTruths = {"bare",         "is true",    "is not true",   "is false",
                         "is not false", "is unknown", "is not unknown"};

Strings joined(std::initializer_list<Strings> lists) {
  Strings all = kNullTests;
  for (const Strings& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

std::vector<Kind> make_kinds() {
  const Strings ordered = joined({kEquality, kOrder});
  const Strings computed = joined({kEquality, kOrder, kArithmetic});
  const Strings whole = joined({kEquality, kOrder, kArithmetic, {"/ arithmetic"}});
  Strings ascii = joined({kEquality, kOrder, kPatterns});
  ascii.insert(ascii.end(),
               {"ilike", "not ilike", "~*", "!~*", "~* regex", "!~* regex", "~ class", "~* class"});
  const Strings texts = {"",           "a",      "A",      "aa",      "ab",           "abc",        "a%",
                         "a_c",        "b",      "\u00e9", "e\u0301", "\u65e5\u672c", "\U0001F600", "\uffff",
                         "\U0010ffff", "\"",     "\\",     "'",       "\t\n\r",       " a ",        "%",
                         "_",          "NULL",   "$1",     "\x7f",    "\x01",         "\u0130",     "K",
                         "k",          "\u212a", "ABC",    "\u00df"};
  std::vector<Kind> all = {
      {"small", "int2", "", {"-32768", "-1", "0", "1", "9", "10", "32767"}, whole},
      {"count", "int4", "", {"-2147483648", "-10", "0", "2", "10", "2147483647"}, whole},
      {"big", "int8", "", {"-9223372036854775808", "0", "9007199254740993", "9223372036854775807"}, whole},
      {"price",
       "numeric(10,2)",
       "",
       {"0", "-0.01", "0.01", "1.50", "2", "99999999.99", "-99999999.99", "NaN", "10.00"},
       computed},
      {"mass",
       "numeric(30,12)",
       "",
       {"0", "0.000000000001", "-1.5", "999999999999999999.999999999999", "NaN", "7"},
       computed},
      {"total",
       "numeric",
       "",
       {"0", "-0.000", "1", "1.0", "1.00", "1e3", "1000", "-1.10", "-1.1", "0.1", "NaN", "Infinity",
        "-Infinity", "123456789012345678901234567890.123456789", "123456789012345678901234567890.1234567891",
        "0.00000000000000000000000000000000000001", "99999999999999999999999999999999999999"},
       ordered},
      {"ratio",
       "float8",
       "",
       {"0", "-0", "0.1", "1e300", "-5e-324", "NaN", "Infinity", "-Infinity", "1e15", "1e16",
        "0.30000000000000004", "0.3", "1.7976931348623157e308"},
       ordered},
      {"real",
       "float4",
       "",
       {"0", "-0", "0.1", "3.4e38", "1e-45", "NaN", "Infinity", "-Infinity", "16777217", "16777216", "0.5"},
       ordered},
      {"title", "text collate \"C\"", "", texts, ascii},
      {"note", "text", "", texts, joined({kEquality, kOrder, kPatterns})},
      {"local", "text collate \"en-x-icu\"", "", texts, joined({kEquality, kPatterns})},
      {"label",
       "varchar(30)",
       "",
       {"", "a", "a ", "A", "1", "\u00df", "ss", "\ufb01", "ab%", "\\"},
       joined({kEquality, kOrder, kPatterns})},
      {"fixed",
       "char(5) collate \"C\"",
       "",
       {"", "a", "ab", "ab   ", "\u00e9", " ab", "b", "a\t"},
       joined({kEquality, kOrder, {"like", "not like", "like escape"}})},
      {"done", "bool", "", {"t", "f"}, joined({kEquality, kOrder, kTruths})},
      {"ref",
       "uuid",
       "",
       {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "123e4567-e89b-12d3-a456-426614174000", "0fffffff-0000-0000-0000-000000000000"},
       ordered},
      {"day",
       "date",
       "",
       {"infinity", "-infinity", "4714-11-24 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01",
        "1999-12-31", "2000-01-01", "2024-02-29", "9999-12-31", "10000-01-01", "5874897-12-31"},
       ordered},
      {"tod",
       "time",
       "",
       {"00:00:00", "23:59:59.999999", "24:00:00", "12:00:00", "12:00:00.5", "12:00:00.50", "12:00"},
       ordered},
      {"at",
       "timestamp",
       "",
       {"infinity", "-infinity", "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00.5 BC", "0001-01-01 00:00:00",
        "1999-12-31 23:59:59.999999", "2000-01-01 00:00:00", "2024-02-29 12:00:00.1",
        "2024-02-29 12:00:00.10", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999"},
       ordered},
      {"made",
       "timestamptz",
       "",
       {"infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00+00 BC",
        "1999-12-31 23:59:59.999999+00", "2000-01-01 00:00:00+00", "2024-02-29 12:00:00+00",
        "2024-02-29 14:00:00+02", "2024-02-29 06:30:00-05:30", "294276-12-31 23:59:59.999999+00"},
       ordered},
      {"span",
       "interval",
       "",
       {"00:00:00", "1 mon", "30 days", "720:00:00", "1 year", "360 days", "12 mons", "-1 days", "-24:00:00",
        "1 day -00:00:01", "23:59:59", "1 year 2 mons -3 days 04:05:06.7", "178956970 years 7 mons",
        "-178956970 years -8 mons", "1 week", "2 hours 3 minutes", "00:00:00.000001", "-2147483648 days"},
       ordered},
      {"raw", "bytea", "", {"\\x", "\\x00", "\\x00ff27", "\\x00ff", "\\xff", "\\xABCD"}, ordered},
      {"mood", "mood", "", {"low", "the \"high\" one", "it's"}, joined({kEquality})},
      {"doc",
       "jsonb",
       "",
       {"null",
        "1",
        "1.0",
        "1.50",
        "\"a\"",
        "\"\"",
        "true",
        "[]",
        "{}",
        "[1]",
        "[1, 2, 1]",
        "[[1], 2]",
        "[\"a\", \"b\"]",
        "{\"a\": 1}",
        "{\"a\": 1.0, \"b\": null}",
        "{\"a\": {\"b\": [1, 2, {\"c\": \"x\"}]}}",
        "{\"a\": [\"a\", {}]}",
        "{\"a\": \"\u00e9\\n\\u0001\\\"\"}",
        "{\"a\": null}",
        "{\"\": 1}",
        "[null]",
        "[{\"a\": 1}, {\"b\": 2}]",
        "1e50",
        "{\"a\": \"b\"}",
        "{\"b\": \"a\", \"aa\": 1, \"a\": true}"},
       joined({kJsonb})},
  };
  for (const std::string element :
       {"small", "count", "big", "total", "price", "ratio", "real", "title", "note", "local", "label",
        "fixed", "done",  "ref", "day",   "tod",   "at",    "made", "span",  "raw",  "mood",  "doc"}) {
    const auto of =
        std::find_if(all.begin(), all.end(), [&](const Kind& kind) { return kind.name == element; });
    std::string declared = of->declared;
    const std::size_t collation = declared.find(" collate");
    if (collation == std::string::npos) {
      declared += "[]";
    } else {
      declared.insert(collation, "[]");
    }
    all.push_back({element + "s", declared, element, {"{}", "{NULL}"}, joined({kArrays})});
  }
  return all;
}

std::string digits(Random& random, std::size_t count) {
  std::string text;
  for (; count > 0; --count) text += static_cast<char>('0' + (random.one_in(3) ? random.below(10) : 0));
  return text;
}

std::string random_numeric(Random& random) {
  std::string text = random.one_in(2) ? "-" : "";
  text += digits(random, 1 + random.below(random.one_in(5) ? 400 : 4));
  if (random.one_in(2)) text += "." + digits(random, 1 + random.below(random.one_in(5) ? 300 : 4));
  return text;
}

std::string random_jsonb(Random& random, int depth) {
  static const Strings kScalars = {"null", "true", "false", "0",     "1",     "1.0",   "-2",
                                   "10",   "1e2",  "\"\"",  "\"a\"", "\"b\"", "\"A\"", "\"\u00e9\""};
  static const Strings kNames = {"a", "b", "c", "aa", ""};
  if (depth == 0 || random.one_in(3)) return random.of(kScalars);
  const bool array = random.one_in(2);
  std::string out = array ? "[" : "{";
  for (std::size_t left = random.below(4); left > 0; --left) {
    if (!array) out += "\"" + random.of(kNames) + "\": ";
    out += random_jsonb(random, depth - 1) + (left > 1 ? ", " : "");
  }
  return out + (array ? "]" : "}");
}

std::string array_element(const std::string& value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

const Kind& kind_named(const std::string& name) {
  return *std::find_if(kinds().begin(), kinds().end(), [&](const Kind& kind) { return kind.name == name; });
}

std::string random_array(const Kind& kind, Random& random) {
  const Kind& element = kind_named(kind.element);
  const std::size_t count = random.below(4);
  const bool nested = random.one_in(8);
  std::string out = nested ? "{{" : "{";
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ",";
    out += random.one_in(5) ? "NULL" : array_element(random_value(element, random));
  }
  if (nested && count == 0) return "{}";
  return out + (nested ? "}}" : "}");
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

bool is_number(const Kind& kind) {
  return kind.name == "small" || kind.name == "count" || kind.name == "big" || kind.name == "total" ||
         kind.name == "ratio" || kind.name == "price" || kind.name == "mass";
}

/// The name of the type alone.
std::string type_of(const Kind& kind) {
  return kind.declared.substr(0, kind.declared.find_first_of(" ("));
}

/// A literal and other spellings of the same.
Strings literals(const Kind& kind, const std::string& value) {
  Strings all = {quoted(value)};
  const bool finite = value.find_first_not_of("-0123456789.") == std::string::npos;
  if (is_number(kind) && finite) {
    all.push_back(value);
    if (kind.name != "ratio" || value.size() < 15)
      all.push_back(value + (value.find('.') == std::string::npos ? ".0" : "0"));
  }
  if (kind.name == "done") all.push_back(value == "t" ? "true" : "false");
  if (kind.name == "ref") {
    std::string upper = value;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    all.push_back(quoted(upper));
  }
  const bool castable =
      kind.name != "mood" && kind.name != "fixed" && kind.name != "label" && kind.name != "local";
  if (castable) all.push_back(quoted(value) + "::" + type_of(kind));
  return all;
}

std::string any_literal(const Kind& kind, Random& random) {
  return random.of(literals(kind, random_value(kind, random)));
}

std::string pattern(const Kind& kind, Random& random, char escape) {
  static const Strings kParts = {"%", "_", "a", "b", "A", "%%", "\u00e9", "c", "k", "K", " "};
  std::string out;
  if (random.one_in(3)) {
    for (char c : random_value(kind, random)) {
      if (c == '%' || c == '_' || c == escape) out += escape;
      out += c;
    }
  }
  for (std::size_t left = random.below(5); left > 0; --left) {
    out += random.of(kParts);
    if (random.one_in(8))
      out += std::string(1, escape) + random.of(Strings{"%", "_", "a", std::string(1, escape)});
  }
  return out;
}

Node leaf(Strings spellings) {
  return {"", {}, std::move(spellings)};
}

/// `prefix <each spelling of a literal>`.
Node against(const std::string& prefix, const Kind& kind, const std::string& value,
             const std::string& suffix = "") {
  Strings spellings;
  for (const std::string& literal : literals(kind, value)) spellings.push_back(prefix + literal + suffix);
  return leaf(std::move(spellings));
}

Node list_leaf(const std::string& column, const Kind& kind, const std::string& op, Random& random) {
  Strings values;
  // A cast to these is refused, so their arrays are one string.
  const bool of_text = kind.name == "mood" || kind.name == "fixed" || kind.name == "label";
  const bool any_text = of_text && (op.starts_with("=") || op.starts_with("<>"));
  for (std::size_t left = 1 + random.below(4); left > 0; --left) {
    values.push_back(any_text ? array_element(random_value(kind, random)) : any_literal(kind, random));
  }
  const bool any = op.starts_with("=") || op.starts_with("<>");
  const auto text = [&] {
    std::string list;
    for (const std::string& value : values) list += (list.empty() ? "" : ", ") + value;
    if (any && of_text)
      return column + (op.starts_with("=") ? " = any (" : " <> all (") + quoted("{" + list + "}") + ")";
    if (any)
      return column + (op.starts_with("=") ? " = any (array[" : " <> all (array[") + list +
             "]::" + type_of(kind) + "[])";
    return column + " " + op + " (" + list + ")";
  };
  Strings spellings = {text()};
  std::reverse(values.begin(), values.end());
  values.push_back(values.front());
  spellings.push_back(text());
  return leaf(std::move(spellings));
}

Node array_leaf(const Columns& columns, const std::string& op, Random& random) {
  const Kind& element = kind_named(columns.kind->element);
  const std::string value = any_literal(element, random);
  if (op == "= any") return leaf({value + " = any (" + columns.left + ")"});
  if (op == "<> all") return leaf({value + " <> all (" + columns.left + ")"});
  Strings values;
  for (std::size_t left = 1 + random.below(2); left > 0; --left)
    values.push_back(random_value(element, random));
  const auto text = [&] {
    std::string list;
    for (const std::string& one : values) list += (list.empty() ? "" : ",") + array_element(one);
    return quoted("{" + list + "}");
  };
  const auto whole = [&] {
    return op == "<@" ? text() + " <@ " + columns.left : columns.left + " " + op + " " + text();
  };
  Strings spellings = {whole()};
  std::reverse(values.begin(), values.end());
  values.push_back(values.front());
  spellings.push_back(whole());
  return leaf(std::move(spellings));
}

Node jsonb_leaf(const Columns& columns, const std::string& op, Random& random) {
  static const Strings kSteps = {"'a'", "'b'", "0", "-1", "1", "''", "'aa'"};
  const auto value = [&] {
    return quoted(random.one_in(2) ? random_value(*columns.kind, random) : random_jsonb(random, 1));
  };
  std::string path = columns.left;
  for (std::size_t left = random.below(3); left > 0; --left) path += " -> " + random.of(kSteps);
  const std::string part = "(" + path + " -> " + random.of(kSteps) + ")";
  const std::string text = "(" + path + " ->> " + random.of(kSteps) + ")";
  const auto string = [&] {
    return quoted(random.of(Strings{"a", "b", "1", "1.0", "true", "x", "", "[1]", "\u00e9", "{\"a\": 1}"}));
  };
  if (op == "->") return leaf({part + (random.one_in(2) ? " is null" : " is not null")});
  if (op == "->>") return leaf({text + (random.one_in(2) ? " is null" : " is not null")});
  if (op == "-> =") return leaf({part + (random.one_in(2) ? " = " : " <> ") + value() + "::jsonb"});
  if (op == "->> =") return leaf({text + (random.one_in(2) ? " = " : " <> ") + string()});
  if (op == "->> in")
    return leaf({text + (random.one_in(2) ? " in (" : " not in (") + string() + ", " + string() + ")"});
  if (op == "->> like")
    return leaf({text + " like '" + random.of(Strings{"%a%", "_", "1%", "%", "", "%}"}) + "'"});
  if (op == "->> distinct") return leaf({text + " is distinct from " + string()});
  if (op == "-> @>") return leaf({part + " @> " + value()});
  if (op == "?") return leaf({columns.left + " ? " + string()});
  if (op == "in") return leaf({columns.left + " in (" + value() + ", " + value() + ")"});
  return leaf({columns.left + " " + op + " " + value()});
}

std::string regex(Random& random) {
  static const Strings kParts = {".",   ".*",   ".+", "a", "b",   "A", "k",      "\u00e9",
                                 "\\.", "\\\\", "%",  "_", "\\*", " ", "\u212a", "\n"};
  std::string out = random.one_in(3) ? "^" : "";
  for (std::size_t left = random.below(4); left > 0; --left) out += random.of(kParts);
  return out + (random.one_in(3) ? "$" : "");
}

/// Of the whole subset; `classes`: also those that only the collation C takes.
std::string whole_regex(Random& random, bool classes, int depth) {
  static const Strings kAtoms = {".",     "a",       "b",     "A",      "c",         "k",
                                 "K",     "\u00e9",  "\\.",   "\\\\",   " ",         "\\n",
                                 "\n",    "[ab]",    "[^ab]", "[a-c]",  "[^A-Za-z]", "[\u00e9-\u65e5]",
                                 "[]a-]", "[%_\\]]", "1",     "[^\\n]", "}",         "_",
                                 "[K-k]", "\u0130",  "[+--]", "(?:)"};
  static const Strings kClasses = {
      "\\d",         "\\w",          "\\s",          "\\D",         "\\W",          "\\S",
      "[[:alpha:]]", "[[:upper:]b]", "[^[:lower:]]", "[\\w.]",      "[^[:punct:]]", "[[:space:]\\d]",
      "[[:cntrl:]]", "[[:graph:]]",  "[[:print:]]",  "[[:alnum:]]", "[[:blank:]]",  "[[:xdigit:]]"};
  static const Strings kCounts = {"*",  "+",  "?",  "{2}",    "{1,}", "{0,2}",
                                  "*?", "+?", "??", "{1,3}?", "{0}",  "{1}"};
  std::string out;
  for (std::size_t branches = random.one_in(3) ? 2 : 1; branches > 0; --branches) {
    if (random.one_in(4)) out += "^";
    for (std::size_t left = 1 + random.below(3); left > 0; --left) {
      std::string atom = classes && random.one_in(2) ? random.of(kClasses) : random.of(kAtoms);
      if (depth > 0 && random.one_in(4)) {
        const std::string inside = whole_regex(random, classes, depth - 1);
        const bool anchored = inside.find('^') != std::string::npos || inside.find('$') != std::string::npos;
        out += (random.one_in(2) ? "(?:" : "(") + inside + ")" +
               (anchored || random.one_in(2) ? "" : random.of(kCounts));
        continue;
      }
      out += atom + (random.one_in(3) ? random.of(kCounts) : "");
    }
    if (random.one_in(4)) out += "$";
    if (branches > 1) out += random.one_in(6) ? "||" : "|";
  }
  return out;
}

Node regex_leaf(const std::string& column, const std::string& op, Random& random) {
  const std::string symbol = op.substr(0, op.find(' '));
  const std::string whole = whole_regex(random, op.ends_with("class"), 2);
  const std::string turned = symbol.starts_with("!") ? symbol.substr(1) : "!" + symbol;
  return leaf({column + " " + symbol + " " + quoted(whole),
               column + " " + symbol + " " + quoted("(" + whole + ")"),
               "not " + column + " " + turned + " " + quoted("(?:" + whole + ")")});
}

Node pattern_leaf(const Columns& columns, const std::string& op, Random& random) {
  const std::string& column = columns.left;
  if (op == "starts_with") {
    const std::string value = random_value(*columns.kind, random).substr(0, 2);
    const std::string whole = value.size() < 2 ? value : "a";
    return leaf({"starts_with(" + column + ", " + quoted(whole) + ")", column + " ^@ " + quoted(whole)});
  }
  if (op == "like escape") {
    const std::string text = pattern(*columns.kind, random, '!');
    return leaf({column + " like " + quoted(text) + " escape '!'"});
  }
  if (op.ends_with("regex") || op.ends_with("class")) return regex_leaf(column, op, random);
  if (op.find('~') != std::string::npos) return leaf({column + " " + op + " " + quoted(regex(random))});
  const std::string text = quoted(pattern(*columns.kind, random, '\\'));
  const bool fold = op.ends_with("ilike");
  const std::string symbol = std::string(op.starts_with("not") ? "!" : "") + (fold ? "~~*" : "~~");
  return leaf({column + " " + op + " " + text, column + " " + symbol + " " + text});
}

bool is_fraction(const Kind& kind) {
  return kind.name == "price" || kind.name == "mass";
}

/// A column in a type that has room for what is computed; `deep`: for more than one step.
std::string roomy(const Kind& kind, const std::string& column, bool deep) {
  if (is_fraction(kind)) return column;
  if (deep || kind.name == "big") return column + "::numeric";
  return column + (kind.name == "small" ? "::int" : "::bigint");
}

std::string constant(const Kind& kind, Random& random) {
  static const Strings kWhole = {"1", "2", "-3", "7", "10", "100", "(2 * 3)", "(-(4))"};
  static const Strings kFractions = {"0.5", "1.25", "-2.75", "10", "(0.1 * 3)"};
  return random.of(is_fraction(kind) && random.one_in(2) ? kFractions : kWhole);
}

/// Two spellings of an expression over the columns.
std::pair<std::string, std::string> expression(const Columns& columns, const std::string& op,
                                               Random& random) {
  const Kind& kind = *columns.kind;
  const std::string symbol = op.substr(0, 1);
  if (symbol == "/" || symbol == "%") {
    const std::string divisor = random.of(Strings{"2", "3", "-7", "10"});
    const bool fraction = symbol == "%" && is_fraction(kind) && random.one_in(2);
    const std::string text = columns.left + " " + symbol + " " + (fraction ? "0.7" : divisor);
    return {text, "(" + text + ")"};
  }
  if (op == "negated") {
    const std::string column = roomy(kind, columns.left, false);
    return {"-" + column, "- (+" + column + ")"};
  }
  const bool deep = random.one_in(3);
  const std::string left = roomy(kind, columns.left, deep);
  const std::string right = random.one_in(2) ? roomy(kind, columns.right, deep) : constant(kind, random);
  const std::string sign = symbol == "a" ? random.of(Strings{"+", "-", "*"}) : symbol;
  const bool turns = sign != "-";
  const std::string text = left + " " + sign + " " + right;
  const std::string turned = turns ? right + " " + sign + " " + left : text;
  if (!deep) return {text, turned};
  const std::string more = constant(kind, random);
  return {"(" + text + ") * " + more, more + " * (" + turned + ")"};
}

std::string compared_value(const Kind& kind, Random& random) {
  const std::string value = random_value(kind, random);
  return value == "NaN" ? "'NaN'" : value;
}

Node arithmetic_leaf(const Columns& columns, const std::string& op, Random& random) {
  const Kind& kind = *columns.kind;
  const auto [one, other] = expression(columns, op, random);
  const std::string value = compared_value(kind, random);
  if (op == "arithmetic column")
    return leaf({one + " < " + columns.right, columns.right + " > " + other,
                 "not " + other + " >= " + columns.right});
  if (op == "arithmetic in") {
    const std::string second = compared_value(kind, random);
    return leaf({one + " in (" + value + ", " + second + ")", other + " in (" + second + ", " + value + ")"});
  }
  if (op == "arithmetic between") {
    const std::string high = compared_value(kind, random);
    return leaf({one + " between " + value + " and " + high,
                 "(" + other + " >= " + value + " and " + other + " <= " + high + ")"});
  }
  if (op == "arithmetic is")
    return leaf(
        {one + " is distinct from " + value, "not (" + other + " is not distinct from " + value + ")"});
  if (op == "arithmetic null") {
    const std::string sum = roomy(kind, columns.left, true) + " + " + roomy(kind, columns.right, true);
    return leaf({"(" + sum + ") is null", "(" + columns.left + " is null or " + columns.right + " is null)"});
  }
  if (op == "constant arithmetic")
    return leaf({columns.left + " > 4 * 3 - 13 / 2", columns.left + " > 6", "2 * 3 < " + columns.left});
  const std::string compare = random.of(Strings{"=", "<>", "<", "<=", ">", ">="});
  const std::string text = " " + compare + " " + value;
  return leaf({one + text, other + text});
}

Node compared_leaf(const Columns& columns, const std::string& op, Random& random) {
  const Kind& kind = *columns.kind;
  const std::string& column = columns.left;
  const std::string value = random_value(kind, random);
  if (op == "is distinct" || op == "is not distinct")
    return against(column + " " + op + " from ", kind, value);
  if (op == "= column") return leaf({column + " = " + columns.right, columns.right + " = " + column});
  if (op == "<> column") return leaf({column + " <> " + columns.right, columns.right + " != " + column});
  if (op == "< column")
    return leaf({column + " < " + columns.right, columns.right + " > " + column,
                 "not " + column + " >= " + columns.right});
  if (op == ">= column") return leaf({column + " >= " + columns.right, columns.right + " <= " + column});
  if (op == "distinct column") {
    return leaf(
        {column + (random.one_in(2) ? " is distinct from " : " is not distinct from ") + columns.right});
  }
  if (op == "mirrored")
    return leaf({any_literal(kind, random) + random.of(Strings{" < ", " >= ", " = "}) + column});
  if (op == "between" || op == "not between") {
    const std::string low = any_literal(kind, random);
    const std::string high = any_literal(kind, random);
    const std::string both = column + " >= " + low + " and " + column + " <= " + high;
    return leaf({column + " " + op + " " + low + " and " + high,
                 op == "between" ? "(" + both + ")" : "not (" + both + ")"});
  }
  if (op.ends_with("list") || op.ends_with("in")) return list_leaf(column, kind, op, random);
  return against(column + " " + op + " ", kind, value);
}

}  // namespace

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = make_kinds();
  return all;
}

std::string random_value(const Kind& kind, Random& random) {
  if (!kind.element.empty() && !random.one_in(5)) return random_array(kind, random);
  if (!random.one_in(3)) return random.of(kind.pool);
  if (kind.name == "total") return random_numeric(random);
  if (kind.name == "price" || kind.name == "mass")
    return fmt::format("{}.{:02}", static_cast<int>(random.below(40)) - 20, random.below(4) * 25);
  if (kind.name == "small" || kind.name == "count" || kind.name == "big")
    return std::to_string(static_cast<int>(random.below(40)) - 20);
  if (kind.name == "ratio")
    return fmt::format("{}", static_cast<double>(static_cast<int>(random.below(2000)) - 1000) / 7);
  if (kind.name == "doc") return random_jsonb(random, 3);
  if (kind.name == "title" || kind.name == "note" || kind.name == "local") {
    std::string text;
    for (std::size_t left = random.below(4); left > 0; --left) text += random.of(kind.pool);
    return text;
  }
  if (kind.name == "day" || kind.name == "at" || kind.name == "made") {
    const std::string day =
        fmt::format("20{:02}-{:02}-{:02}", random.below(100), 1 + random.below(12), 1 + random.below(28));
    if (kind.name == "day") return day;
    const std::string time = fmt::format("{} {:02}:{:02}:{:02}.{:03}", day, random.below(24),
                                         random.below(60), random.below(60), random.below(1000));
    return kind.name == "at"
               ? time
               : fmt::format("{}{}{:02}:30", time, random.one_in(2) ? "+" : "-", random.below(14));
  }
  if (kind.name == "span") {
    return fmt::format("{} mons {} days {:02}:00:00", static_cast<int>(random.below(4)) - 2,
                       static_cast<int>(random.below(100)) - 50, random.below(50));
  }
  return random.of(kind.pool);
}

Node random_leaf(const Columns& columns, const std::string& op, Random& random) {
  if (op == "is null" || op == "is not null") return leaf({columns.left + " " + op});
  if (op == "bare") return leaf({columns.left, columns.left + " = true", columns.left + " <> false"});
  if (op.starts_with("is ") && op.find("distinct") == std::string::npos)
    return leaf({columns.left + " " + op});
  if (!columns.kind->element.empty()) return array_leaf(columns, op, random);
  if (columns.kind->name == "doc") return jsonb_leaf(columns, op, random);
  if (op.find("arithmetic") != std::string::npos || op == "negated")
    return arithmetic_leaf(columns, op, random);
  if (op.find("like") != std::string::npos || op.find('~') != std::string::npos || op == "starts_with")
    return pattern_leaf(columns, op, random);
  return compared_leaf(columns, op, random);
}

Node random_tree(Node leaf, const std::vector<Columns>& columns, Random& random) {
  static const Strings kWraps = {"not",          "is true",    "is not true",   "is false",
                                 "is not false", "is unknown", "is not unknown"};
  Node tree = std::move(leaf);
  for (std::size_t left = random.below(5); left > 0; --left) {
    if (random.one_in(3)) {
      tree = Node{random.one_in(2) ? "not" : random.of(kWraps), {std::move(tree)}, {}};
      continue;
    }
    Node group{random.one_in(2) ? "and" : "or", {std::move(tree)}, {}};
    for (std::size_t more = 1 + random.below(2); more > 0; --more) {
      const Columns& other = random.of(columns);
      group.children.push_back(random_leaf(other, random.of(other.kind->ops), random));
    }
    tree = std::move(group);
  }
  return tree;
}

std::string spell(const Node& node, Random& random, bool original) {
  if (node.op.empty()) {
    const std::string text = original ? node.spellings.front() : random.of(node.spellings);
    return !original && random.one_in(4) ? "not (not (" + text + "))" : text;
  }
  if (node.op == "not") return "not (" + spell(node.children.front(), random, original) + ")";
  if (node.op != "and" && node.op != "or")
    return "(" + spell(node.children.front(), random, original) + ") " + node.op;
  std::vector<std::string> parts;
  for (const Node& child : node.children) parts.push_back("(" + spell(child, random, original) + ")");
  if (!original) {
    if (random.one_in(3)) parts.push_back(parts.front());
    std::shuffle(parts.begin(), parts.end(), random.engine());
    if (random.one_in(4)) {  // de Morgan
      std::string text;
      for (const std::string& part : parts)
        text += (text.empty() ? "" : node.op == "and" ? " or " : " and ") + ("not " + part);
      return "not (" + text + ")";
    }
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : " " + node.op + " ") + part;
  return text;
}

}  // namespace tidegate::postgres
