#include "auth/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "base/encoding.h"

namespace tidegate::auth {
namespace {

using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using Object = boost::json::object;

Error unusable(std::string why) {
  return {Fault::invalid, std::move(why)};
}

std::optional<std::string_view> text_of(const Object& jwk, std::string_view name) {
  const auto* value = jwk.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string());
}

// As everywhere in JOSE: base64url without padding.
std::optional<std::string> bytes_of(const Object& jwk, std::string_view name) {
  const auto text = text_of(jwk, name);
  if (!text || text->empty() || text->find('=') != std::string_view::npos) return std::nullopt;
  return base64url_decode(*text);
}

const unsigned char* unsigned_bytes(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Number number_of(const std::string& bytes) {
  return {BN_bin2bn(unsigned_bytes(bytes), static_cast<int>(bytes.size()), nullptr), BN_free};
}

Result<Key> built(const char* kind, OSSL_PARAM_BLD* builder) {
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(OSSL_PARAM_BLD_to_param(builder),
                                                                           OSSL_PARAM_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  const bool made = parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  ERR_clear_error();
  if (!made) return unusable("its numbers make no key");
  return Key::of_public({key, EVP_PKEY_free});
}

Result<Key> read_rsa(const Object& jwk) {
  const auto n = bytes_of(jwk, "n");
  const auto e = bytes_of(jwk, "e");
  // So that no number is built that would be refused for its size afterwards.
  if (!n || !e || n->size() > 2'048 || e->size() > 8)
    return unusable("`n` or `e` is missing or no base64url");
  const Number modulus = number_of(*n);
  const Number exponent = number_of(*e);
  const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return built("RSA", builder.get());
}

Result<Key> read_ec(const Object& jwk) {
  const auto curve = text_of(jwk, "crv");
  const std::size_t size = curve == "P-256" ? 32 : curve == "P-384" ? 48 : 0;
  if (size == 0) return unusable("an EC key of another curve than P-256 and P-384");
  const auto x = bytes_of(jwk, "x");
  const auto y = bytes_of(jwk, "y");
  if (!x || !y || x->size() != size || y->size() != size)
    return unusable("`x` or `y` does not fit its curve");
  const std::string point = '\x04' + *x + *y;  // uncompressed
  const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->data(), curve->size());
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return built("EC", builder.get());
}

Result<Key> read_okp(const Object& jwk) {
  if (text_of(jwk, "crv") != "Ed25519") return unusable("an OKP key of another curve than Ed25519");
  const auto x = bytes_of(jwk, "x");
  if (!x || x->size() != 32) return unusable("`x` does not fit its curve");
  EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, unsigned_bytes(*x), x->size());
  if (key == nullptr) return unusable("its numbers make no key");
  return Key::of_public({key, EVP_PKEY_free});
}

Result<Key> read_oct(const Object& jwk, Secrets secrets) {
  if (secrets == Secrets::ignored)
    return unusable("a secret, which whoever can fetch this set could sign with");
  auto bytes = bytes_of(jwk, "k");
  if (!bytes) return unusable("`k` is missing or no base64url");
  return Key::of_secret(std::move(*bytes));
}

// RFC 7517 section 4.2 and 4.3.
bool may_verify(const Object& jwk) {
  if (jwk.contains("use") && text_of(jwk, "use") != "sig") return false;
  const auto* operations = jwk.if_contains("key_ops");
  if (operations == nullptr) return true;
  if (!operations->is_array()) return false;
  const auto& all = operations->get_array();
  return std::any_of(all.begin(), all.end(),
                     [](const auto& one) { return one.is_string() && one.get_string() == "verify"; });
}

Result<Key> read_kind(const Object& jwk, Secrets secrets) {
  const auto kind = text_of(jwk, "kty");
  if (kind == "oct") return read_oct(jwk, secrets);
  if (jwk.contains("d")) return unusable("a private key, which only the issuer should have");
  if (kind == "RSA") return read_rsa(jwk);
  if (kind == "EC") return read_ec(jwk);
  if (kind == "OKP") return read_okp(jwk);
  return unusable("`kty` is not RSA, EC, OKP or oct");
}

}  // namespace

Result<Key> read_jwk(const Object& jwk, Secrets secrets) {
  if (!may_verify(jwk)) return unusable("not for signatures");
  auto key = read_kind(jwk, secrets);
  if (!key) return key;
  if (jwk.contains("alg")) {
    const auto algorithm = algorithm_named(text_of(jwk, "alg").value_or(""));
    if (!algorithm || !key->only(*algorithm)) return unusable("its `alg` does not fit, or is not supported");
  }
  if (jwk.contains("kid")) {
    const auto id = text_of(jwk, "kid");
    if (!id) return unusable("`kid` is not a string");
    key->name(std::string(*id));
  }
  return key;
}

}  // namespace tidegate::auth
