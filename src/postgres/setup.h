#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "postgres/options.h"

namespace tidegate::postgres {

/// What `tidegate setup` shall prepare.
struct SetupOptions {
  /// Url, names and timeouts; `temporary_slot` false makes the durable slot.
  Options database;
  /// `schema.table` or `table` (in `public`), a part with a dot or a quote in it as SQL quotes it. Empty:
  /// what the publication has already, or, where it is made anew, every table with a primary key in `public`.
  std::vector<std::string> tables;
  /// Only looks, changes nothing.
  bool check = false;
  /// Leaves replica identities as they are, where they serve some queries at least.
  bool keep_identity = false;
  /// That `serve` and `match` run as (`match` alone, where there is a `serve_role`), where it is not the
  /// url's: its rights are looked at. Empty: none.
  std::string role;
  /// That `serve` runs as beside a `match` of another role. Empty: none.
  std::string serve_role;
};

/// Prepares a database, or looks whether it is ready: publication, REPLICA IDENTITY FULL (an index that
/// somebody chose is kept), slot. `say` gets a
/// sentence for each thing that was done or found. Never takes a table out of a publication, nor narrows one.
/// The Error is the first thing that stands in the way, with what to type; everything that can be found is
/// said before.
Status setup(const SetupOptions& options, const std::function<void(std::string)>& say);

}  // namespace tidegate::postgres
