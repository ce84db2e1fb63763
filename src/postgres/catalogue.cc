#include "postgres/catalogue.h"

#include "postgres/checks.h"
#include "postgres/tables.h"

namespace tidegate::postgres {

Result<Connection*> CatalogueSession::connected() {
  if (connection_ && connection_->simple("select 1")) return &*connection_;
  connection_.reset();
  auto opened = Connection::open(options_);
  if (!opened) return opened.error();
  connection_.emplace(std::move(*opened));
  return &*connection_;
}

Result<query::Catalogue> CatalogueSession::read() {
  const auto connection = connected();
  if (!connection) return connection.error();
  if (const Status there = check_publication(**connection, options_); !there) return there.error();
  auto tables = describe_published(**connection, options_.publication, options_.reads_rows);
  if (!tables) return tables.error();
  std::vector<std::shared_ptr<const query::TableSchema>> shared;
  for (TableDescription& found : *tables) {
    shared.push_back(std::make_shared<const query::TableSchema>(std::move(found.table)));
  }
  return query::Catalogue(std::move(shared));
}

Result<SourceIdentity> CatalogueSession::identity() {
  const auto connection = connected();
  if (!connection) return connection.error();
  return read_identity(**connection);
}

Status CatalogueSession::reachable() {
  const auto connection = connected();
  if (!connection) return connection.error();
  return {};
}

}  // namespace tidegate::postgres
