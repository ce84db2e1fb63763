// Keys. Invariants:
// 1. a key verifies what another implementation (Node, the RFCs) signed with it, and nothing else;
// 2. what a key permits follows from what it is: no token can have it used for another kind of algorithm;
// 3. what can't be used is refused with its reason, and none of its bytes.

#include "auth/key.h"

#include <gtest/gtest.h>

#include "auth/auth.h"
#include "auth/jwks.h"
#include "auth/pem.h"
#include "auth/vectors.h"
#include "base/encoding.h"

namespace tidegate::auth {
namespace {

using vectors::kVectors;
using vectors::Vector;

KeySet keys_of(std::string_view jwk) {
  auto set = read_jwks(R"({"keys":[)" + std::string(jwk) + "]}", Secrets::taken);
  EXPECT_TRUE(set.ok()) << set.error().message;
  return set.ok() ? std::move(set->keys) : KeySet{};
}

std::string error_of(std::string_view jwk, Secrets secrets = Secrets::taken) {
  const auto set = read_jwks(R"({"keys":[)" + std::string(jwk) + "]}", secrets);
  EXPECT_FALSE(set.ok()) << jwk;
  return set.ok() ? "" : set.error().message;
}

Verdict verdict(std::string_view token, const KeySet& keys) {
  return verify(token, keys, {}, SystemClock());
}

std::string part(std::string_view token, int index) {
  const auto first = token.find('.');
  const auto second = token.rfind('.');
  const std::string_view text = index == 0   ? token.substr(0, first)
                                : index == 1 ? token.substr(first + 1, second - first - 1)
                                             : token.substr(second + 1);
  return *base64url_decode(text);
}

std::string_view signed_part(std::string_view token) {
  return token.substr(0, token.rfind('.'));
}

TEST(Key, VerifiesWhatNodeSignedWithIt) {
  for (const Vector& vector : kVectors) {
    const auto by_jwk = verdict(vector.token, keys_of(vector.jwk));
    ASSERT_TRUE(by_jwk.principal) << vector.algorithm << ": " << by_jwk.refused.message;
    EXPECT_EQ(by_jwk.principal->subject, "ann");
    if (vector.pem.empty()) continue;
    const auto keys = read_pem(vector.pem);
    ASSERT_TRUE(keys.ok()) << vector.algorithm << ": " << keys.error().message;
    EXPECT_TRUE(verdict(vector.token, *keys).principal) << vector.algorithm;
  }
}

TEST(Key, RefusesEveryChangedByteOfASignature) {
  for (const Vector& vector : kVectors) {
    const KeySet keys = keys_of(vector.jwk);
    const auto algorithm = *algorithm_named(vector.algorithm);
    std::string signature = part(vector.token, 2);
    for (char& byte : signature) {
      byte = static_cast<char>(byte ^ 1);
      EXPECT_FALSE(keys[0].verifies(algorithm, signed_part(vector.token), signature)) << vector.algorithm;
      byte = static_cast<char>(byte ^ 1);
    }
    EXPECT_TRUE(keys[0].verifies(algorithm, signed_part(vector.token), signature));
    EXPECT_FALSE(keys[0].verifies(algorithm, signed_part(vector.token), signature + '\0'));
    EXPECT_FALSE(keys[0].verifies(algorithm, signed_part(vector.token), signature.substr(1)));
    EXPECT_FALSE(keys[0].verifies(algorithm, signed_part(vector.token), ""));
  }
}

// Each token against each key: only one that its own kind of key signed by its own algorithm passes.
TEST(Key, VerifiesNothingOfAnotherAlgorithm) {
  for (const Vector& of_key : kVectors) {
    const KeySet keys = keys_of(of_key.jwk);
    for (const Vector& vector : kVectors) {
      const bool same_key = of_key.jwk == vector.jwk;
      EXPECT_EQ(verdict(vector.token, keys).principal.has_value(), same_key)
          << vector.algorithm << " with the key of " << of_key.algorithm;
      for (std::size_t i = 0; i < kAlgorithms; ++i) {
        const auto algorithm = static_cast<Algorithm>(i);
        const bool right = same_key && name_of(algorithm) == vector.algorithm;
        EXPECT_EQ(keys[0].verifies(algorithm, signed_part(vector.token), part(vector.token, 2)), right);
      }
    }
  }
}

// The attack: the public key's text as the secret of an HMAC. It fails twice: a public key permits no HMAC,
// and its text is refused as a secret.
TEST(Key, APublicKeyIsNeverASecret) {
  for (const Vector& vector : kVectors) {
    if (vector.pem.empty()) continue;
    const auto keys = read_pem(vector.pem);
    const std::string text = base64url_encode(R"({"alg":"HS256"})") + "." +
                             base64url_encode(R"({"sub":"a","tenant":"t","exp":4102444800})");
    const std::string forged = text + "." + base64url_encode(hs256(vector.pem, text));
    EXPECT_EQ(verdict(forged, *keys).refused.reason, Refusal::algorithm);
    EXPECT_FALSE((*keys)[0].verifies(Algorithm::hs256, text, hs256(vector.pem, text)));

    const auto secret = Key::of_secret(std::string(vector.pem));
    ASSERT_FALSE(secret.ok());
    EXPECT_NE(secret.error().message.find("--auth-public-key-file"), std::string::npos);
    std::string base64(vector.pem);
    base64 = base64.substr(base64.find('\n'), base64.rfind("\n-----END") - base64.find('\n'));
    std::erase(base64, '\n');
    EXPECT_FALSE(Key::of_secret(*base64_decode(base64)).ok()) << "the same in DER";
  }
}

TEST(Key, OfASecretPermitsWhatItIsLongEnoughFor) {
  const auto permitted = [](std::size_t bytes) {
    return Key::of_secret(std::string(bytes, 's'))->permitted().count();
  };
  EXPECT_FALSE(Key::of_secret(std::string(31, 's')).ok());
  EXPECT_EQ(permitted(32), 1u);
  EXPECT_EQ(permitted(47), 1u);
  EXPECT_EQ(permitted(48), 2u);
  EXPECT_EQ(permitted(64), 3u);
}

TEST(Key, NarrowedPermitsNothingElse) {
  Key key = *Key::of_secret(std::string(64, 's'));
  EXPECT_TRUE(key.only(Algorithm::hs384));
  EXPECT_FALSE(key.permits(Algorithm::hs256));
  EXPECT_FALSE(key.only(Algorithm::rs256));
  EXPECT_EQ(key.permitted().count(), 0u);
}

// RFC 7515, appendices A.2 and A.3; they have no subject, which is the first thing to be missed after the
// signature. RFC 8037, appendix A.4, signs what is no JSON at all.
TEST(Key, VerifiesTheExamplesOfTheRfcs) {
  const std::string claims =
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const KeySet rsa = keys_of(
      R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx)"
      "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0"
      "LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
      R"(I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})");
  const std::string rs256 =
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
      "O8W2Fp5jujGbds9uJd"
      "bF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
      "eSN93"
      "83LcOLn6_dO--xi12jzDwusC-"
      "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhW"
      "kWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  EXPECT_TRUE(rsa[0].verifies(Algorithm::rs256, "eyJhbGciOiJSUzI1NiJ9." + claims, *base64url_decode(rs256)));
  const KeySet ec = keys_of(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                            R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})");
  EXPECT_TRUE(ec[0].verifies(
      Algorithm::es256, "eyJhbGciOiJFUzI1NiJ9." + claims,
      *base64url_decode(
          "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")));
  const KeySet okp =
      keys_of(R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  EXPECT_TRUE(okp[0].verifies(
      Algorithm::eddsa, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
      *base64url_decode(
          "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")));
}

// CVE-2022-21449: r and s of 0 fit everything where nobody looks.
TEST(Key, AnEmptyEllipticSignatureFitsNothing) {
  for (const Vector& vector : kVectors) {
    if (vector.algorithm.substr(0, 2) != "ES") continue;
    const KeySet keys = keys_of(vector.jwk);
    const std::size_t size = vector.algorithm == "ES256" ? 64 : 96;
    EXPECT_FALSE(keys[0].verifies(*algorithm_named(vector.algorithm), signed_part(vector.token),
                                  std::string(size, '\0')));
    EXPECT_FALSE(keys[0].verifies(*algorithm_named(vector.algorithm), signed_part(vector.token),
                                  std::string(size, '\xff')));
  }
}

TEST(Jwk, ThatCannotBeUsedSaysWhy) {
  EXPECT_NE(error_of(vectors::kSmallRsa).find("1024 bits"), std::string::npos);
  EXPECT_NE(error_of(vectors::kP521).find("P-384"), std::string::npos);
  EXPECT_NE(error_of(vectors::kX25519).find("Ed25519"), std::string::npos);
  EXPECT_NE(error_of(vectors::kPrivateJwk).find("private"), std::string::npos);
  EXPECT_NE(error_of(R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})").find("does not fit"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"kty":"oct","k":"c2hvcnQ"})").find("5 bytes"), std::string::npos);
  EXPECT_NE(error_of(R"({"kty":"oct"})").find("`k`"), std::string::npos);
  EXPECT_NE(error_of(R"({"kty":"RSA","n":"AQAB"})").find("`e`"), std::string::npos);
  EXPECT_NE(error_of(R"({"kty":"new"})").find("kty"), std::string::npos);
  EXPECT_NE(error_of("7").find("not an object"), std::string::npos);
  const std::string off_the_curve = R"({"kty":"EC","crv":"P-256","x":")" +
                                    base64url_encode(std::string(32, 'x')) + R"(","y":")" +
                                    base64url_encode(std::string(32, 'y')) + "\"}";
  EXPECT_NE(error_of(off_the_curve).find("make no key"), std::string::npos);
  const std::string even =
      R"({"kty":"RSA","e":"AQAA","n":")" + base64url_encode(std::string(256, '\xff')) + "\"}";
  EXPECT_FALSE(error_of(even).empty());
}

