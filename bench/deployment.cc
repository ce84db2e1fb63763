#include "deployment.h"

#include <algorithm>
#include <limits>

#include "measured.h"

namespace tidegate::bench {

using namespace std::chrono_literals;

Deployment::Deployment(const std::string& sql, bool with_kafka, const rig::PostgresServer::Settings& settings,
                       const Words& more)
    : server(settings), url(server.create_database("shop")) {
  rig::Sql(url).exec(sql);
  if (with_kafka)
    broker =
        std::make_unique<rig::KafkaBroker>(rig::KafkaBroker::Settings(), rig::KafkaBroker::Jvm::as_shipped);
  rig::Tidegate setup(command("setup"), {}, false);
  if (setup.process().wait(60s) != 0) end(setup.output());
  if (with_kafka) matcher = std::make_unique<rig::Tidegate>(command("match"));
  Words words = command("serve");
  if (std::find(more.begin(), more.end(), "--auth") == more.end())
    words.insert(words.end(), {"--auth", "none"});
  words.insert(words.end(), more.begin(), more.end());
  gateway = std::make_unique<rig::Tidegate>(words);
  if (with_kafka) matcher->wait_ready();
  gateway->wait_ready();
}

Words Deployment::command(const std::string& verb) const {
  Words words{verb, "--database", url};
  if (broker) words.insert(words.end(), {"--kafka", broker->brokers(), "--topic", "shop.diffs"});
  if (broker && verb != "serve") words.insert(words.end(), {"--slot", "shop"});
  return words;
}

Buckets buckets_of(const std::string& metrics, const std::string& name, const std::string& labels) {
  const std::string head = name + "_bucket{" + labels + (labels.empty() ? "" : ",") + "le=\"";
  Buckets found;
  for (std::size_t at = metrics.find(head); at != std::string::npos; at = metrics.find(head, at + 1)) {
    const std::size_t bound = at + head.size();
    const std::string le = metrics.substr(bound, metrics.find('"', bound) - bound);
    found[le == "+Inf" ? std::numeric_limits<double>::infinity() : std::stod(le)] =
        std::stod(metrics.substr(metrics.find(' ', bound)));
  }
  return found;
}

double quantile(const Buckets& before, const Buckets& after, double share) {
  if (after.empty()) return 0;
  const auto within = [&](double le) {
    const auto earlier = before.find(le);
    return after.at(le) - (earlier == before.end() ? 0 : earlier->second);
  };
  const double total = within(after.rbegin()->first);
  for (const auto& [le, count] : after) {
    if (within(le) >= share * total) return le;
  }
  return after.rbegin()->first;
}

}  // namespace tidegate::bench
