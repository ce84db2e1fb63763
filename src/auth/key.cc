#include "auth/key.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <cstdlib>

#include "auth/ecdsa.h"

namespace tidegate::auth {
namespace {

constexpr int kRsaBitsMin = 2'048;
constexpr int kRsaBitsMax = 8'192;  // larger ones cost a shard milliseconds a token

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

const EVP_MD* digest_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::hs256:
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256:
      return EVP_sha256();
    case Algorithm::hs384:
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384:
      return EVP_sha384();
    case Algorithm::hs512:
    case Algorithm::rs512:
    case Algorithm::ps512:
      return EVP_sha512();
    case Algorithm::eddsa:
      break;  // hashes by itself
  }
  return nullptr;
}

bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 || algorithm == Algorithm::ps512;
}

template <class... Each>
Algorithms permit(Each... each) {
  Algorithms out;
  (out.set(static_cast<std::size_t>(each)), ...);
  return out;
}

std::string hmac(const EVP_MD* digest, std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  const auto* done = HMAC(digest, secret.data(), static_cast<int>(secret.size()), bytes_of(text), text.size(),
                          out.data(), &size);
  if (done == nullptr) std::abort();
  return {reinterpret_cast<const char*>(out.data()), size};
}

// Whoever reads a public key could sign with it if it were taken for a secret.
bool is_public(std::string_view bytes) {
  if (bytes.find("-----BEGIN") != std::string_view::npos) return true;
  const unsigned char* at = bytes_of(bytes);
  const auto size = static_cast<long>(bytes.size());
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(d2i_PUBKEY(nullptr, &at, size),
                                                                EVP_PKEY_free);
  at = bytes_of(bytes);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(d2i_X509(nullptr, &at, size), X509_free);
  return key || certificate;
}

bool verify_with(EVP_PKEY* key, Algorithm algorithm, std::string_view text, std::string_view signature) {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context) std::abort();
  EVP_PKEY_CTX* of_key = nullptr;  // belongs to `context`
  if (EVP_DigestVerifyInit(context.get(), &of_key, digest_of(algorithm), nullptr, key) != 1) return false;
  if (is_pss(algorithm) && (EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) != 1 ||
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

Result<Algorithms> permitted_by(EVP_PKEY* key) {
  using A = Algorithm;
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_ED25519) return permit(A::eddsa);
  if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
      return Error{Fault::invalid, fmt::format("an RSA key of {} bits; from {} to {} are taken", bits,
                                               kRsaBitsMin, kRsaBitsMax)};
    }
    const Algorithms pss = permit(A::ps256, A::ps384, A::ps512);
    return kind == EVP_PKEY_RSA_PSS ? pss : pss | permit(A::rs256, A::rs384, A::rs512);
  }
  if (kind == EVP_PKEY_EC) {
    const std::string curve = curve_of(key);
    if (curve == "prime256v1" || curve == "P-256") return permit(A::es256);
    if (curve == "secp384r1" || curve == "P-384") return permit(A::es384);
    return Error{Fault::invalid, "an EC key of another curve than P-256 and P-384"};
  }
  return Error{Fault::invalid, "neither RSA nor EC nor Ed25519"};
}

}  // namespace

Result<Key> Key::of_secret(std::string bytes) {
  if (bytes.size() < kSecretBytesMin) {
    return Error{Fault::invalid, fmt::format("the secret has {} bytes; at least {} are needed: type `openssl "
                                             "rand -hex 32`",
                                             bytes.size(), kSecretBytesMin)};
  }
  if (is_public(bytes)) {
    return Error{Fault::invalid,
                 "this is a key or a certificate in PEM or DER, not a secret: name it with "
                 "--auth-public-key-file"};
  }
  Algorithms permitted = permit(Algorithm::hs256);
  if (bytes.size() >= 48) permitted |= permit(Algorithm::hs384);
  if (bytes.size() >= 64) permitted |= permit(Algorithm::hs512);
  return Key(std::move(bytes), permitted);
}

Result<Key> Key::of_public(std::shared_ptr<EVP_PKEY> key) {
  const auto permitted = permitted_by(key.get());
  if (!permitted) return permitted.error();
  // Points off the curve, even exponents and the like.
  using Checking = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
  const Checking checking(EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  if (!checking || EVP_PKEY_public_check(checking.get()) != 1) {
    return Error{Fault::invalid, "not a sound key of its kind"};
  }
  return Key(std::move(key), *permitted);
}

bool Key::only(Algorithm algorithm) {
  permitted_ &= permit(algorithm);
  return permitted_.any();
}

bool Key::verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const {
  if (!permits(algorithm)) return false;
  if (const auto* secret = std::get_if<std::string>(&material_)) {
    const std::string expected = hmac(digest_of(algorithm), *secret, text);
    return signature.size() == expected.size() &&
           CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
  }
  EVP_PKEY* key = std::get<std::shared_ptr<EVP_PKEY>>(material_).get();
  if (algorithm != Algorithm::es256 && algorithm != Algorithm::es384) {
    return verify_with(key, algorithm, text, signature);
  }
  const auto der = ecdsa_der(signature, algorithm == Algorithm::es256 ? 32 : 48);
  return der && verify_with(key, algorithm, text, *der);
}

std::string hs256(std::string_view secret, std::string_view text) {
  return hmac(EVP_sha256(), secret, text);
}

}  // namespace tidegate::auth
