#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidegate::kafka {

/// How to reach Kafka, and how much of it to hold.
struct Options {
  std::string brokers;              ///< `host:port`, several with commas
  std::vector<std::string> topics;  ///< the log's; its partitions are counted over them in this order
  /// Pass-through: a missing topic of the log is made with the broker's defaults, since whoever fills it may
  /// come later. Managed topics are made by `setup`, who knows how many partitions, and none twice.
  bool make_topics = false;
  std::string client_id = "tidegate";  ///< how this process is named in the broker's log and quotas
  std::map<std::string, std::string> properties;  ///< librdkafka's own (security, …); they win over ours
  std::size_t fetch_bytes_max = 64 << 20;         ///< what a reader fetches ahead; then fetching pauses
  std::size_t queue_bytes_max = 64 << 20;  ///< what an appender holds unacknowledged; then `append` blocks
  std::chrono::milliseconds open_timeout{10'000};   ///< until `open` says that no broker answers
  std::chrono::milliseconds answer_timeout{5'000};  ///< of a single question to the broker
  std::chrono::milliseconds partitions_checked_every{
      10'000};  ///< by a reader: a changed count is fatal (rule 11), a topic that is gone is lost
  std::chrono::milliseconds stalled_after{
      10'000};  ///< a reader whose partition has given nothing for so long below its end begins anew
};

/// Why this one can't be given: a promise of ours rests on its value, or another setting says it. Empty: it
/// can.
std::string_view kept_from(std::string_view property);

/// Whether its value is nothing for a log or for the process list: passwords, keys, tokens.
bool holds_secret(std::string_view property);

/// `text`, each value that is secret replaced by `…`: librdkafka's errors may repeat what they are about.
std::string without_secrets(const std::map<std::string, std::string>& properties, std::string text);

/// The lines `name=value` of `text`; blanks around names and values, empty lines and lines that begin with
/// `#` don't count. `invalid` names the line, and never shows it.
Result<std::vector<std::pair<std::string, std::string>>> parse_properties(std::string_view text);

}  // namespace tidegate::kafka
