#include "engine/internal/native_error.h"

#include <gtest/gtest.h>

namespace selvedge::engine {
namespace {

TEST(NativeError, Null_IsSuccess) { EXPECT_TRUE(take_native_error(nullptr).has_value()); }

}  // namespace
}  // namespace selvedge::engine