std::string with(std::string_view jwk, const std::string& more) {
  return std::string(jwk.substr(0, jwk.size() - 1)) + "," + more + "}";
}

TEST(Jwk, KeepsToItsUseAndItsAlgorithm) {
  const Vector& rsa = kVectors[3];
  EXPECT_EQ(keys_of(rsa.jwk)[0].permitted().count(), 6u);
  const KeySet narrowed = keys_of(with(rsa.jwk, R"("alg":"PS256","use":"sig","key_ops":["verify"])"));
  EXPECT_EQ(narrowed[0].permitted().count(), 1u);
  EXPECT_EQ(verdict(rsa.token, narrowed).refused.reason, Refusal::algorithm);
  for (const char* more :
       {R"("use":"enc")", R"("use":7)", R"("key_ops":["sign"])", R"("key_ops":"verify")"}) {
    EXPECT_NE(error_of(with(rsa.jwk, more)).find("not for signatures"), std::string::npos) << more;
  }
  for (const char* more :
       {R"("alg":"ES256")", R"("alg":"HS256")", R"("alg":"none")", R"("alg":"RSA-OAEP")", R"("alg":7)"}) {
    EXPECT_NE(error_of(with(rsa.jwk, more)).find("`alg`"), std::string::npos) << more;
  }
  EXPECT_NE(error_of(with(rsa.jwk, R"("kid":7)")).find("`kid`"), std::string::npos);
}

