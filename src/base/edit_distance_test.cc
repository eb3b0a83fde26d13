#include "base/edit_distance.h"

#include <gtest/gtest.h>

namespace selvedge::base {
namespace {

TEST(EditDistance, CountsWhatIsAddedRemovedAndReplaced) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("listen", "listen"), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("lisen", "listen"), 1u);
  EXPECT_EQ(edit_distance("listenn", "listen"), 1u);
  EXPECT_EQ(edit_distance("listan", "listen"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace selvedge::base
