// Any text as a configuration file, and as a file of Kafka's properties: settings whose values fit, or a
// refusal in UTF-8 that shows nothing of a secret.
#include <string>

#include "base/utf8.h"
#include "config/sources.h"
#include "config/table.h"
#include "input.h"
#include "kafka/options.h"

namespace {

using namespace tidegate;

constexpr std::string_view kSecret = "hunter2";

std::vector<config::Setting> table() {
  std::vector<config::Setting> all;
  for (config::Section& section : config::sections())
    std::move(section.settings.begin(), section.settings.end(), std::back_inserter(all));
  return all;
}

void check(const Error& error, bool may_show) {
  fuzz::require(error.fault == Fault::invalid && !error.message.empty(), "a refusal says why");
  fuzz::require(may_show || error.message.find(kSecret) == std::string::npos, "a refusal holds no secret");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<config::Setting> settings = table();
  const std::string text(fuzz::bytes_of(data, size));
  const auto file = config::parse_file(text, "t.toml", settings);
  // Keys are names, and shown: a secret as a key is none.
  if (!file) {
    check(file.error(), true);
  } else {
    config::Settings stored;
    for (const auto& [name, given] : file->given) {
      for (const config::Setting& setting : settings) {
        if (setting.name == name && !given.values.empty()) (void)setting.store(stored, given.values);
      }
    }
  }
  // The same, and a secret that is not closed, of the wrong type, or followed by rubbish.
  for (const char* secret : {"auth_secret = \"hunter2\" ", "database = [\"hunter2\", ",
                             "kafka_property = \"sasl.password=hunter2"}) {
    const bool known = text.find(kSecret) != std::string::npos;
    const auto with = config::parse_file(secret + text, "t.toml", settings);
    if (!with) check(with.error(), known);
  }
  const auto properties = kafka::parse_properties(text);
  if (!properties) {
    check(properties.error(), text.find(kSecret) != std::string::npos);
  } else {
    for (const auto& [name, value] : *properties) fuzz::require(!name.empty(), "a property has a name");
  }
  return 0;
}
