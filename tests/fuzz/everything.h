#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query/query.h"

namespace tidegate::fuzz {

/// `public.things`, key `id`: a column of every type, and of every kind of text. The types' own names are
/// those of query/testing.h where that has the column.
std::shared_ptr<const query::TableSchema> everything();

/// Values of the type in their text form: edges, several spellings of one, and some that are none.
const std::vector<std::string>& samples(query::Type type);

/// Binds, and requires of what is bound that its canonical form gives it back and that its SQL has a value
/// for each parameter. Null where it is refused; the refusal must be fit for a client.
std::shared_ptr<const query::Query> bound(const query::ParsedQuery& parsed);

/// Requires that the error is the client's own fault, told in UTF-8.
void require_refusal(const Error& error);

}  // namespace tidegate::fuzz
