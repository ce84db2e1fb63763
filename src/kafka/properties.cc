#include <algorithm>
#include <array>

#include "kafka/options.h"

namespace tidegate::kafka {
namespace {

struct Kept {
  std::string_view property;
  std::string_view why;
};
constexpr std::string_view kAddress = "--kafka says where the brokers are";
constexpr std::string_view kWhole =
    "a record must be stored by all replicas that are in sync, in order and once, and is never given up "
    "(enable.idempotence=true, acks=all, message.timeout.ms=0)";
constexpr std::string_view kCommitted =
    "records of transactions that were aborted must not be read (read_committed)";
constexpr std::string_view kPlace =
    "Tidegate knows itself where it reads on, without a consumer group, and must hear of a position that is "
    "gone";
constexpr std::string_view kTopics = "a topic made by a question would have the wrong partitions";
constexpr std::string_view kEvents = "Tidegate hears of the client's events itself";
constexpr std::array kKept{Kept{"bootstrap.servers", kAddress},
                           Kept{"metadata.broker.list", kAddress},
                           Kept{"enable.idempotence", kWhole},
                           Kept{"acks", kWhole},
                           Kept{"request.required.acks", kWhole},
                           Kept{"message.timeout.ms", kWhole},
                           Kept{"delivery.timeout.ms", kWhole},
                           Kept{"transactional.id", kWhole},
                           Kept{"isolation.level", kCommitted},
                           Kept{"auto.offset.reset", kPlace},
                           Kept{"enable.auto.commit", kPlace},
                           Kept{"auto.commit.enable", kPlace},
                           Kept{"enable.auto.offset.store", kPlace},
                           Kept{"enable.partition.eof", kPlace},
                           Kept{"group.id", kPlace},
                           Kept{"allow.auto.create.topics", kTopics},
                           Kept{"enabled_events", kEvents},
                           Kept{"test.mock.num.brokers", kAddress}};

constexpr std::array<std::string_view, 6> kSecretWords{"password", "secret",   "jaas",
                                                       "token",    ".key.pem", "oauthbearer.config"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::string_view kept_from(std::string_view property) {
  const auto* found =
      std::find_if(kKept.begin(), kKept.end(), [&](const Kept& kept) { return kept.property == property; });
  return found == kKept.end() ? std::string_view() : found->why;
}

bool holds_secret(std::string_view property) {
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return property.find(word) != std::string_view::npos; });
}

std::string without_secrets(const std::map<std::string, std::string>& properties, std::string text) {
  for (const auto& [name, value] : properties) {
    if (value.empty() || !holds_secret(name)) continue;
    for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos;) {
      text.replace(at, value.size(), "…");
      at += std::string_view("…").size();
    }
  }
  return text;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_properties(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> found;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t sign = line.find('=');
    const std::string_view name = trimmed(line.substr(0, sign));
    if (sign == std::string_view::npos || name.empty()) {
      return Error{Fault::invalid,
                   "line " + std::to_string(number) + ": must be name=value (not shown: it may be secret)"};
    }
    const bool twice =
        std::any_of(found.begin(), found.end(), [&](const auto& each) { return each.first == name; });
    if (twice) {
      return Error{Fault::invalid,
                   "line " + std::to_string(number) + ": " + std::string(name) + " stands in the file twice"};
    }
    found.emplace_back(name, trimmed(line.substr(sign + 1)));
  }
  return found;
}

}  // namespace tidegate::kafka
