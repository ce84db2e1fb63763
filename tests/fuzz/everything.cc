#include "everything.h"

#include <map>

#include "base/utf8.h"
#include "input.h"

namespace tidegate::fuzz {
namespace {

using query::ColumnSchema;
using query::Type;

ColumnSchema column(std::string name, Type type, Type element = Type::other) {
  ColumnSchema column;
  column.name = std::move(name);
  column.type = type;
  column.element = element;
  column.declared = type == Type::enumeration ? "shop.mood"
                    : type == Type::array     ? std::string(query::type_name(element)) + "[]"
                    : type == Type::other     ? "point"
                                              : std::string(query::type_name(type));
  column.bytewise = column.ascii_case = true;
  return column;
}

std::shared_ptr<const query::TableSchema> make_table() {
  query::TableSchema table;
  table.schema = "public";
  table.name = "things";
  table.relation = 16384;
  table.columns = {column("id", Type::int8),
                   column("small", Type::int2),
                   column("count", Type::int4),
                   column("total", Type::numeric),
                   column("share", Type::float4),
                   column("ratio", Type::float8),
                   column("code", Type::text),
                   column("title", Type::text),
                   column("folded", Type::text),
                   column("label", Type::varchar),
                   column("fixed", Type::bpchar),
                   column("done", Type::boolean),
                   column("ref", Type::uuid),
                   column("day", Type::date),
                   column("hour", Type::time),
                   column("at", Type::timestamp),
                   column("made", Type::timestamptz),
                   column("span", Type::interval),
                   column("bytes", Type::bytea),
                   column("mood", Type::enumeration),
                   column("raw", Type::json),
                   column("doc", Type::jsonb),
                   column("tags", Type::array, Type::text),
                   column("sizes", Type::array, Type::int4),
                   column("prices", Type::array, Type::numeric),
                   column("whens", Type::array, Type::timestamptz),
                   column("place", Type::other),
                   column("count2", Type::int4),
                   column("a \"b\"", Type::text)};
  table.key = {0};
  table.columns[3].declared = "numeric(30,10)";
  table.columns[7].bytewise = table.columns[7].ascii_case = false;
  table.columns[8].deterministic = table.columns[8].bytewise = table.columns[8].ascii_case = false;
  return std::make_shared<const query::TableSchema>(std::move(table));
}

using Samples = std::map<Type, std::vector<std::string>>;

void add_numbers(Samples& all) {
  const std::vector<std::string> whole = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "10",
                                          "32767",
                                          "-32768",
                                          "2147483647",
                                          "-2147483648",
                                          "-0",
                                          "007",
                                          "9223372036854775807",
                                          "1e2",
                                          "9007199254740993",
                                          "1.0",
                                          "junk",
                                          "-9223372036854775808"};
  all[Type::int2] = all[Type::int4] = all[Type::int8] = whole;
  all[Type::numeric] = {"0",
                        "0.00",
                        "-0.0",
                        "1",
                        "1.0",
                        "1.50",
                        "NaN",
                        "Infinity",
                        "-Infinity",
                        "1e-400",
                        "0.1",
                        "0.10000000000000000000000000000000001",
                        "99999999999999999999.1",
                        "1e20",
                        "-19.99",
                        "99999999999999999999.2",
                        ".5",
                        "5.",
                        "1e131071",
                        "junk"};
  all[Type::float4] =
      all[Type::float8] = {"NaN",    "Infinity", "-Infinity",     "0",    "-0",  "0.1", "1.5", "1e300",
                           "5e-324", "16777217", "3.4028235e+38", "1e39", "junk"};
}

void add_texts(Samples& all) {
  all[Type::text] = {"",
                     "a",
                     "ab",
                     "abc",
                     "A",
                     "\u00e9",
                     "\u00e9a",
                     "\u00c9",
                     "\u65e5\u672c\u8a9e",
                     "a%b",
                     "a_b",
                     "%b",
                     "a%",
                     "%a%",
                     "a\\%",
                     "_",
                     "%",
                     "a\\",
                     "^a",
                     "b$",
                     "a.*",
                     "a|b",
                     "(a)",
                     "[a-c]",
                     "a+",
                     "a ",
                     "abcdefghijklmnop",
                     "^(a|[b-d]{2,3}?)+$",
                     "\\w*\\.[^[:digit:]]"};
  all[Type::varchar] = all[Type::bpchar] = all[Type::text];
  all[Type::enumeration] = {"low", "high", ""};
  all[Type::boolean] = {"t", "f", "true", "false", "yes", "0"};
  all[Type::uuid] = {"00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000",
                     "123E4567-E89B-12D3-A456-426614174000", "{123e4567e89b12d3a456426614174000}", "f"};
  all[Type::bytea] = {"\\x", "\\x00", "\\x00ff", "\\xFF", "\\000", "\\x0"};
  all[Type::json] = all[Type::jsonb] = {"1",
                                        "1.0",
                                        "\"a\"",
                                        "null",
                                        "true",
                                        "{}",
                                        "[]",
                                        R"({"a": 1})",
                                        R"({"a": "x", "b": [1, 2, null]})",
                                        "[1]",
                                        "{",
                                        "1e400",
                                        R"(["a", {"a": {"a": 1}}])",
                                        R"("\u00e9\ud83d\ude00")",
                                        R"({"a": 1.00, "a": 2})"};
  all[Type::array] = {"{}",
                      "{a}",
                      "{a,b}",
                      "{NULL,b}",
                      "{1,2}",
                      "{1.0,NULL}",
                      "{{1,2},{3,4}}",
                      R"({"a,\"b"})",
                      "[0:1]={1,2}",
                      "{2026-01-31 12:30:00+00}",
                      "{",
                      "{a"};
  all[Type::other] = {"(1,2)"};
}

