#include "auth/pem.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace tidegate::auth {
namespace {

// One block as it stands in the file; OpenSSL's memory.
struct Block {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;

  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
};

EVP_PKEY* of_certificate(const unsigned char* at, long size) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(d2i_X509(nullptr, &at, size), X509_free);
  return certificate ? X509_get_pubkey(certificate.get()) : nullptr;
}

Result<Key> read_block(const Block& block) {
  const std::string_view name = block.name;
  const unsigned char* at = block.data;
  EVP_PKEY* key = nullptr;
  if (name.find("PRIVATE KEY") != std::string_view::npos) {
    return Error{
        Fault::invalid,
        "it holds a private key, which only the issuer should have: write the public part alone, with "
        "`openssl pkey -in FILE -pubout`"};
  }
  if (name == "PUBLIC KEY") {
    key = d2i_PUBKEY(nullptr, &at, block.size);
  } else if (name == "RSA PUBLIC KEY") {
    key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, block.size);
  } else if (name == "CERTIFICATE") {
    key = of_certificate(at, block.size);
  } else {
    return Error{Fault::invalid, "it holds something else than public keys and certificates"};
  }
  ERR_clear_error();
  if (key == nullptr) return Error{Fault::invalid, fmt::format("a {} of it can't be read", name)};
  return Key::of_public({key, EVP_PKEY_free});
}

}  // namespace

Result<KeySet> read_pem(std::string_view text) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  KeySet keys;
  for (;;) {
    Block block;
    if (PEM_read_bio(in.get(), &block.name, &block.header, &block.data, &block.size) != 1) break;
    auto key = read_block(block);
    if (!key) return key.error();
    keys.push_back(std::move(*key));
  }
  const unsigned long ended = ERR_GET_REASON(ERR_peek_last_error());
  ERR_clear_error();
  if (ended != PEM_R_NO_START_LINE) return Error{Fault::invalid, "a block of it is not whole PEM"};
  if (keys.empty()) {
    return Error{Fault::invalid,
                 "it holds no key: it must have a `-----BEGIN PUBLIC KEY-----` or a certificate in PEM"};
  }
  return keys;
}

}  // namespace tidegate::auth
