// Tokens. Invariants:
// 1. only a token signed with one of our keys by an algorithm that this key permits, within its time, with
// the
//    claims that are wanted, is accepted;
// 2. a refusal says what is wrong and never repeats the token;
// 3. no bytes crash the verifier.

#include "auth/auth.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>

#include "base/encoding.h"
#include "base/testing.h"

namespace tidegate::auth {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view kClaims = R"({"sub":"ann","tenant":"acme","exp":1700000600})";

class StoppedClock final : public Clock {
 public:
  explicit StoppedClock(std::int64_t unix_s) : now_(std::chrono::seconds(unix_s)) {}
  [[nodiscard]] Steady steady() const override { return {}; }
  [[nodiscard]] Wall wall() const override { return now_; }

 private:
  Wall now_;
};

Options options() {
  Options out;
  out.secret = "0123456789abcdef0123456789abcdef";
  return out;
}

// Signs anything, also what we would never mint.
std::string sign(std::string_view header, std::string_view claims, std::string_view secret = options().secret,
                 const EVP_MD* digest = EVP_sha256()) {
  const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(digest, secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  return text + "." + base64url_encode({reinterpret_cast<const char*>(mac), size});
}

KeySet keys_of(const Options& with) {
  KeySet keys;
  if (auto key = Key::of_secret(with.secret)) keys.push_back(std::move(*key));
  return keys;
}

Result<Principal> check(std::string_view token, std::int64_t now = kNow, const Options& with = options()) {
  Verdict verdict = verify(token, keys_of(with), with, StoppedClock(now));
  if (verdict.principal) return std::move(*verdict.principal);
  return Error{Fault::denied, std::move(verdict.refused.message)};
}

Refusal reason(std::string_view token, const Options& with = options(), std::int64_t now = kNow) {
  const Verdict verdict = verify(token, keys_of(with), with, StoppedClock(now));
  EXPECT_FALSE(verdict.principal);
  return verdict.refused.reason;
}

void expect_denied(std::string_view token, std::string_view message, std::int64_t now = kNow) {
  const auto result = check(token, now);
  ASSERT_FALSE(result.ok()) << token;
  EXPECT_EQ(result.error().fault, Fault::denied);
  EXPECT_NE(result.error().message.find(message), std::string::npos) << result.error().message;
  if (token.size() > 8) {
    EXPECT_EQ(result.error().message.find(token.substr(0, 8)), std::string::npos);
  }
}

void expect_claims_denied(std::string_view claims, std::string_view message) {
  expect_denied(sign(kHeader, claims), message);
}

TEST(Token, OfOursSaysWhoItIs) {
  const auto principal = check(sign(kHeader, kClaims));
  ASSERT_TRUE(principal.ok()) << principal.error().message;
  EXPECT_EQ(principal->subject, "ann");
  EXPECT_EQ(principal->tenant, "acme");
  EXPECT_EQ(principal->expires_unix_s, 1'700'000'600);
}

TEST(Token, MintedIsAccepted) {
  const Principal principal{"ann \"æ\"", "acme/1", kNow + 60, R"( {"role":"x","app":{"a":[1]}} )"};
  const auto verified = check(mint(principal, options()));
  ASSERT_TRUE(verified.ok()) << verified.error().message;
  EXPECT_EQ(verified->subject, principal.subject);
  EXPECT_EQ(verified->tenant, principal.tenant);
  EXPECT_EQ(verified->expires_unix_s, principal.expires_unix_s);
}

TEST(Token, MintedHasItsGoldenBytes) {
  const std::string token = mint({"a", "b", 7}, options());
  const std::string text = token.substr(0, token.rfind('.'));
  EXPECT_EQ(base64url_decode(text.substr(0, text.find('.'))), kHeader);
  EXPECT_EQ(base64url_decode(text.substr(text.find('.') + 1)), R"({"sub":"a","tenant":"b","exp":7})");
  EXPECT_EQ(token, sign(kHeader, R"({"sub":"a","tenant":"b","exp":7})"));
}

TEST(Token, TenantClaimHasTheConfiguredNameAndMayBeAnInteger) {
  Options with = options();
  with.tenant_claim = "org";
  const auto verified = [&](std::string_view claims) { return check(sign(kHeader, claims), kNow, with); };
  EXPECT_EQ(verified(R"({"sub":"a","org":-7,"exp":1800000000})")->tenant, "-7");
  EXPECT_EQ(verified(R"({"sub":"a","org":18446744073709551615,"exp":1800000000})")->tenant,
            "18446744073709551615");
  EXPECT_EQ(verified(R"({"sub":"a","org":"x","tenant":"y","exp":1800000000})")->tenant, "x");
  EXPECT_FALSE(verified(kClaims).ok());
  with.tenant_claim = "sub";
  EXPECT_EQ(check(mint({"ann", "", kNow + 60}, with), kNow, with)->tenant, "ann");
}

// RFC 7515, appendix A.1: proves the signature; it has no subject, which is the first thing to be missed
// after it.
TEST(Token, OfTheRfcHasARightSignature) {
  Options with;
  with.secret = *base64url_decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const auto result = check(
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
      "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
      1'300'819'000, with);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message.substr(0, 11), "token: sub:");
}

TEST(Token, AlgorithmComesFromTheKey) {
  for (const char* algorithm : {"none", "None", "RS256", "HS384", "HS512", "hs256", "ES256", ""}) {
    expect_denied(sign(R"({"alg":")" + std::string(algorithm) + "\"}", kClaims), "alg");
  }
  for (const char* header : {"{}", R"({"alg":null})", R"({"alg":["HS256"]})"})
    expect_denied(sign(header, kClaims), "alg");
  expect_denied(base64url_encode(R"({"alg":"none"})") + "." + base64url_encode(kClaims) + ".", "alg");
  expect_denied(sign(kHeader, kClaims, options().secret, EVP_sha512()), "signature");
}

TEST(Token, WithACriticalExtensionIsRefused) {
  expect_denied(sign(R"({"alg":"HS256","crit":["b64"],"b64":false})", kClaims), "crit");
}

TEST(Token, WithAWrongSignatureIsRefused) {
  const std::string token = sign(kHeader, kClaims);
  expect_denied(sign(kHeader, kClaims, "another secret, of 32 bytes too.."), "signature");
  expect_denied(token.substr(0, token.rfind('.') + 1), "signature");
  expect_denied(token.substr(0, token.size() - 4), "signature");
  expect_denied(token + "AAAA", "signature");
  const std::string other = sign(kHeader, R"({"sub":"ann","tenant":"other","exp":1700000600})");
  expect_denied(other.substr(0, other.rfind('.')) + token.substr(token.rfind('.')), "signature");
}

TEST(Token, EveryChangedCharacterIsRefused) {
  const std::string token = sign(kHeader, kClaims);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(check(changed).ok()) << i;
  }
}

TEST(Token, HoldsFromNbfToExpWithLeeway) {
  const std::string token = sign(kHeader, R"({"sub":"a","tenant":"t","nbf":1000,"exp":2000.9})");
  EXPECT_TRUE(check(token, 970).ok());
  expect_denied(token, "not valid yet", 969);
  EXPECT_TRUE(check(token, 2029).ok());
  expect_denied(token, "expired", 2030);
}

TEST(Token, NeedsItsClaims) {
  expect_claims_denied(R"({"sub":"a","tenant":"t"})", "exp: missing");
  for (const char* exp : {"null", "\"1800000000\"", "-1", "true", "9007199254740994", "1e300", "[1]"}) {
    expect_claims_denied(R"({"sub":"a","tenant":"t","exp":)" + std::string(exp) + "}", "exp: must be");
  }
  expect_claims_denied(R"({"sub":"a","tenant":"t","exp":1800000000,"nbf":"soon"})", "nbf: must be");
  for (const char* sub : {"", R"("sub":"",)", R"("sub":7,)", R"("sub":null,)", R"("sub":"a\n",)"}) {
    expect_claims_denied("{" + std::string(sub) + R"("tenant":"t","exp":1800000000})", "sub: ");
  }
  for (const char* tenant : {"", R"("tenant":"",)", R"("tenant":1.5,)", R"("tenant":null,)",
                             R"("tenant":["t"],)", R"("tenant":"t\u0000",)"}) {
    expect_claims_denied("{" + std::string(tenant) + R"("sub":"a","exp":1800000000})", "tenant: ");
  }
}

TEST(Token, WithANameTwiceIsRefused) {
  expect_claims_denied(R"({"sub":"a","tenant":"t","exp":1800000000,"tenant":"other"})", "distinct names");
  expect_claims_denied(R"({"sub":"a","tenant":"t","exp":1800000000,"\u0074enant":"other"})",
                       "distinct names");
  expect_claims_denied(R"({"sub":"a","tenant":"t","exp":1800000000,"x":{"y":1,"y":2}})", "distinct names");
  expect_denied(sign(R"({"alg":"HS256","alg":"HS256"})", kClaims), "distinct names");
  EXPECT_TRUE(
      check(sign(kHeader, R"({"sub":"a","tenant":"t","exp":1800000000,"x":[{"y":1},{"y":2}]})")).ok());
}

TEST(Token, ThatIsGarbageIsRefused) {
  for (const char* token : {"", ".", "..", "...", "a.b", "a.b.c.d"}) expect_denied(token, "");
  const std::string token = sign(kHeader, kClaims);
  expect_denied("=" + token, "header");
  expect_denied(base64url_encode(kHeader) + "=." + token.substr(token.find('.') + 1), "header");
  expect_denied(sign("HS256", kClaims), "header");
  expect_denied(sign("\"HS256\"", kClaims), "header");
  expect_claims_denied("", "claims");
  expect_claims_denied("[]", "claims");
  expect_claims_denied("{\"sub\":\"\xff\"}", "claims");
  expect_claims_denied(std::string(2'000, '['), "claims");
}

TEST(Token, AboveEightKilobytesIsRefusedAndBelowNot) {
  const auto padded = [](std::size_t size) {
    return sign(kHeader,
                R"({"sub":"a","tenant":"t","exp":1800000000,"x":")" + std::string(size, 'x') + "\"}");
  };
  EXPECT_TRUE(check(padded(6'000)).ok());
  expect_denied(padded(6'200), "longer than 8192");
}

TEST(Token, NeedsTheIssuerThatIsConfigured) {
  Options with = options();
  with.issuers = {"https://a", "https://b"};
  const auto checked = [&](const std::string& iss) {
    return check(sign(kHeader, R"({"sub":"a","tenant":"t","exp":1800000000)" + iss + "}"), kNow, with);
  };
  EXPECT_TRUE(checked(R"(,"iss":"https://b")").ok());
  for (const char* iss : {"", R"(,"iss":"https://c")", R"(,"iss":null)", R"(,"iss":["https://a"])",
                          R"(,"iss":"https://a/")", R"(,"iss":"")"}) {
    const auto refused = checked(iss);
    ASSERT_FALSE(refused.ok()) << iss;
    EXPECT_EQ(refused.error().message.substr(0, 11), "token: iss:") << iss;
    EXPECT_EQ(refused.error().message.find("https"), std::string::npos);
  }
}

TEST(Token, NeedsAnAudienceThatIsConfiguredAloneOrAmongOthers) {
  Options with = options();
  with.audiences = {"tidegate", "gate"};
  const auto checked = [&](const std::string& aud) {
    return check(sign(kHeader, R"({"sub":"a","tenant":"t","exp":1800000000)" + aud + "}"), kNow, with);
  };
  for (const char* aud : {R"(,"aud":"tidegate")", R"(,"aud":["x","gate"])", R"(,"aud":[7,"tidegate"])"}) {
    EXPECT_TRUE(checked(aud).ok()) << aud;
  }
  for (const char* aud : {"", R"(,"aud":"other")", R"(,"aud":["other"])", R"(,"aud":[])", R"(,"aud":{"a":1})",
                          R"(,"aud":[["gate"]])", R"(,"aud":"tidegate gate")"}) {
    const auto refused = checked(aud);
    ASSERT_FALSE(refused.ok()) << aud;
    EXPECT_EQ(refused.error().message.substr(0, 11), "token: aud:") << aud;
  }
}

TEST(Token, NeedsTheClaimsThatAreRequired) {
  Options with = options();
  with.required = {"jti", "scope"};
  const auto checked = [&](const std::string& more) {
    return check(sign(kHeader, R"({"sub":"a","tenant":"t","exp":1800000000)" + more + "}"), kNow, with);
  };
  EXPECT_TRUE(checked(R"(,"jti":"1","scope":["a"])").ok());
  const auto refused = checked(R"(,"jti":"1")");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "token: scope: missing (--auth-require)");
  EXPECT_FALSE(checked(R"(,"jti":null,"scope":"")").ok());
}

TEST(Token, RefusedHasAReasonForTheMetrics) {
  EXPECT_EQ(reason("a.b"), Refusal::malformed);
  EXPECT_EQ(reason(sign(R"({"alg":"none"})", kClaims)), Refusal::algorithm);
  EXPECT_EQ(reason(sign(R"({"alg":"RS256"})", kClaims)), Refusal::algorithm);
  EXPECT_EQ(reason(sign(kHeader, kClaims, "another secret, of 32 bytes too..")), Refusal::signature);
  EXPECT_EQ(reason(sign(kHeader, kClaims), options(), 1'800'000'000), Refusal::expired);
  EXPECT_EQ(reason(sign(kHeader, R"({"nbf":1700009000,"exp":1800000000})")), Refusal::not_yet_valid);
  EXPECT_EQ(reason(sign(kHeader, R"({"sub":"a","exp":1800000000})")), Refusal::claim);
  EXPECT_EQ(reason(sign(kHeader, kClaims), {}), Refusal::no_keys);
}

TEST(Token, WithoutAKeyIdIsTriedWithFourKeysAndNoMore) {
  KeySet keys;
  for (char c = 'a'; c < 'e'; ++c) keys.push_back(*Key::of_secret(std::string(32, c)));
  const StoppedClock clock(kNow);
  EXPECT_TRUE(verify(sign(kHeader, kClaims, std::string(32, 'd')), keys, {}, clock).principal);
  keys.push_back(*Key::of_secret(std::string(32, 'e')));
  keys.back().name("e");
  const Verdict unnamed = verify(sign(kHeader, kClaims, std::string(32, 'd')), keys, {}, clock);
  EXPECT_EQ(unnamed.refused.reason, Refusal::malformed);
  EXPECT_NE(unnamed.refused.message.find("kid: needed"), std::string::npos);
}

TEST(Token, WithAKeyIdIsVerifiedWithThatKeyAlone) {
  KeySet keys{*Key::of_secret(std::string(32, 'a')), *Key::of_secret(std::string(32, 'b'))};
  keys[0].name("a");
  keys[1].name("b");
  const StoppedClock clock(kNow);
  const auto header = [](const std::string& id) { return R"({"alg":"HS256","kid":")" + id + "\"}"; };
  EXPECT_TRUE(verify(sign(header("b"), kClaims, std::string(32, 'b')), keys, {}, clock).principal);
  const auto refusal = [&](const std::string& id, char secret) {
    const Verdict verdict = verify(sign(header(id), kClaims, std::string(32, secret)), keys, {}, clock);
    EXPECT_FALSE(verdict.principal);
    return verdict.refused.reason;
  };
  EXPECT_EQ(refusal("a", 'b'), Refusal::signature);
  EXPECT_EQ(refusal("c", 'b'), Refusal::unknown_key);
  EXPECT_EQ(refusal("", 'b'), Refusal::unknown_key);
  EXPECT_EQ(verify(sign(R"({"alg":"HS384","kid":"a"})", kClaims), keys, {}, clock).refused.reason,
            Refusal::algorithm);
  EXPECT_EQ(verify(sign(R"({"alg":"HS256","kid":7})", kClaims), keys, {}, clock).refused.reason,
            Refusal::malformed);
}

TEST(Token, IsNeverVerifiedWithAShortSecret) {
  for (const std::string secret : {"", "0123456789abcdef0123456789abcde"}) {
    Options with;
    with.secret = secret;
    const auto result = check(sign(kHeader, kClaims, secret), kNow, with);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().message.find("no key"), std::string::npos);
  }
}

TEST(Token, NoBytesCrashTheVerifier) {
  const auto number = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << number);
  std::mt19937 random(number);
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    // Signed, so that the claims are read; or not, so that the parts are.
    std::string claims(kClaims);
    claims[random() % claims.size()] = static_cast<char>(random());
    claims.insert(random() % claims.size(), 1, "{}[]\",:\\u0"[random() % 10]);
    std::string token = sign(kHeader, round % 2 == 0 ? claims : std::string(kClaims));
    if (round % 2 == 1) token[random() % token.size()] = static_cast<char>(random());
    if (check(token).ok()) ++accepted;
  }
  EXPECT_LT(accepted, 10'000U);
}

}  // namespace
}  // namespace tidegate::auth
