// Any bytes as a JWK Set and as a PEM file: keys of which each permits something, or a refusal.
#include "auth/jwks.h"
#include "auth/pem.h"
#include "input.h"

namespace {

using namespace tidegate;

void judge(const auth::KeySet& keys) {
  for (const auth::Key& key : keys) {
    fuzz::require(key.permitted().any(), "a key permits something");
    const bool secret = key.permits(auth::Algorithm::hs256) || key.permits(auth::Algorithm::hs384) ||
                        key.permits(auth::Algorithm::hs512);
    auto others = key.permitted();
    for (const auto one : {auth::Algorithm::hs256, auth::Algorithm::hs384, auth::Algorithm::hs512}) {
      others.reset(static_cast<std::size_t>(one));
    }
    fuzz::require(!secret || others.none(), "a secret permits HMACs alone");
    for (std::size_t i = 0; i < auth::kAlgorithms; ++i) {
      fuzz::require(!key.verifies(static_cast<auth::Algorithm>(i), "text", std::string(64, '\1')),
                    "nothing fits");
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::bytes_of(data, size);
  for (const auto secrets : {auth::Secrets::taken, auth::Secrets::ignored}) {
    const auto set = auth::read_jwks(bytes, secrets);
    if (set) {
      judge(set->keys);
    } else {
      fuzz::require(!set.error().message.empty(), "a refusal says why");
    }
  }
  if (const auto keys = auth::read_pem(bytes)) judge(*keys);
  return 0;
}
