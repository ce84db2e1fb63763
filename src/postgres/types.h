#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "postgres/connection.h"
#include "query/schema.h"

namespace tidegate::postgres {

/// What a type of Postgres's is for us. Domains are what they are made of; what we don't know is `other`.
struct TypeInfo {
  query::Type type = query::Type::other;
  query::Type element = query::Type::other;  ///< of an array
  std::string declared;                      ///< Postgres's name, without modifiers
};

/// Built-in types have fixed oids; `other` for everything else.
query::Type built_in_type(std::uint32_t oid);

/// Looks the given types up. A type that is gone is absent, unless it is built in.
Result<std::map<std::uint32_t, TypeInfo>> describe_types(Connection& connection,
                                                         const std::vector<std::uint32_t>& oids);

/// `{1,2}`: a parameter for `any($1::oid[])`.
std::string oid_array(const std::vector<std::uint32_t>& oids);

std::uint32_t oid_of(const std::optional<std::string>& cell);

}  // namespace tidegate::postgres
