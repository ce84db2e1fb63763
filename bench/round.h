// One measured round, and what is said of several.
#pragma once

#include <string>
#include <vector>

#include "contender.h"

namespace tidegate::bench {

struct Round {
  double cpu = 0, user = 0;  // µs a frame
  double p50 = 0, p99 = 0;   // ms
  double a_second = 0;       // frames
  double a_send = 0;         // frames a system call; 0: not known
  double memory = 0;         // MiB of RSS at its end
};

/// Opens the sessions, feeds as the load says, lets it settle for a second and measures for `seconds`.
Round measure(Contender& contender, const Load& load, int seconds);

/// kB of resident memory that a subscribed session without traffic adds.
double idle_kilobytes(Contender& contender, const Load& load);

double median(std::vector<double> values);
Round median(const std::vector<Round>& rounds);
/// Median over rounds of the same number of `field`'s quotient.
double paired(const std::vector<Round>& mine, const std::vector<Round>& least, double Round::* field);

/// The table that all programs of bench/ write into: its head, a line of figures, a line of words.
void print_head();
void print_row(const std::string& scenario, const std::string& who, const Round& round,
               const std::string& words = {});
void print_row(const std::string& scenario, const std::string& who, const std::string& words);

}  // namespace tidegate::bench
