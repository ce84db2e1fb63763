#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/replica.h"
#include "simulation/database.h"
#include "simulation/processes.h"

namespace tidegate::simulation {

/// What clients ask for.
struct Asked {
  std::string routing_key;
  std::shared_ptr<const query::Query> query;
};

/// Which database an epoch's positions are of.
using TimelineOf = std::function<std::optional<std::uint32_t>(Epoch)>;

/// One subscription's client, and the naive model beside it: what it must hold at each whole frame. From the
/// commits in order and the last snapshot that it was given: up to an LSN the transactions up to it, above it
/// those that the snapshot saw (C1 to C4).
class Watched {
 public:
  Watched(std::string name, bool v1, bool latest, const Asked& asked, const Database& database,
          const TimelineOf& timeline_of)
      : replica(name, v1),
        latest(latest),
        name_(std::move(name)),
        asked_(&asked),
        database_(&database),
        timeline_of_(&timeline_of) {}

  /// Gives the replica a message and judges what became of it. Empty, or what is wrong.
  std::string take(bool text, std::string_view message);
  /// It holds the result as of now.
  [[nodiscard]] bool up_to_date() const;
  /// For a person.
  [[nodiscard]] std::string standing() const;
  [[nodiscard]] const Asked& asked() const { return *asked_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  client::Replica replica;
  bool latest;  ///< several transactions may come as one
  bool asked_with_wrong_cursor = false;
  std::uint64_t errors = 0;
  bool over = false;  ///< an error has ended it: to be subscribed again

 private:
  [[nodiscard]] Held expected(Lsn lsn) const;
  std::string judge(const client::Replica& before);
  std::string compare(const Held& held, const Held& wanted, std::string_view what, Lsn lsn) const;

  std::string name_;
  const Asked* asked_;
  const Database* database_;
  const TimelineOf* timeline_of_;
  std::uint32_t timeline_ = 0;
  std::optional<Fence> snapshot_;  // of the last one
};

/// How a client speaks.
enum class Dialect : std::uint8_t { v1, v1_json, raw, v1_base64 };

/// A connection with some subscriptions, which a client reads at its own pace.
class Client {
 public:
  Client(Dialect dialect, std::vector<Watched> watched) : dialect_(dialect), watched_(std::move(watched)) {}

  enum class With : std::uint8_t { cursor, nothing, older, foreign, malformed };
  /// A new connection to a gateway; an old one must have been left.
  void connect(GatewayProcess& gateway, std::uint16_t shard, With with, Dice dice);
  /// Says goodbye where the gateway is still there (`gateway`), else only forgets it.
  void leave(GatewayProcess* gateway);
  /// Reads at most so many bytes of what the gateway has queued. Empty, or what is wrong.
  std::string read(GatewayProcess& gateway, std::size_t bytes);
  /// Subscribes again what an error has ended.
  void mend(GatewayProcess& gateway);
  /// Remembers where it stands now, as an application that stores it now and then.
  void remember();

  [[nodiscard]] std::uint64_t gateway() const { return gateway_; }
  [[nodiscard]] std::uint16_t shard() const { return shard_; }
  [[nodiscard]] SessionId session() const { return session_; }
  [[nodiscard]] std::vector<Watched>& watched() { return watched_; }
  bool away = false;  ///< it does not come back by itself
  [[nodiscard]] int told_stale() const { return told_stale_; }

 private:
  std::string take(std::string_view frame_payload, bool text);
  void subscribe(GatewayProcess& gateway, Watched& watched, std::optional<protocol::Cursor> cursor);
  [[nodiscard]] std::optional<protocol::Cursor> wrong(const Watched& watched, With with, Dice& dice) const;

  const Dialect dialect_;
  std::vector<Watched> watched_;
  std::vector<Watched> remembered_;
  std::uint64_t gateway_ = 0;  // 0: none
  std::uint16_t shard_ = 0;
  SessionId session_;
  std::uint64_t written_ = 0;  // of its outbox, when the hub was last told
  std::string received_;
  int told_stale_ = 0;
};

}  // namespace tidegate::simulation
