#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

/// Gives each element of an array in Postgres's text form, NULL as nothing, whatever its dimensions, until
/// `element` says false. False where the text is no array.
bool for_each_element(std::string_view text,
                      const std::function<bool(std::optional<std::string_view>)>& element);

/// Appends an array (Postgres's text form) as a JSON array, elements as `append_cell_json` gives them; a text
/// that is none as a string.
void append_array_json(std::string& out, Type element, std::string_view text);

/// Appends one value that is no array as JSON; in row_json.cc.
void append_scalar_json(std::string& out, Type type, std::string_view text);

}  // namespace tidegate::query
