#include "crypto/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"

namespace selvedge::crypto {
namespace {

std::string hex(const std::vector<std::string_view>& texts) {
  std::vector<base::ByteSpan> pieces;
  for (const std::string_view text : texts) {
    pieces.push_back(base::as_bytes(text));
  }
  std::string out;
  for (const std::byte byte : sha256(pieces)) {
    out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return out;
}

// FIPS 180-4, the examples that NIST publishes with it.
TEST(Sha256, Vectors_Match) {
  EXPECT_EQ(hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex({"abc"}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"}),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, Pieces_AreOneInput) {
  EXPECT_EQ(hex({"", "a", "", "bc"}), hex({"abc"}));
  EXPECT_NE(hex({"ab"}), hex({"abc"}));
}

}  // namespace
}  // namespace selvedge::crypto
