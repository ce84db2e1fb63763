// Servers under the same load: ours, the floor, and the peers. Each runs as processes of its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measured.h"
#include "rig/kafka.h"
#include "swarm.h"

namespace tidegate::bench {

/// What a server is to carry.
struct Load {
  int sessions = 0;
  int queries = 1;    ///< the sessions are spread over them; records go to one after the other
  int a_second = 0;   ///< records; 0: as fast as it takes
  int payload = 128;  ///< bytes
  bool tls = false;
  bool deflate = false;  ///< compressed; the payload is like rows in JSON
  /// Sessions that a record goes to.
  [[nodiscard]] int fan_out() const { return sessions / queries; }
};

class Contender {
 public:
  Contender() = default;
  virtual ~Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  [[nodiscard]] virtual SwarmSettings clients() const = 0;
  /// The processes whose cost counts.
  [[nodiscard]] virtual pid_t pid() const = 0;
  /// One record for a query, from 0; the time stands in it. One thread.
  virtual void feed(int query) = 0;
  /// It makes its records itself, at the load's rate.
  [[nodiscard]] virtual bool feeds_itself() const { return false; }
  /// Its system calls that wrote to clients; 0: it does not say.
  [[nodiscard]] virtual double sends() const { return 0; }
  /// Its /metrics; empty: it has none.
  [[nodiscard]] virtual std::string metrics() const { return {}; }
};

/// Ends the program where it does not start.
using Make = std::function<std::unique_ptr<Contender>(const Load&)>;

/// A release build over Kafka in pass-through, with one shard. `more`: further words of its command.
std::unique_ptr<Contender> make_ours(rig::KafkaBroker& broker, const Load& load,
                                     const std::vector<std::string>& more = {});
/// `batch`: records a write.
std::unique_ptr<Contender> make_floor(const Load& load, int batch);

/// Centrifugo reads the same Kafka by its own consumer; NATS and nchan are fed by their own protocols.
struct Peer {
  std::string name;
  Make make;  ///< none: it is not installed
};
/// All that we know; bench/peers/install installs them.
std::vector<Peer> peers(rig::KafkaBroker& broker);

/// A topic of its own for each that asks.
std::string next_topic(rig::KafkaBroker& broker);

}  // namespace tidegate::bench
