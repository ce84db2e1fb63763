// The least that anybody can do: a bare epoll program that upgrades whoever comes and writes the same bytes
// to all, one `write` a session and batch. No parsing, no subscriptions, no bounds.
#pragma once

namespace tidegate::bench {

struct FloorSettings {
  int sessions = 0;   // begins when so many are there
  int payload = 128;  // bytes
  int a_second = 0;   // records; 0: as fast as the sockets take them
  int batch = 1;      // records that leave with one write
  int records = 0;    // ends after so many; 0: when it is told to
};

/// Says `listening on 127.0.0.1:PORT`, serves until it is killed. Runs as a process of its own, so that its
/// CPU time is its own.
[[noreturn]] void serve_floor(const FloorSettings& settings);

}  // namespace tidegate::bench
