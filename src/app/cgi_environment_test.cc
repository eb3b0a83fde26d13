#include "app/cgi_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace selvedge::app {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Key;
using testing::Not;
using testing::Pair;

wire::HeaderList headers(
    std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  wire::HeaderList list;
  for (const auto& [name, value] : fields) {
    list.add(*wire::HeaderName::parse(name), *wire::HeaderValue::parse(value));
  }
  return list;
}

const HttpPeer kPeer{.remote_address = "192.0.2.7",
                     .remote_port = 50123,
                     .local_address = "198.51.100.1",
                     .local_port = 8080,
                     .secure = false};

std::map<std::string, std::string> environment(std::string_view target, wire::HeaderList list,
                                               const Environment& configured = {},
                                               std::string_view method = "GET",
                                               std::optional<std::uint64_t> length = std::nullopt) {
  list.add("host", "example.org:8080");
  auto request = wire::RequestHead::create(*wire::Method::parse(method), target, std::move(list));
  EXPECT_TRUE(request.has_value()) << request.error().message();
  auto made = cgi_environment(*request, kPeer, length, CgiScript::from(configured), configured);
  EXPECT_TRUE(made.has_value()) << made.error().message();
  std::map<std::string, std::string> variables;
  for (const std::string& entry : *made) {
    const std::size_t equals = entry.find('=');
    EXPECT_TRUE(variables.emplace(entry.substr(0, equals), entry.substr(equals + 1)).second)
        << entry << " appears twice";
  }
  return variables;
}

// RFC 3875 section 4.1.
TEST(CgiEnvironment, PlainGet_HasTheMetaVariables) {
  const auto variables = environment("/a/b?x=1&y=%20", {});
  EXPECT_THAT(
      variables,
      AllOf(Contains(Pair("GATEWAY_INTERFACE", "CGI/1.1")),
            Contains(Pair("QUERY_STRING", "x=1&y=%20")), Contains(Pair("REMOTE_ADDR", "192.0.2.7")),
            Contains(Pair("REMOTE_PORT", "50123")), Contains(Pair("REQUEST_METHOD", "GET")),
            Contains(Pair("REQUEST_URI", "/a/b?x=1&y=%20")), Contains(Pair("SCRIPT_NAME", "")),
            Contains(Pair("PATH_INFO", "/a/b")), Contains(Pair("SERVER_NAME", "example.org")),
            Contains(Pair("SERVER_PORT", "8080"))));
  EXPECT_THAT(
      variables,
      AllOf(Contains(Pair("SERVER_PROTOCOL", "HTTP/1.1")), Contains(Key("SERVER_SOFTWARE")),
            Contains(Pair("HTTP_HOST", "example.org:8080")), Not(Contains(Key("AUTH_TYPE"))),
            Not(Contains(Key("HTTPS"))), Not(Contains(Key("CONTENT_LENGTH"))),
            Not(Contains(Key("CONTENT_TYPE"))), Not(Contains(Key("PATH_TRANSLATED")))));
}

// Section 4.1.4: QUERY_STRING is always set, empty without a query.
TEST(CgiEnvironment, NoQuery_IsEmptyQueryString) {
  EXPECT_THAT(environment("/", {}), Contains(Pair("QUERY_STRING", "")));
}

// Sections 4.1.2 and 4.1.3.
TEST(CgiEnvironment, Content_HasLengthAndType) {
  const auto variables =
      environment("/", headers({{"Content-Type", "text/plain; charset=utf-8"}}), {}, "POST", 12);
  EXPECT_THAT(variables, AllOf(Contains(Pair("CONTENT_LENGTH", "12")),
                               Contains(Pair("CONTENT_TYPE", "text/plain; charset=utf-8")),
                               Not(Contains(Key("HTTP_CONTENT_TYPE"))),
                               Not(Contains(Key("HTTP_CONTENT_LENGTH")))));
}

// Section 4.1.18.
TEST(CgiEnvironment, RepeatedFields_AreJoined) {
  const auto variables =
      environment("/", headers({{"X-A", "1"}, {"x-a", "2"}, {"Cookie", "a=1"}, {"Cookie", "b=2"}}));
  EXPECT_THAT(variables,
              AllOf(Contains(Pair("HTTP_X_A", "1, 2")), Contains(Pair("HTTP_COOKIE", "a=1; b=2"))));
}

