#include <gtest/gtest.h>

#include "registry/registry.h"

namespace tidegate::registry {
namespace {

const Incarnation kIncarnation(0xff);

TEST(Control, KeysAreThoseOfTheDocument) {
  EXPECT_EQ(control_key(EpochBound{}), "epoch");
  EXPECT_EQ(control_key(MatcherStart{}), "start");
  EXPECT_EQ(control_key(GenerationFence{.partition = Partition(7)}), "fence/7");
  EXPECT_EQ(control_key(Checkpoint{.partition = Partition(0)}), "checkpoint/0");
  EXPECT_EQ(control_key(Lease{kIncarnation}), "lease/00000000000000ff");
  EXPECT_EQ(control_key(Registration{kIncarnation, "t/a%2Fb/00"}), "query/00000000000000ff/t/a%2Fb/00");
  EXPECT_EQ(control_key(ActivationRecord{"t/a/00"}), "activation/t/a/00");
}

TEST(Control, TextsAreThoseOfTheDocument) {
  EXPECT_EQ(
      encode_control(EpochBound{Epoch(1), {"sys", 2, "db"}, "slot", 8}),
      R"({"type":"epoch","epoch":"0000000000000001","source":{"system":"sys","timeline":2,"database":"db"},)"
      R"("slot":"slot","partitions":8,"format":1})");
  EXPECT_EQ(encode_control(MatcherStart{0xffffffffffffffff}),
            R"({"type":"start","process":"ffffffffffffffff","format":1})");
  EXPECT_EQ(encode_control(GenerationFence{Partition(1), Generation(2), Offset(3)}),
            R"({"type":"fence","partition":1,"generation":"2","offset":"3","format":1})");
  EXPECT_EQ(
      encode_control(Checkpoint{Partition(1), Generation(2), Offset(3), Lsn(0xffffffffffffffff)}),
      R"({"type":"checkpoint","partition":1,"generation":"2","offset":"3","lsn":"18446744073709551615","format":1})");
  EXPECT_EQ(encode_control(Lease{kIncarnation, true}),
            R"({"type":"lease","incarnation":"00000000000000ff","ended":true,"format":1})");
  EXPECT_EQ(
      encode_control(Registration{kIncarnation, "k", "\"q\"", false}),
      R"({"type":"query","incarnation":"00000000000000ff","routing_key":"k","canonical":"\"q\"","ended":false,)"
      R"("format":1})");
  EXPECT_EQ(
      encode_control(ActivationRecord{"k", Activation(16), false}),
      R"({"type":"activation","routing_key":"k","activation":"0000000000000010","ended":false,"format":1})");
}

struct Wrong {
  const char* key;
  const char* value;
  const char* named;  ///< what the error must name
};

class ControlFault : public testing::TestWithParam<Wrong> {};

TEST_P(ControlFault, IsInvalidAndNamed) {
  const auto decoded = decode_control(GetParam().key, GetParam().value);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().fault, Fault::invalid);
  EXPECT_NE(decoded.error().message.find(GetParam().named), std::string::npos) << decoded.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Faults, ControlFault,
    testing::Values(
        Wrong{"start", "", "not JSON"}, Wrong{"start", "[]", "not a JSON object"},
        Wrong{"start", "{\"type\":\"start\"", "not JSON"}, Wrong{"start", R"({"type":"start"})", "format"},
        Wrong{"start", R"({"format":1})", "type"}, Wrong{"start", R"({"format":1,"type":5})", "type"},
        Wrong{"start", R"({"format":2,"type":"start","process":"0000000000000001"})", "later version"},
        Wrong{"start", R"({"format":1,"type":"strat"})", "strat"},
        Wrong{"start", R"({"format":1,"type":"start"})", "\"process\" is missing"},
        Wrong{"start", R"({"format":1,"type":"start","process":1})", "process"},
        Wrong{"start", R"({"format":1,"type":"start","process":"1"})", "16 hexadecimal"},
        Wrong{"start", R"({"format":1,"type":"start","process":"000000000000000g"})", "16 hexadecimal"},
        Wrong{"begin", R"({"format":1,"type":"start","process":"0000000000000001"})", "key"},
        Wrong{"fence/1", R"({"format":1,"type":"fence","partition":-1,"generation":"1","offset":"1"})",
              "partition"},
        Wrong{"fence/1", R"({"format":1,"type":"fence","partition":1.5,"generation":"1","offset":"1"})",
              "partition"},
        Wrong{"fence/1", R"({"format":1,"type":"fence","partition":1,"generation":1,"offset":"1"})",
              "generation"},
        Wrong{"fence/1", R"({"format":1,"type":"fence","partition":1,"generation":"1","offset":"-1"})",
              "offset"},
        Wrong{"fence/2", R"({"format":1,"type":"fence","partition":1,"generation":"1","offset":"1"})",
              "fence/1"},
        Wrong{"checkpoint/1",
              R"({"format":1,"type":"checkpoint","partition":1,"generation":"1","offset":"1","lsn":"-1"})",
              "lsn"},
        Wrong{"epoch", R"({"format":1,"type":"epoch","epoch":"0000000000000001","source":5})", "source"},
        Wrong{"epoch", R"({"format":1,"type":"epoch","epoch":"0000000000000001","source":{"system":1}})",
              "source.system"},
        Wrong{"lease/0000000000000001",
              R"({"format":1,"type":"lease","incarnation":"0000000000000001","ended":1})", "ended"},
        Wrong{
            "query/0000000000000001/k",
            R"({"format":1,"type":"query","incarnation":"0000000000000001","routing_key":"k","canonical":""})",
            "canonical"}));

TEST(Control, FieldsOfALaterMinorVersionAreIgnored) {
  const auto decoded =
      decode_control("start", R"({"more":[1],"type":"start","process":"0000000000000001","format":1})");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<MatcherStart>(*decoded).process, 1U);
}

TEST(Control, RandomBytesNeverCrashTheDecoder) {
  const std::string valid = encode_control(EpochBound{Epoch(1), {"sys", 2, "db"}, "slot", 8});
  for (std::size_t i = 0; i < valid.size(); ++i) {
    EXPECT_FALSE(decode_control("epoch", valid.substr(0, i)).ok());
    std::string changed = valid;
    changed[i] = '\xff';
    (void)decode_control("epoch", changed).ok();
  }
}

TEST(Control, OnlyWhatCanEndEndsItsKey) {
  EXPECT_TRUE(ends_its_key(Lease{kIncarnation, true}));
  EXPECT_FALSE(ends_its_key(Lease{kIncarnation, false}));
  EXPECT_TRUE(ends_its_key(Registration{.ended = true}));
  EXPECT_TRUE(ends_its_key(ActivationRecord{.ended = true}));
  EXPECT_FALSE(ends_its_key(EpochBound{}));
}

}  // namespace
}  // namespace tidegate::registry
