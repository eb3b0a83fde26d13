#include "wire/request_target.h"

#include <gtest/gtest.h>

#include <array>

namespace selvedge::wire {
namespace {

struct PathCase {
  std::string_view text;
  std::string_view path;
};

TEST(RequestTarget_Path, NormalisesByTheDocumentedRules) {
  constexpr auto kCases = std::to_array<PathCase>({
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/./b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/b/..", "/a/"},
      {"/a/b/.", "/a/b/"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/%2E%2e/b", "/b"},
      {"/a/.%2e", "/"},
      {"/%7Euser", "/~user"},
      {"/%41%2f%5c", "/A%2F%5C"},
      {"//a//b", "//a//b"},
      {"/a//../b", "/a/b"},
      {"/a;x=1/b;y", "/a;x=1/b;y"},
      {"/a/..;/b", "/a/..;/b"},
      {"/.a/..b/...", "/.a/..b/..."},
      {"/%c3%a9", "/%C3%A9"},
      {"/a|b^[c]", "/a|b^[c]"},
      {"/?/../x", "/"},
      {"/a/b/c/./../../g", "/a/g"},       // RFC 3986 section 5.2.4
      {"/mid/content=5/../6", "/mid/6"},  // RFC 3986 section 5.2.4
      {"http://h", "/"},
      {"http://h?q", "/"},
      {"http://h/x/../y", "/y"},
      {"*", "*"},
  });
  for (const PathCase& test : kCases) {
    const auto target = RequestTarget::parse(test.text);
    ASSERT_TRUE(target) << test.text;
    EXPECT_EQ(target->path(), test.path) << test.text;
    EXPECT_EQ(target->text(), test.text);
  }
}

TEST(RequestTarget_Path, Normalised_IsAFixedPoint) {
  for (const std::string_view text : {"/a/%2e%2e/%2F%41//x/./", "/%7e/%zz", "/..%2f/a/"}) {
    const auto target = RequestTarget::parse(text);
    if (target) {
      const std::string path(target->path());
      EXPECT_EQ(RequestTarget::parse(path)->path(), path);
    }
  }
}

TEST(RequestTarget_Parse, Invalid_Refused) {
  for (const std::string_view text : {"",
                                      "a",
                                      "a/b",
                                      "/..",
                                      "/../a",
                                      "/a/../../b",
                                      "/%2e%2e/x",
                                      "/a\\b",
                                      "/a#b",
                                      "/a\"b",
                                      "/a<b",
                                      "/a b",
                                      "/a\tb",
                                      "/\xc3\xa9",
                                      "/%",
                                      "/%4",
                                      "/%zz",
                                      "/%00",
                                      "/a?b#c",
                                      "/?\xff",
                                      "/?a b",
                                      "ftp://h/",
                                      "http:///x",
                                      "http://u@h/",
                                      "http://h:99999/",
                                      "http://[::1/",
                                      "http://h:8x/",
                                      "https:/h/",
                                      "://h/",
                                      "**",
                                      "http://a,b/",
                                      "http://h\\x/"}) {
    EXPECT_FALSE(RequestTarget::parse(text)) << text;
  }
}

TEST(RequestTarget_Parse, AbsoluteForm_SplitsAuthorityAndQuery) {
  const auto target = RequestTarget::parse("HTTP://Example.com:8080/a?b?c");
  ASSERT_TRUE(target);
  EXPECT_TRUE(target->is_absolute_form());
  EXPECT_EQ(target->scheme(), "HTTP");
  EXPECT_EQ(target->authority(), "Example.com:8080");
  EXPECT_EQ(target->query(), "b?c");
  EXPECT_FALSE(RequestTarget::parse("/a")->has_query());
  EXPECT_TRUE(RequestTarget::parse("/a?")->has_query());
  EXPECT_TRUE(RequestTarget::parse("/a?x=http://b/\\")->has_query());
}

TEST(RequestTarget_Move, ShortTarget_ViewsFollow) {
  RequestTarget first = *RequestTarget::parse("/a?q");
  const RequestTarget second = std::move(first);
  EXPECT_EQ(second.path(), "/a");
  EXPECT_EQ(second.query(), "q");
}

TEST(Authority_Parse, HostsAndPorts) {
  EXPECT_EQ(Authority::parse("example.com")->host, "example.com");
  EXPECT_EQ(Authority::parse("example.com:80")->port, "80");
  EXPECT_EQ(Authority::parse("example.com:")->port, "");
  EXPECT_EQ(Authority::parse("[::1]:8080")->host, "[::1]");
  EXPECT_EQ(Authority::parse("[::1]:8080")->port, "8080");
  for (const std::string_view text : {"", ":80", "a:b", "a:65536", "a:1:2", "[]", "[:", "[g::1]",
                                      "[::1]x", "a b", "a/b", "a@b", "a,b", "::1", "a%41"}) {
    EXPECT_FALSE(Authority::parse(text)) << text;
  }
}

TEST(PercentDecode, EscapesAndErrors) {
  EXPECT_EQ(*percent_decode("/a%20b%2Fc+"), "/a b/c+");
  for (const std::string_view text : {"%", "%1", "%gg", "a%00b"}) {
    EXPECT_FALSE(percent_decode(text)) << text;
  }
}

}  // namespace
}  // namespace selvedge::wire
