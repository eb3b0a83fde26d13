#include "crypto/secret_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace selvedge::crypto {
namespace {

TEST(SecretKey, WrongSize_IsRefused) {
  for (const std::size_t size : {0uz, 31uz, 33uz}) {
    EXPECT_FALSE(SecretKey::from_bytes(base::as_bytes(std::string(size, 'k'))).has_value());
  }
}

TEST(SecretKey, Moved_LeavesZeros) {
  SecretKey key = *SecretKey::from_bytes(base::as_bytes(std::string(32, 'k')));
  SecretKey other = std::move(key);
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  EXPECT_TRUE(
      std::ranges::all_of(key.bytes(), is_zero));  // NOLINT(bugprone-use-after-move): the subject
  EXPECT_EQ(base::as_text(other.bytes()), std::string(32, 'k'));
  key = std::move(other);
  EXPECT_TRUE(
      std::ranges::all_of(other.bytes(), is_zero));  // NOLINT(bugprone-use-after-move): as above
  EXPECT_EQ(base::as_text(key.clone().bytes()), std::string(32, 'k'));
}

}  // namespace
}  // namespace selvedge::crypto
