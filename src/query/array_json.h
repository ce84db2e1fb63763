#pragma once

#include <string>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

/// Appends the text of one value of a type that is no array (rule 23).
void append_scalar_json(std::string& out, Type type, std::string_view text);

/// Appends Postgres's text of an array (`{1,NULL,"a b"}`, `[0:1]={…}`) as a JSON array, nested for each
/// dimension. Text that is no array's is appended as a string.
void append_array_json(std::string& out, Type element, std::string_view text);

}  // namespace tidegate::query
