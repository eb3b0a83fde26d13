#include "wire/header.h"

#include <gtest/gtest.h>

#include <string>

namespace selvedge::wire {
namespace {

TEST(HeaderName_Parse, TokenCharacters_Accepted) {
  EXPECT_TRUE(HeaderName::parse("X-Token!#$%&'*+-.^_`|~09"));
}

TEST(HeaderName_Parse, EverythingElse_Refused) {
  for (const std::string_view text : {"", "a b", "a:", " a", "a\t", "a\r\nb", "\xc3\xa9", "a(b)"}) {
    EXPECT_FALSE(HeaderName::parse(text)) << text;
  }
  EXPECT_FALSE(HeaderName::parse(std::string_view("a\0b", 3)));
  EXPECT_FALSE(HeaderName::parse(std::string(257, 'a')));
}

TEST(HeaderValue_Parse, OuterWhitespace_Trimmed) {
  EXPECT_EQ(HeaderValue::parse(" \t a b\t ")->text(), "a b");
  EXPECT_EQ(HeaderValue::parse("")->text(), "");
  EXPECT_EQ(HeaderValue::parse("\xc3\xa9")->text(), "\xc3\xa9");
}

TEST(HeaderValue_Parse, ControlCharacters_Refused) {
  for (int c = 0; c < 0x20; ++c) {
    const std::string text = std::string("a") + static_cast<char>(c) + "b";
    EXPECT_EQ(HeaderValue::parse(text).has_value(), c == '\t') << c;
  }
  EXPECT_FALSE(
      HeaderValue::parse("a\x7f"
                         "b"));
}

TEST(HeaderList_Find, AnyCase_FirstOfThatName) {
  HeaderList list;
  list.add("Set-Cookie", "a=1");
  list.add("X", "");
  list.add("set-cookie", "b=2");
  EXPECT_EQ(list.find("SET-COOKIE"), "a=1");
  EXPECT_EQ(list.count("set-cookie"), 2u);
  EXPECT_EQ(list.find("x"), "");
  EXPECT_EQ(list.find("y"), std::nullopt);
}

TEST(HeaderList_Change, SetAndRemove_KeepTheOthersInOrder) {
  HeaderList list;
  list.add("a", "1");
  list.add("b", "2");
  list.add("A", "3");
  list.add_number("c", 18446744073709551615ULL);
  EXPECT_EQ(list.remove("a"), 2u);
  list.set("B", "4");
  std::string text;
  for (const Header header : list) {
    text.append(header.name.text()).append("=").append(header.value.text()).append(";");
  }
  EXPECT_EQ(text, "c=18446744073709551615;B=4;");
  list.clear();
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace selvedge::wire