void add_moments(Samples& all) {
  all[Type::date] = {"2026-01-31", "infinity", "-infinity", "0044-03-15 BC", "2024-02-30", "5874897-12-31"};
  all[Type::time] = {"00:00:00", "12:30:00", "12:30:00.5", "24:00:00", "25:00:00"};
  all[Type::timestamp] = {"2026-01-31 12:30:00",    "2026-01-31T12:30:00.000001",  "infinity", "-infinity",
                          "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"};
  all[Type::timestamptz] = {"2026-01-31 12:30:00+00",
                            "2026-01-31 13:30:00+01",
                            "2026-01-31T12:30:01Z",
                            "infinity",
                            "-infinity",
                            "0001-01-01 00:00:00+15:59 BC"};
  all[Type::interval] = {"00:00:00",  "1 day",           "24:00:00",
                         "1 mon",     "30 days",         "-1 days +02:03:00",
                         "-00:00:01", "178000000 years", "1 year 2 mons -3 days 04:05:06.7"};
}

}  // namespace

std::shared_ptr<const query::TableSchema> everything() {
  static const auto table = make_table();
  return table;
}

const std::vector<std::string>& samples(Type type) {
  static const Samples all = [] {
    Samples made;
    add_numbers(made);
    add_texts(made);
    add_moments(made);
    return made;
  }();
  return all.at(type);
}

void require_refusal(const Error& error) {
  require(error.fault == Fault::invalid, "a client's query is refused as invalid");
  require(!error.message.empty() && storable_text(error.message), "the refusal is told in UTF-8");
}

std::shared_ptr<const query::Query> bound(const query::ParsedQuery& parsed) {
  static const query::Catalogue catalogue({everything()});
  const auto query = query::Query::bind(parsed, everything());
  if (!query) {
    require_refusal(query.error());
    return nullptr;
  }
  const std::string canonical = (*query)->canonical();
  require(storable_text(canonical), "the canonical form is UTF-8");
  const auto again = query::Query::from_canonical(canonical, catalogue);
  require(again.ok(), "the canonical form is read back");
  require((*again)->canonical() == canonical, "the canonical form gives itself");
  require((*again)->hash() == (*query)->hash(), "the canonical form gives the same hash");
  require((*again)->where() == (*query)->where(), "the canonical form gives the same conditions");
  const auto sql = (*query)->to_sql();
  require(storable_text(sql.text), "the SQL is UTF-8");
  const std::string beyond = "$" + std::to_string(sql.parameters.size() + 1) + "::";
  require(sql.text.find(beyond) == std::string::npos, "the SQL has a value for each parameter");
  return *query;
}

}  // namespace tidegate::fuzz
