#include "base/log.h"

#include <gtest/gtest.h>

namespace selvedge::log {
namespace {

TEST(Escape, ControlCharacters_CannotForgeALine) {
  EXPECT_EQ(escape("a\nb\r\t\x1b[31m"), "a\\nb\\r\\t\\x1b[31m");
  EXPECT_EQ(escape("abcdef", 3), "abc... (3 more bytes)");
}

}  // namespace
}  // namespace selvedge::log
