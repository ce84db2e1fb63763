#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Pieces of a JSON text as they were sent, byte for byte, so that rows can be compared with what a server's
/// encoder wrote: no number is read and printed again. The text is JSON (a server's message); anything else
/// gives nothing or nonsense, never a read outside of it.
namespace tidegate::client {

/// The value of an object's member, without blanks around it.
std::optional<std::string_view> json_member(std::string_view object, std::string_view name);
/// The elements of an array.
std::vector<std::string_view> json_elements(std::string_view array);
/// The text of a JSON string, its escapes resolved; empty for anything else.
std::string json_text(std::string_view string);

}  // namespace tidegate::client
