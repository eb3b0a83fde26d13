#include "crypto/hmac_sha256.h"

#include <gtest/gtest.h>

#include <string>

#include "base/format.h"

namespace selvedge::crypto {
namespace {

std::string hex(std::string_view key, std::string_view input) {
  std::string out;
  for (const std::byte byte : hmac_sha256(base::as_bytes(key), base::as_bytes(input))) {
    out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return out;
}

// RFC 4231, sections 4.2, 4.3 and 4.7.
TEST(HmacSha256Test, Vectors_Match) {
  EXPECT_EQ(hex(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256Test, EmptyKeyAndInput_AreAllowed) {
  EXPECT_EQ(hex("", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

}  // namespace
}  // namespace selvedge::crypto
