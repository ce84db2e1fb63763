// The least that anybody can do: a bare epoll program that upgrades whoever comes and writes the same bytes
// to all (or each record to one group in turn), one `write` a session and batch. No parsing, no
// subscriptions, no bounds.
#pragma once

namespace tidegate::bench {

struct FloorSettings {
  int sessions = 0;   // begins when so many are there
  int payload = 128;  // bytes
  int a_second = 0;   // records; 0: as fast as the sockets take them
  int batch = 1;      // records that leave with one write
  int queries = 1;    // so many groups of sessions; each record goes to one, in turn
};

/// Above a thousand records a second what is due within a millisecond comes at once: else the wake-ups and,
/// with Kafka, the requests would be what is measured.
constexpr int records_at_once(int a_second) {
  return a_second > 1'000 ? a_second / 1'000 : 1;
}

/// Says `listening on 127.0.0.1:PORT`, serves until it is killed. Runs as a process of its own, so that its
/// CPU time is its own.
[[noreturn]] void serve_floor(const FloorSettings& settings);

}  // namespace tidegate::bench
