#include "postgres/types.h"

#include "base/encoding.h"

namespace tidegate::postgres {
namespace {

/// A one-letter pg_type.typtype: e is an enum; a domain (d) is never looked through twice.
query::Type scalar(std::uint32_t oid, std::string_view kind) {
  return kind == "e" ? query::Type::enumeration : built_in_type(oid);
}

/// A true array names its element and is named by it; int2vector and its like are not, their text differs.
constexpr const char* kTypes =
    "select t.oid, t.typtype, format_type(t.oid, null), b.oid, b.typtype, el.oid, el.typtype "
    "from pg_type t left join pg_type b on t.typtype = 'd' and b.oid = t.typbasetype "
    "left join pg_type el on el.oid = t.typelem and el.typarray = t.oid where t.oid = any($1::oid[])";

TypeInfo info_of(const Cells& row) {
  TypeInfo info;
  info.declared = row[2].value_or("");
  if (row[5]) {
    info.element = scalar(oid_of(row[5]), row[6].value_or(""));
    info.type = info.element == query::Type::other ? query::Type::other : query::Type::array;
  } else if (row[3]) {
    info.type = scalar(oid_of(row[3]), row[4].value_or(""));
  } else {
    info.type = scalar(oid_of(row[0]), row[1].value_or(""));
  }
  return info;
}

}  // namespace

query::Type built_in_type(std::uint32_t oid) {
  using query::Type;
  static const std::map<std::uint32_t, Type> kBuiltIn = {
      {16, Type::boolean},   {17, Type::bytea},       {20, Type::int8},          {21, Type::int2},
      {23, Type::int4},      {25, Type::text},        {114, Type::json},         {700, Type::float4},
      {701, Type::float8},   {1042, Type::bpchar},    {1043, Type::varchar},     {1082, Type::date},
      {1083, Type::time},    {1114, Type::timestamp}, {1184, Type::timestamptz}, {1186, Type::interval},
      {1700, Type::numeric}, {2950, Type::uuid},      {3802, Type::jsonb}};
  const auto found = kBuiltIn.find(oid);
  return found == kBuiltIn.end() ? Type::other : found->second;
}

Result<std::map<std::uint32_t, TypeInfo>> describe_types(Connection& connection,
                                                         const std::vector<std::uint32_t>& oids) {
  std::map<std::uint32_t, TypeInfo> types;
  for (const std::uint32_t oid : oids) {
    if (const query::Type type = built_in_type(oid); type != query::Type::other) {
      types[oid] = {type, query::Type::other, std::string(query::type_name(type))};
    }
  }
  const auto rows = connection.query(kTypes, {oid_array(oids)});
  if (!rows) return rows.error();
  for (const Cells& row : *rows) types[oid_of(row[0])] = info_of(row);
  return types;
}

std::string oid_array(const std::vector<std::uint32_t>& oids) {
  std::string text = "{";
  for (const std::uint32_t oid : oids) text += (text.size() > 1 ? "," : "") + std::to_string(oid);
  return text + "}";
}

std::uint32_t oid_of(const std::optional<std::string>& cell) {
  return cell ? static_cast<std::uint32_t>(parse_u64(*cell).value_or(0)) : 0;
}

}  // namespace tidegate::postgres
