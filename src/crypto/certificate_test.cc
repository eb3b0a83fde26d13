#include "crypto/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace selvedge::crypto {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// 2026-01-01
constexpr base::WallTime kNow(std::chrono::seconds(1'767'225'600));

CertificatePem make(std::vector<std::string> names = {"localhost", "::1", "192.0.2.1"}) {
  return make_self_signed_certificate({.names = std::move(names), .from = kNow, .lifetime = 24h})
      .value();
}

std::string refusal(std::string_view chain, std::string_view key) {
  const auto made = Certificate::from_pem(chain, key);
  EXPECT_FALSE(made.has_value());
  if (made.has_value()) {
    return "";
  }
  EXPECT_EQ(made.error().kind(), ErrorKind::kInvalid);
  return made.error().message();
}

TEST(Certificate, SelfSigned_IsReadBackWithItsTimes) {
  const CertificatePem pem = make();
  const auto read = Certificate::from_pem(pem.certificate, pem.key);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->not_before(), kNow);
  EXPECT_EQ(read->not_after(), kNow + 24h);
  EXPECT_EQ(read->public_key_hash().size(), 64U);
}

TEST(Certificate, Keys_AreDifferentEachTime) {
  const CertificatePem a = make();
  const CertificatePem b = make();
  EXPECT_NE(Certificate::from_pem(a.certificate, a.key)->public_key_hash(),
            Certificate::from_pem(b.certificate, b.key)->public_key_hash());
}

TEST(Certificate, WhatDoesNotFit_IsOneSentenceAboutTheRightFile) {
  const CertificatePem a = make();
  const CertificatePem b = make();
  EXPECT_THAT(refusal(a.certificate, b.key), HasSubstr("key: this is not the key of"));
  EXPECT_THAT(refusal("", a.key), HasSubstr("certificate: this is not a certificate"));
  EXPECT_THAT(refusal(a.key, a.key), HasSubstr("certificate: this is not a certificate"));
  EXPECT_THAT(refusal(a.certificate, ""), HasSubstr("key: this is not a private key"));
  EXPECT_THAT(refusal(a.certificate, a.certificate), HasSubstr("key: this is not a private key"));
}

TEST(Certificate, EveryTruncation_IsRefused) {
  const CertificatePem pem = make();
  // The last line feed is not part of the format.
  for (std::size_t size = 0; size + 1 < pem.certificate.size(); size += 7) {
    refusal(pem.certificate.substr(0, size), pem.key);
  }
  for (std::size_t size = 0; size + 1 < pem.key.size(); size += 7) {
    refusal(pem.certificate, pem.key.substr(0, size));
  }
}

TEST(Certificate, AChain_IsReadWhole) {
  const CertificatePem a = make();
  const CertificatePem b = make();
  EXPECT_TRUE(Certificate::from_pem(a.certificate + b.certificate, a.key).has_value());
  EXPECT_THAT(refusal(a.certificate + b.certificate.substr(0, 100), a.key),
              HasSubstr("certificate 2 is malformed"));
  std::string many;
  for (std::size_t i = 0; i <= Certificate::kChainMax; ++i) {
    many += a.certificate;
  }
  EXPECT_THAT(refusal(many, a.key), HasSubstr("more than 16 certificates"));
}

TEST(Certificate, AKeyWithAPassword_IsRefusedAndNotAskedFor) {
  const CertificatePem pem = make();
  EXPECT_THAT(refusal(pem.certificate,
                      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGrMBA=\n"
                      "-----END ENCRYPTED PRIVATE KEY-----\n"),
              HasSubstr("without a password"));
}

TEST(Certificate, NamesThatAreNone_AreRefused) {
  EXPECT_FALSE(
      make_self_signed_certificate({.names = {""}, .from = kNow, .lifetime = 24h}).has_value());
  EXPECT_FALSE(make_self_signed_certificate(
                   {.names = {std::string(300, 'x')}, .from = kNow, .lifetime = 24h})
                   .has_value());
}

}  // namespace
}  // namespace selvedge::crypto
