#include "wasix/guest_path.h"

#include <gtest/gtest.h>

namespace selvedge::wasix {
namespace {

TEST(AbsolutePath, IsWithoutDots_DoubleSlashesAndASlashAtTheEnd) {
  EXPECT_EQ(absolute_path("/", "/"), "/");
  EXPECT_EQ(absolute_path("/a", ""), "/a");
  EXPECT_EQ(absolute_path("/a", "."), "/a");
  EXPECT_EQ(absolute_path("/a", "b/./c/"), "/a/b/c");
  EXPECT_EQ(absolute_path("/a", "/b//c"), "/b/c");
  EXPECT_EQ(absolute_path("/a/b", "../c"), "/a/c");
  EXPECT_EQ(absolute_path("/a", "../../.."), "/");
  EXPECT_EQ(absolute_path("/", "../x/.."), "/");
  EXPECT_EQ(absolute_path("/", "..."), "/...");
}

TEST(PathBeneath, IsTheRest_AtTheBordersOfComponents) {
  EXPECT_EQ(path_beneath("/", "/"), "");
  EXPECT_EQ(path_beneath("/", "/a/b"), "a/b");
  EXPECT_EQ(path_beneath("/a", "/a"), "");
  EXPECT_EQ(path_beneath("/a", "/a/b/c"), "b/c");
  EXPECT_EQ(path_beneath("/a", "/ab"), std::nullopt);
  EXPECT_EQ(path_beneath("/a/b", "/a"), std::nullopt);
  EXPECT_EQ(path_beneath("/a", "/"), std::nullopt);
}

}  // namespace
}  // namespace selvedge::wasix
