#include "wire/cgi_response_parser.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace selvedge::wire {
namespace {

// "status|name=value;...|content", "need more", or "error: ...".
std::string parse(std::string_view text, std::size_t piece_bytes, const CgiLimits& limits = {}) {
  CgiResponseParser parser(limits);
  for (std::size_t position = 0; position < text.size(); position += piece_bytes) {
    const auto content = parser.feed(base::as_bytes(text.substr(position, piece_bytes)));
    if (!content) {
      return "error: " + content.error().message();
    }
    if (content->has_value()) {
      std::string out = std::to_string(parser.head().status.value()) + "|";
      for (const Header header : parser.head().headers) {
        out.append(header.name.text()).append("=").append(header.value.text()).append(";");
      }
      const std::size_t rest = std::min(text.size(), position + piece_bytes);
      return out.append("|").append(base::as_text(**content)).append(text.substr(rest));
    }
  }
  return "need more";
}

struct Case {
  std::string text;
  std::string expected;
};

TEST(CgiResponseParser_Feed, EveryCase_SameInAnyPieces) {
  const auto cases = std::to_array<Case>({
      {"Content-Type: text/plain\n\nhello", "200|Content-Type=text/plain;|hello"},
      {"Content-Type: text/plain\r\n\r\nhello", "200|Content-Type=text/plain;|hello"},
      {"Content-Type: text/plain\r\n\nhello", "200|Content-Type=text/plain;|hello"},
      {"Status: 404 Not Found\nContent-type:text/html\n\n", "404|Content-type=text/html;|"},
      {"status:204\n\n", "204||"},
      {"Location: /here\n\n", "302|Location=/here;|"},
      {"Location: http://example.com/\nStatus: 301 Moved\n\nx",
       "301|Location=http://example.com/;|x"},
      {"Content-Type: a/b\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n",
       "200|Content-Type=a/b;Set-Cookie=a=1;Set-Cookie=b=2;|"},
      {"Content-Type: a/b\nConnection: close\nX: \t y \n\n", "200|Content-Type=a/b;X=y;|"},
      {"", "need more"},
      {"Content-Type: a/b\n", "need more"},
  });
  for (const Case& test : cases) {
    for (const std::size_t piece : std::to_array<std::size_t>({1, 2, 5, 1000})) {
      EXPECT_EQ(parse(test.text, piece), test.expected) << test.text << " in pieces of " << piece;
    }
  }
}

TEST(CgiResponseParser_Feed, Malformed_Refused) {
  const auto cases = std::to_array<std::string>({
      "\nhello",
      "X-Only: y\n\n",
      "HTTP/1.1 200 OK\nContent-Type: a/b\n\n",
      "Content-Type a/b\n\n",
      "Content-Type : a/b\n\n",
      ": a\n\n",
      "Content-Type: a/b\n folded\n\n",
      std::string("Content-Type: a\0b\n\n", 19),
      "Content-Type: a/b\rX-Injected: y\n\n",
      "Status: 99\n\n",
      "Status: 600 x\n\n",
      "Status: 1000\n\n",
      "Status: 2x0\n\n",
      "Status: 101 Switching\n\n",
      "Status: 200\nStatus: 200\n\n",
      "Content-Type: a/b\nContent-Type: a/b\n\n",
      "Location: /a\nLocation: /b\n\n",
      "Content-Type: a/b\nTransfer-Encoding: chunked\n\n",
      "Content-Type: a/b\nContent-Length: 1\nContent-Length: 1\n\n",
      "Content-Type: a/b\nContent-Length: +1\n\n",
  });
  for (const std::string& text : cases) {
    const std::string whole = parse(text, text.size());
    EXPECT_TRUE(whole.starts_with("error: ")) << text << whole;
    EXPECT_EQ(parse(text, 1), whole);
  }
}

TEST(CgiResponseParser_Feed, OverLimits_Refused) {
  EXPECT_TRUE(parse("X: " + std::string(70'000, 'a'), 1000).starts_with("error: "));
  std::string many = "Content-Type: a/b\n";
  for (int i = 0; i < 100; ++i) {
    many += "X: y\n";
  }
  EXPECT_TRUE(parse(many + "\n", 7).starts_with("error: "));
  EXPECT_TRUE(parse(std::string(100'000, 'a'), 4096).starts_with("error: "));
}

}  // namespace
}  // namespace selvedge::wire
