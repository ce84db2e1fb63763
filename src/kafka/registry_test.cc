#include "kafka/registry.h"

#include "kafka/setup.h"
#include "kafka/test_broker.h"
#include "registry/conformance.h"

namespace tidegate::kafka {
namespace {

struct KafkaRegistryWorld {
  registry::Registry& open() {
    topic = new_topic();
    const Status made = setup(options_for({topic}), {.partitions = 1}, [](const std::string&) {});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return again();
  }
  registry::Registry& again() {
    auto opened = KafkaRegistry::open(options_for({topic}));
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    registries.push_back(std::move(*opened));
    return *registries.back();
  }
  std::string topic;
  std::vector<std::unique_ptr<KafkaRegistry>> registries;
};

}  // namespace
}  // namespace tidegate::kafka

namespace tidegate::registry {
INSTANTIATE_TYPED_TEST_SUITE_P(Kafka, RegistryConformance, tidegate::kafka::KafkaRegistryWorld);
}  // namespace tidegate::registry