TEST(CgiEnvironment, DangerousFields_AreNotPassedOn) {
  const auto variables = environment("/", headers({{"Proxy", "http://evil"},
                                                   {"X_Forwarded_For", "1.2.3.4"},
                                                   {"X-Forwarded-For", "5.6.7.8"},
                                                   {"X.Dot", "1"},
                                                   {"Connection", "close"},
                                                   {"TE", "trailers"}}));
  EXPECT_THAT(
      variables,
      AllOf(Not(Contains(Key("HTTP_PROXY"))), Contains(Pair("HTTP_X_FORWARDED_FOR", "5.6.7.8")),
            Not(Contains(Key("HTTP_X.DOT"))), Not(Contains(Key("HTTP_X_DOT"))),
            Not(Contains(Key("HTTP_CONNECTION"))), Not(Contains(Key("HTTP_TE")))));
}

TEST(CgiEnvironment, ConfiguredEntries_BeatHeadersButNotMetaVariables) {
  const auto variables =
      environment("/", headers({{"X-Secret", "client"}}),
                  {{"HTTP_X_SECRET", "operator"}, {"REMOTE_ADDR", "forged"}, {"MODE", "test"}});
  EXPECT_THAT(variables,
              AllOf(Contains(Pair("HTTP_X_SECRET", "operator")),
                    Contains(Pair("REMOTE_ADDR", "192.0.2.7")), Contains(Pair("MODE", "test"))));
}

TEST(CgiEnvironment, AbsoluteForm_HasOriginFormRequestUri) {
  EXPECT_THAT(environment("http://example.org:8080/x?y", {}),
              Contains(Pair("REQUEST_URI", "/x?y")));
}

struct PathCase {
  const char* path;
  const char* script_name;
  const char* path_info;  // null: absent
  const char* script_filename;
};

TEST(CgiEnvironment, DocumentRoot_MapsPathsAsPhpExpects) {
  for (const PathCase& path : {
           PathCase{"/", "/index.php", nullptr, "/site/index.php"},
           PathCase{"/a/", "/a/index.php", nullptr, "/site/a/index.php"},
           PathCase{"/a.php", "/a.php", nullptr, "/site/a.php"},
           PathCase{"/d/a.php/x/y", "/d/a.php", "/x/y", "/site/d/a.php"},
           PathCase{"/a.php/b.php", "/a.php", "/b.php", "/site/a.php"},
           PathCase{"/blog/post", "/index.php", "/blog/post", "/site/index.php"},
           PathCase{"/a.php5/x", "/index.php", "/a.php5/x", "/site/index.php"},
           PathCase{"/caf%C3%A9.php", "/caf\xC3\xA9.php", nullptr, "/site/caf\xC3\xA9.php"},
       }) {
    SCOPED_TRACE(path.path);
    auto variables = environment(path.path, {}, {{"DOCUMENT_ROOT", "/site/"}});
    EXPECT_EQ(variables["SCRIPT_NAME"], path.script_name);
    EXPECT_EQ(variables["SCRIPT_FILENAME"], path.script_filename);
    EXPECT_EQ(variables["DOCUMENT_ROOT"], "/site");
    if (path.path_info == nullptr) {
      EXPECT_THAT(variables, Not(Contains(Key("PATH_INFO"))));
      EXPECT_THAT(variables, Not(Contains(Key("PATH_TRANSLATED"))));
    } else {
      EXPECT_EQ(variables["PATH_INFO"], path.path_info);
      EXPECT_EQ(variables["PATH_TRANSLATED"], std::string("/site") + path.path_info);
    }
    EXPECT_EQ(variables["REDIRECT_STATUS"], "200");
  }
}

TEST(CgiEnvironment, FrontController_TakesEveryPath) {
  const Environment configured{{"DOCUMENT_ROOT", "/app"}, {"SCRIPT_FILENAME", "/app/app.php"}};
  auto variables = environment("/blog/post.php", {}, configured);
  EXPECT_EQ(variables["SCRIPT_NAME"], "/app.php");
  EXPECT_EQ(variables["PATH_INFO"], "/blog/post.php");
  EXPECT_EQ(variables["SCRIPT_FILENAME"], "/app/app.php");
  variables = environment("/app.php/x", {}, configured);
  EXPECT_EQ(variables["SCRIPT_NAME"], "/app.php");
  EXPECT_EQ(variables["PATH_INFO"], "/x");
}

TEST(CgiEnvironment, EncodedDotSegments_AreRefused) {
  wire::HeaderList list;
  list.add("host", "x");
  const auto request = wire::RequestHead::create(*wire::Method::parse("GET"),
                                                 "/..%2F..%2Fetc/a.php", std::move(list));
  ASSERT_TRUE(request.has_value());
  const Environment configured{{"DOCUMENT_ROOT", "/site"}};
  const auto made =
      cgi_environment(*request, kPeer, std::nullopt, CgiScript::from(configured), configured);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace selvedge::app