TEST(Jwks, UnusableKeysAreIgnoredAndNamed) {
  const std::string set = R"({"keys":[)" + with(vectors::kSmallRsa, R"("kid":"old")") + "," +
                          with(kVectors[11].jwk, R"("kid":"new")") + R"(,{"kty":"new","kid":"\u0000"}]})";
  const auto read = read_jwks(set, Secrets::taken);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->keys.size(), 1u);
  EXPECT_EQ(read->keys[0].id(), "new");
  ASSERT_EQ(read->ignored.size(), 2u);
  EXPECT_EQ(read->ignored[0].substr(0, 16), "key 1 (kid old):");
  EXPECT_EQ(read->ignored[1].substr(0, 6), "key 3:");
}

TEST(Jwks, WithoutAUsableKeySaysWhatToDo) {
  for (const char* text : {"", "[]", "{}", R"({"keys":7})", "<html>", R"({"kty":"RSA"})"}) {
    const auto read = read_jwks(text, Secrets::taken);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_NE(read.error().message.find(R"({"keys")"), std::string::npos);
  }
  const auto none = read_jwks(R"({"keys":[]})", Secrets::taken);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("RSA (2048 bits or more)"), std::string::npos);
  EXPECT_FALSE(read_jwks(std::string(kJwksBytesMax + 1, ' '), Secrets::taken).ok());
}

