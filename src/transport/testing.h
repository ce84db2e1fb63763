#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "transport/options.h"

/// For tests of whatever speaks TLS.
namespace tidegate::transport::testing {

/// A self-signed certificate for `localhost` and 127.0.0.1, or for other names, and its key, as files that go
/// with it.
class Certificate {
 public:
  explicit Certificate(long valid_for_s = 86'400, std::string names = "DNS:localhost,IP:127.0.0.1")
      : names_(std::move(names)) {
    std::string name = std::filesystem::temp_directory_path() / "tidegate-tls-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    make(valid_for_s);
  }
  ~Certificate() { std::filesystem::remove_all(directory_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  [[nodiscard]] std::string file() const { return directory_ / "cert.pem"; }
  [[nodiscard]] std::string key_file() const { return directory_ / "key.pem"; }
  [[nodiscard]] CredentialFiles files() const { return {file(), key_file()}; }
  /// Another key and certificate in the same files.
  void make(long valid_for_s) const {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -86'400);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_for_s);
    X509_NAME* const name = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                               -1, -1, 0);
    X509_set_issuer_name(made.get(), name);
    X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names_.c_str());
    X509_add_ext(made.get(), names, -1);
    X509_EXTENSION_free(names);
    X509_set_pubkey(made.get(), key.get());
    EXPECT_GT(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
    const std::unique_ptr<FILE, decltype(&std::fclose)> out(std::fopen(file().c_str(), "w"), std::fclose);
    EXPECT_EQ(PEM_write_X509(out.get(), made.get()), 1);
    const std::unique_ptr<FILE, decltype(&std::fclose)> key_out(std::fopen(key_file().c_str(), "w"),
                                                                std::fclose);
    EXPECT_EQ(PEM_write_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  }

 private:
  const std::string names_;
  std::filesystem::path directory_;
};

}  // namespace tidegate::transport::testing
