#pragma once

#include "query/query.h"

namespace tidegate::query {

/// Whether one bound condition, a leaf or a group, holds over a row of its table: unknown is no. Queries hold
/// where all of theirs do; an index that evaluates a condition once for many queries asks this.
bool holds(const Condition& condition, const TableSchema& table, const Row& row);

}  // namespace tidegate::query
