#include "crypto/ed25519.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"

// Goal: keys and signatures are those of RFC 8032. Method: its vectors, and every bit of them
// changed.

namespace selvedge::crypto {
namespace {

std::vector<std::byte> from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return bytes;
}
std::string hex(base::ByteSpan bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

struct Vector {
  const char* secret;
  const char* public_key;
  const char* message;
  const char* signature;
};

// RFC 8032, section 7.1, tests 1 to 3.
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Ed25519Test, Vectors_Match) {
  for (const Vector& vector : kVectors) {
    const auto key = SecretKey::from_bytes(from_hex(vector.secret));
    ASSERT_TRUE(key.has_value());
    const auto message = from_hex(vector.message);
    EXPECT_EQ(hex(ed25519_public_key(*key)), vector.public_key);
    const Ed25519Signature signature = ed25519_sign(*key, message);
    EXPECT_EQ(hex(signature), vector.signature);
    EXPECT_TRUE(ed25519_verify(ed25519_public_key(*key), message, signature));
  }
}

TEST(Ed25519Test, AnythingElse_DoesNotVerify) {
  base::SeededRandom random(1);
  const SecretKey key = make_ed25519_key(random);
  const Ed25519PublicKey public_key = ed25519_public_key(key);
  const auto message = base::as_bytes(std::string_view("the package"));
  const Ed25519Signature signature = ed25519_sign(key, message);
  EXPECT_FALSE(ed25519_verify(public_key, message.first(message.size() - 1), signature));
  EXPECT_FALSE(ed25519_verify(ed25519_public_key(make_ed25519_key(random)), message, signature));
  for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Ed25519Signature changed = signature;
    changed[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(ed25519_verify(public_key, message, changed)) << bit;
  }
  EXPECT_FALSE(ed25519_verify({}, message, {}));
}

}  // namespace
}  // namespace selvedge::crypto
