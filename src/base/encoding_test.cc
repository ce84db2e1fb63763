// Invariants: encodings agree with their standards' own vectors, take one spelling a value and refuse the
// rest.
#include "base/encoding.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/testing.h"

namespace tidegate {
namespace {

using namespace std::string_literals;

TEST(Base64, GivesAndTakesTheVectorsOfTheRfc) {
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"},
                                                                    {"\xfb\xff\xfe", "+//+"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
    EXPECT_EQ(base64_decode(text.substr(0, text.find('='))), bytes) << "unpadded";
  }
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64url_decode("-__-"), "\xfb\xff\xfe");
}

TEST(Base64, RefusesWhatIsNotTheOneSpellingOfAValue) {
  for (const char* bad :
       {"Z", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "=", "==", "Zg==Zg==", "-__-", "Zm9v="}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
  EXPECT_FALSE(base64url_decode("+//+"));
  EXPECT_FALSE(base64_decode("Zm9\0"s));
}

TEST(Base64, BringsRandomBytesBack) {
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes(random() % 50, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
    EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
    for (char& byte : bytes) byte = static_cast<char>(random() % 128);
    if (const auto decoded = base64url_decode(bytes); decoded && bytes.find('=') == std::string::npos) {
      EXPECT_EQ(base64url_encode(*decoded), bytes);
    }
  }
}

TEST(Hex, TakesBothCasesInPairsAndNothingElse) {
  EXPECT_EQ(hex_encode("\x00\x7f\xff"s), "007fff");
  EXPECT_EQ(hex_decode("00Ff"), "\x00\xff"s);
  for (const char* bad : {"0", "0g", "g0", "0x", " 0", "00 "}) EXPECT_FALSE(hex_decode(bad)) << bad;
}

TEST(BigEndian, IsReadBackFromExactlyItsSize) {
  std::string bytes;
  append_big_endian(bytes, std::uint64_t{0x0102030405060708});
  EXPECT_EQ(hex_encode(bytes), "0102030405060708");
  EXPECT_EQ(read_big_endian<std::uint64_t>(bytes), 0x0102030405060708u);
  EXPECT_FALSE(read_big_endian<std::uint32_t>(bytes));
  EXPECT_FALSE(read_big_endian<std::uint64_t>(bytes.substr(1)));
  bytes.clear();
  append_big_endian(bytes, std::int32_t{-2});
  EXPECT_EQ(read_big_endian<std::int32_t>(bytes), -2);
}

TEST(WholeNumbers, AreParsedWholeAndInRange) {
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_i64("-9223372036854775808"), INT64_MIN);
  for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3"}) {
    EXPECT_FALSE(parse_u64(bad)) << bad;
  }
  for (const char* bad : {"", "-", "9223372036854775808", "+1", "1a"}) EXPECT_FALSE(parse_i64(bad)) << bad;
}

TEST(JsonString, IsWrittenAsJavaScriptWritesIt) {
  std::string out;
  append_json_string(out, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\0é日😀\u2028"s);
  EXPECT_EQ(out, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000é日😀\u2028\"");
}

TEST(PercentEncoding, LeavesTheUnreservedCharactersAlone) {
  EXPECT_EQ(percent_encode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encode("a/b c%ü+"), "a%2Fb%20c%25%C3%BC%2B");
}

TEST(Hashes, Sha256IsCutAt128Bits) {
  EXPECT_EQ(sha256_128("").hex(), "e3b0c44298fc1c149afbf4c8996fb924");
  EXPECT_EQ(sha256_128("abc").hex(), "ba7816bf8f01cfea414140de5dae2223");
}

// What Kafka's own UtilsTest.testMurmur2 has, as Java's signed ints.
TEST(Hashes, Murmur2IsThatOfKafkasJavaClient) {
  const std::vector<std::pair<std::string, std::int32_t>> vectors = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  for (const auto& [key, wanted] : vectors) {
    EXPECT_EQ(murmur2_positive(key), static_cast<std::uint32_t>(wanted) & 0x7fffffffu) << key;
  }
}

TEST(RandomNumbers, AreNeverZeroAndDiffer) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(random_u64());
  EXPECT_EQ(seen.size(), 1'000u);
  EXPECT_FALSE(seen.contains(0));
}

}  // namespace
}  // namespace tidegate
