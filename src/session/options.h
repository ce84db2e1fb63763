#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::session {

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  int shards = 0;  ///< 0: one a core
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds handshake_timeout{10'000};
  std::size_t payload_bytes_max = 1 << 20;
  std::size_t connections_max = 100'000;
  /// Origins that browsers may come from; empty: all.
  std::vector<std::string> origins;
  /// Of the query part of the target, where a token may stand (switched on by its name); empty: nowhere.
  std::string token_parameter;
  /// permessage-deflate, for clients that offer it.
  bool deflate = false;
  /// A system call for each send, also where the kernel would do many at once.
  bool no_io_uring = false;
  /// How long a drain may take.
  std::chrono::milliseconds drain{5'000};
  /// The seed's rules: no catalogue, nothing verified.
  bool pass_through = false;
  /// Pass-through: `{tenant}`, `{table}` and `{hashId}` make the routing key.
  std::string key_template = "{hashId}";
  std::string plain_answer = "tidegate";
  /// Of what clients do; 0: none. Rates are a second, and ten seconds' worth may come at once.
  struct Limits {
    struct Of {
      std::size_t connections = 0;
      std::size_t subscriptions = 0;
      std::size_t messages = 0;    ///< a second
      std::size_t subscribes = 0;  ///< a second
      /// The next three are owed when it is done; who owes more than ten seconds' worth may not begin anew.
      std::size_t snapshot_rows = 0;   ///< sent, a second
      std::size_t snapshot_ms = 0;     ///< of reading, a second
      std::size_t replayed_bytes = 0;  ///< a second
      std::size_t held_bytes = 0;      ///< at the same time
    };
    /// What is held for it: hub::Options. Its subscriptions too, which the edge takes from there.
    Of connection{0, 0, 1'000, 500, 500'000, 1'000, 32 << 20, 0};
    Of principal{1'000, 20'000, 5'000, 2'000, 1'000'000, 1'000, 64 << 20, 64 << 20};
    Of tenant{50'000, 1'000'000, 100'000, 20'000, 4'000'000, 1'500, 256 << 20, 256 << 20};
    std::size_t address_handshakes = 2'000;  ///< connections a second
    std::size_t address_openings = 4'096;    ///< at the same time
  } limits;
  bool websockets = true;  ///< false: every request is a plain one
};

}  // namespace tidegate::session
