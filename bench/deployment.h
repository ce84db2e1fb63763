// A deployment of a stranger's: a database, and ours around it, on one node or by way of Kafka.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::bench {

using Words = std::vector<std::string>;

/// Ready when it is made. All of it ends with the object.
struct Deployment {
  /// `sql` makes the tables. `more`: further words for the gateway.
  Deployment(const std::string& sql, bool with_kafka, const rig::PostgresServer::Settings& settings = {},
             const Words& more = {});
  /// Who matches: on one node the gateway itself.
  [[nodiscard]] rig::Tidegate& matching() const { return matcher ? *matcher : *gateway; }

  rig::PostgresServer server;
  std::unique_ptr<rig::KafkaBroker> broker;
  std::string url;
  std::unique_ptr<rig::Tidegate> matcher, gateway;

 private:
  [[nodiscard]] Words command(const std::string& verb) const;
};

/// A histogram of /metrics: how many were at most so much. `labels`: what stands in its braces before `le`.
using Buckets = std::map<double, double>;
Buckets buckets_of(const std::string& metrics, const std::string& name, const std::string& labels = {});
/// The upper bound where `share` of what came between two looks has been passed.
double quantile(const Buckets& before, const Buckets& after, double share);

}  // namespace tidegate::bench
