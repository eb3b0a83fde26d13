#include "crypto/constant_time.h"

#include <gtest/gtest.h>

namespace selvedge::crypto {
namespace {

using base::as_bytes;

TEST(ConstantTimeEqual, SameBytes_AreEqual) {
  EXPECT_TRUE(constant_time_equal({}, {}));
  EXPECT_TRUE(constant_time_equal(as_bytes("tag"), as_bytes("tag")));
}

TEST(ConstantTimeEqual, AnyDifference_IsFound) {
  EXPECT_FALSE(constant_time_equal(as_bytes("tag"), as_bytes("tah")));
  EXPECT_FALSE(constant_time_equal(as_bytes("tag"), as_bytes("uag")));
  EXPECT_FALSE(constant_time_equal(as_bytes("tag"), as_bytes("ta")));
  EXPECT_FALSE(constant_time_equal(as_bytes("tag"), {}));
  // Two differences that cancel out under xor of the differences.
  EXPECT_FALSE(constant_time_equal(as_bytes("ab"), as_bytes("ba")));
}

}  // namespace
}  // namespace selvedge::crypto
