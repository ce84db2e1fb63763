#pragma once

#include <optional>

#include "postgres/connection.h"
#include "source/source.h"

namespace tidegate::postgres {

/// Reads the publication's tables (source/source.h). One thread; connects when asked and again after a break.
class CatalogueSession final : public source::CatalogueReader {
 public:
  explicit CatalogueSession(Options options) : options_(std::move(options)) {}
  Result<query::Catalogue> read() override;
  Result<SourceIdentity> identity() override;
  Status reachable() override;

 private:
  /// A connection that answered just now.
  Result<Connection*> connected();
  const Options options_;
  std::optional<Connection> connection_;
};

}  // namespace tidegate::postgres
