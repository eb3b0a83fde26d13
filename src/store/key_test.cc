#include "store/key.h"

#include <gtest/gtest.h>

#include <string>

// Goal: only names that no backend can confuse become keys.

namespace selvedge::store {
namespace {

TEST(KeyTest, Parse_OfPathsWithTheAllowedCharacters_KeepsTheText) {
  for (const std::string_view text : {"a", "apps/hello/active", "a.b_c@d+e-f/0", "x+1"}) {
    const auto key = Key::parse(text);
    ASSERT_TRUE(key.has_value()) << text;
    EXPECT_EQ(key->text(), text);
  }
}

TEST(KeyTest, Parse_OfAnythingElse_IsInvalid) {
  for (const std::string_view text :
       {"",     "/",     "/a",      "a/",        "a//b", ".",          "..",
        "a/..", "a/./b", ".hidden", "a/.hidden", "A",    "apps/Hello", "a b",
        "a\\b", "a%2fb", "a\nb",    "ä",         "a:b",  "a*",         "a~"}) {
    const auto key = Key::parse(text);
    ASSERT_FALSE(key.has_value()) << text;
    EXPECT_EQ(key.error().kind(), ErrorKind::kInvalid);
  }
  EXPECT_FALSE(Key::parse(std::string_view("a\0b", 3)).has_value());
}

TEST(KeyTest, Parse_AtAndBeyondTheLimits) {
  const std::string segment(Key::kSegmentBytesMax, 'a');
  EXPECT_TRUE(Key::parse(segment).has_value());
  EXPECT_FALSE(Key::parse(segment + "a").has_value());
  std::string longest = segment + "/" + segment + "/" + segment + "/";
  longest += std::string(Key::kBytesMax - longest.size(), 'b');
  EXPECT_TRUE(Key::parse(longest).has_value());
  EXPECT_FALSE(Key::parse(longest.substr(0, longest.size() - 2) + "/bb").has_value());
}

TEST(KeyTest, Child_IsCheckedLikeAnyKey) {
  const Key folder = *Key::parse("apps");
  EXPECT_EQ(folder.child("hello/active")->text(), "apps/hello/active");
  EXPECT_FALSE(folder.child("../secrets").has_value());
  EXPECT_FALSE(folder.child("").has_value());
}

TEST(KeyTest, IsBelow_NeedsAWholeSegment) {
  const Key key = *Key::parse("apps/hello");
  EXPECT_TRUE(key.is_below("apps"));
  EXPECT_FALSE(key.is_below("app"));
  EXPECT_FALSE(key.is_below("apps/hello"));
}

}  // namespace
}  // namespace selvedge::store
