#pragma once

#include <vector>

#include "query/query.h"

namespace tidegate::query {

// One meaning, one tree. What binding already did: NOT and IS TRUE are gone, leaves have one spelling. Here:
// groups of one kind are flattened, `a = 1 OR a IN (2, 3)` becomes one IN and `a <> 1 AND a <> 2` one NOT IN,
// what stands twice stands once, and everything is in order.

/// Brings the children of an `all_of` or `any_of`, each in normal form, to normal form.
void normalise(Op group, std::vector<Condition>& children);

/// The group as one condition: its only child where it has but one.
Condition grouped(Op group, std::vector<Condition> children);

}  // namespace tidegate::query