TEST(Jwks, SecretsAreTakenOnlyWhereTheyAreWanted) {
  EXPECT_EQ(keys_of(kVectors[0].jwk).size(), 1u);
  EXPECT_NE(error_of(kVectors[0].jwk, Secrets::ignored).find("a secret"), std::string::npos);
}

TEST(Jwks, HoldsAHundredKeysAtMost) {
  std::string set = R"({"keys":[)";
  for (int i = 0; i < 150; ++i) set += (i == 0 ? "" : ",") + std::string(kVectors[11].jwk);
  const auto read = read_jwks(set + "]}", Secrets::taken);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->keys.size(), kJwksKeysMax);
  EXPECT_EQ(read->ignored.size(), 1u);
}

TEST(Pem, SeveralKeysAreTakenInTheirOrder) {
  const auto keys = read_pem("a comment\n" + std::string(kVectors[3].pem) + std::string(kVectors[9].pem));
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_TRUE((*keys)[0].permits(Algorithm::rs256));
  EXPECT_TRUE((*keys)[1].permits(Algorithm::es256));
}

TEST(Pem, OfTheOtherFormsIsTakenToo) {
  const auto certificate = read_pem(vectors::kCertificate);
  ASSERT_TRUE(certificate.ok()) << certificate.error().message;
  EXPECT_TRUE((*certificate)[0].permits(Algorithm::rs256));
  const auto pss = read_pem(vectors::kPssPem);
  ASSERT_TRUE(pss.ok()) << pss.error().message;
  EXPECT_TRUE((*pss)[0].permits(Algorithm::ps256));
  EXPECT_FALSE((*pss)[0].permits(Algorithm::rs256));
  EXPECT_TRUE(read_pem(vectors::kPkcs1Pem).ok());
}

TEST(Pem, ThatIsNoPublicKeyIsRefused) {
  const auto error = [](std::string_view text) {
    const auto keys = read_pem(text);
    EXPECT_FALSE(keys.ok()) << text;
    return keys.ok() ? "" : keys.error().message;
  };
  EXPECT_NE(error(vectors::kPrivatePem).find("openssl pkey"), std::string::npos);
  EXPECT_NE(error("").find("BEGIN PUBLIC KEY"), std::string::npos);
  EXPECT_NE(error("0123456789abcdef0123456789abcdef").find("no key"), std::string::npos);
  const std::string whole(kVectors[3].pem);
  EXPECT_FALSE(error(whole.substr(0, whole.size() - 40)).empty());
  EXPECT_FALSE(error("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").empty());
  EXPECT_NE(error("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").find("something else"),
            std::string::npos);
}

}  // namespace
}  // namespace tidegate::auth
