#include "postgres/postgres.h"

#include "postgres/catalogue.h"
#include "postgres/snapshot.h"
#include "postgres/stream.h"

namespace tidegate::postgres {
namespace {

class Database final : public source::Source {
 public:
  Database(Options options, const Clock& clock, metrics::Registry& registry)
      : options_(std::move(options)), clock_(clock), registry_(registry) {}

  Result<std::unique_ptr<source::ChangeStream>> open_stream() override {
    if (const Status good = url(); !good) return good.error();
    return std::unique_ptr<source::ChangeStream>(std::make_unique<Stream>(options_, clock_, registry_));
  }
  Result<std::unique_ptr<source::SnapshotReader>> open_snapshot_reader() override {
    if (const Status good = url(); !good) return good.error();
    return std::unique_ptr<source::SnapshotReader>(
        std::make_unique<SnapshotSession>(options_, clock_, registry_));
  }
  Result<std::unique_ptr<source::CatalogueReader>> open_catalogue() override {
    if (const Status good = url(); !good) return good.error();
    return std::unique_ptr<source::CatalogueReader>(std::make_unique<CatalogueSession>(options_));
  }

 private:
  [[nodiscard]] Status url() const {
    const auto parameters = connection_parameters(options_, Purpose::ordinary);
    if (!parameters) return parameters.error();
    return {};
  }

  const Options options_;
  const Clock& clock_;
  metrics::Registry& registry_;
};

}  // namespace

std::unique_ptr<source::Source> make_source(Options options, const Clock& clock,
                                            metrics::Registry& registry) {
  return std::make_unique<Database>(std::move(options), clock, registry);
}

}  // namespace tidegate::postgres
