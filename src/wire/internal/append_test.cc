#include "wire/internal/append.h"

#include <gtest/gtest.h>

#include <string>

namespace selvedge::wire::internal {
namespace {

TEST(Append, Pieces_LieBehindWhatWasThere) {
  std::string out = "a";
  append(out);
  append(out, "", std::string_view(), "b", std::string("c"));
  EXPECT_EQ(out, "abc");
}

TEST(Append, AnyNumberOfFields_AreWholeHoweverTheTextGrows) {
  std::string out;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string value(static_cast<std::size_t>(i % 97), 'v');
    append_field(out, "name", value);
    expected += "name: " + value + "\r\n";
    ASSERT_EQ(out, expected);
  }
}

}  // namespace
}  // namespace selvedge::wire::internal
