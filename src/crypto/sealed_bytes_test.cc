#include "crypto/sealed_bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace selvedge::crypto {
namespace {

using base::as_bytes;

SecretKey key_of(std::uint8_t fill) {
  std::array<std::byte, SecretKey::kSize> bytes{};
  bytes.fill(std::byte{fill});
  return SecretKey(bytes);
}

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

TEST(SealedBytesTest, WhatIsSealed_OpensAgain) {
  base::SeededRandom random(1);
  for (const int count : {0, 1, 15, 16, 17, 100'000}) {
    const auto size = static_cast<std::size_t>(count);
    const std::string plain(size, 'x');
    const auto sealed = seal(key_of(1), random, as_bytes("app"), as_bytes(plain));
    EXPECT_EQ(sealed.size(), size + kSealOverheadBytes);
    const auto opened = open_sealed(key_of(1), as_bytes("app"), sealed);
    ASSERT_TRUE(opened.has_value()) << size;
    EXPECT_EQ(base::as_text(*opened), plain);
  }
}

TEST(SealedBytesTest, TwoSealings_ShareNoNonce) {
  base::SeededRandom random(1);
  const auto one = seal(key_of(1), random, as_bytes("app"), as_bytes("same"));
  const auto two = seal(key_of(1), random, as_bytes("app"), as_bytes("same"));
  EXPECT_FALSE(std::equal(one.begin(), one.begin() + kSealNonceBytes, two.begin()));
  EXPECT_NE(one, two);
}

TEST(SealedBytesTest, AnyChange_IsDenied) {
  base::SeededRandom random(1);
  const auto sealed = seal(key_of(1), random, as_bytes("app"), as_bytes("secret"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] ^= std::byte{1};
    const auto opened = open_sealed(key_of(1), as_bytes("app"), changed);
    ASSERT_FALSE(opened.has_value()) << i;
    EXPECT_EQ(opened.error().kind(), ErrorKind::kDenied);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(open_sealed(key_of(1), as_bytes("app"), base::ByteSpan(sealed).first(size)));
  }
  EXPECT_FALSE(open_sealed(key_of(2), as_bytes("app"), sealed).has_value());
  EXPECT_FALSE(open_sealed(key_of(1), as_bytes("other"), sealed).has_value());
}

// NIST's GCM test vectors (McGrew and Viega), test case 14: a key of 256 zero bits.
TEST(SealedBytesTest, VectorOfGcm_Opens) {
  const auto opened = open_sealed(key_of(0), {},
                                  from_hex("000000000000000000000000"
                                           "cea7403d4d606b6e074ec5d3baf39d18"
                                           "d0d1c8a799996bf0265b98b5d48ab919"));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(*opened, std::vector<std::byte>(16));
}

}  // namespace
}  // namespace selvedge::crypto
