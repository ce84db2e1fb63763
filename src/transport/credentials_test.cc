// Certificates and keys as an operator gives them: what can't be used is refused with the setting's name, and
// never takes the place of what works.
#include "transport/credentials.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <cstdio>
#include <fstream>

#include "transport/testing.h"

namespace tidegate::transport {
namespace {

using testing::Certificate;

class CredentialsTest : public ::testing::Test {
 protected:
  auto open(const CredentialFiles& files) {
    const auto note = [this](const std::string& line) { said += line + "\n"; };
    return Credentials::open(files, {note, note}, clock, metrics);
  }
  void refuses(const CredentialFiles& files, std::string_view setting, std::string_view why) {
    const auto opened = open(files);
    ASSERT_FALSE(opened.ok());
    const std::string& message = opened.error().message;
    EXPECT_NE(message.find(setting), std::string::npos) << message;
    EXPECT_NE(message.find(why), std::string::npos) << message;
  }
  [[nodiscard]] bool counted(std::string_view line) const {
    return metrics.text().find(line) != std::string::npos;
  }

  Certificate certificate;
  SystemClock clock;
  metrics::Registry metrics;
  std::string said;
};

TEST_F(CredentialsTest, WhatCannotBeUsedIsRefusedWithTheSettingAndTheReason) {
  const Certificate other;
  refuses({"/nowhere.pem", certificate.key_file()}, "--tls-certificate-file: `/nowhere.pem`", "No such file");
  refuses({certificate.file(), "/nowhere.pem"}, "--tls-key-file: `/nowhere.pem`", "No such file");
  refuses({certificate.key_file(), certificate.key_file()}, "--tls-certificate-file",
          "no certificates in PEM");
  refuses({certificate.file(), certificate.file()}, "--tls-key-file", "no private key in PEM");
  refuses({certificate.file(), other.key_file()}, "--tls-key-file", "not the key of");
}

TEST_F(CredentialsTest, AnEncryptedKeyIsRefusedWithoutAQuestionAtTheTerminal) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  FILE* const out = std::fopen(certificate.key_file().c_str(), "w");
  PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), nullptr, 0, nullptr, const_cast<char*>("secret"));
  std::fclose(out);
  EVP_PKEY_free(key);
  refuses(certificate.files(), "--tls-key-file", "is encrypted");
}

TEST_F(CredentialsTest, AReloadTakesWhatIsGoodAndKeepsTheOldForWhatIsNot) {
  const auto opened = open(certificate.files());
  ASSERT_TRUE(opened.ok());
  certificate.make(3'600);
  (*opened)->reload();
  EXPECT_NE(said.find("holds now"), std::string::npos);
  EXPECT_TRUE(counted(R"(tidegate_tls_certificate_loads_total{result="loaded"} 2)"));
  std::ofstream(certificate.file()) << "rubbish";
  (*opened)->reload();
  EXPECT_NE(said.find("the earlier certificate stays"), std::string::npos);
  EXPECT_TRUE(counted(R"(tidegate_tls_certificate_loads_total{result="failed"} 1)"));
  EXPECT_NE((*opened)->accept(nullptr), nullptr);
}

TEST_F(CredentialsTest, AnExpiredCertificateIsTakenWithAWarningAndItsEndIsAMetric) {
  certificate.make(-60);
  ASSERT_TRUE(open(certificate.files()).ok());
  EXPECT_NE(said.find("has expired"), std::string::npos);
  EXPECT_FALSE(counted("tidegate_tls_certificate_expires_seconds 0"));
}

}  // namespace
}  // namespace tidegate::transport
