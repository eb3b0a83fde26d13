#include "wire/http1_request_parser.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

// Goal: every input of the attack list has one outcome, whatever pieces it comes in. Method: a
// table of raw bytes and the expected status (0: accepted), run whole and cut into small pieces.

namespace selvedge::wire {
namespace {

struct Request {
  std::string method;
  std::string path;
  std::string authority;
  std::string content;
  bool keep_alive = false;
  friend bool operator==(const Request&, const Request&) = default;
};

struct Outcome {
  std::vector<Request> requests;  // the complete ones
  int status = 0;                 // of the rejection that ended the connection; 0: none
  std::size_t rest = 0;           // bytes not consumed
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome parse(std::string_view text, std::size_t piece_bytes, const Http1Limits& limits = {}) {
  Http1RequestParser parser(limits);
  Outcome outcome;
  std::string content;
  std::size_t available = 0;
  std::size_t position = 0;
  for (;;) {
    const auto event = parser.next(base::as_bytes(text.substr(position, available - position)));
    if (!event) {
      outcome.status = event.error().status.value();
      EXPECT_FALSE(parser.next({}).has_value());
      return outcome;
    }
    position += event->consumed;
    if (event->kind == Http1EventKind::kContent) {
      content += base::as_text(event->data);
    } else if (event->kind == Http1EventKind::kEnd) {
      const RequestHead& head = parser.head();
      outcome.requests.push_back({std::string(head.method().text()),
                                  std::string(head.target().path()), std::string(head.authority()),
                                  content, head.wants_keep_alive()});
      content.clear();
      parser.start_next();
    } else if (event->kind == Http1EventKind::kNeedMore) {
      if (available == text.size()) {
        outcome.rest = text.size() - position;
        return outcome;
      }
      available = std::min(text.size(), available + piece_bytes);
    }
  }
}

// The outcome, the same whole and in pieces of 1, 2, 3 and 17 bytes.
Outcome parse_all_ways(std::string_view text, const Http1Limits& limits = {}) {
  Outcome whole = parse(text, text.size() + 1, limits);
  for (const std::size_t piece : std::to_array<std::size_t>({1, 2, 3, 17})) {
    if (piece * 5000 < text.size()) {
      continue;
    }
    EXPECT_EQ(parse(text, piece, limits), whole)
        << text.substr(0, 200) << "\nin pieces of " << piece;
  }
  return whole;
}

std::string get(std::string_view fields) {
  return std::string("GET / HTTP/1.1\r\nHost: h\r\n").append(fields).append("\r\n");
}
std::string post(std::string_view fields, std::string_view content = "") {
  return std::string("POST / HTTP/1.1\r\nHost: h\r\n")
      .append(fields)
      .append("\r\n")
      .append(content);
}

struct Case {
  std::string_view what;
  std::string text;
  int status;  // 0: accepted and complete
};

void expect_statuses(std::span<const Case> cases) {
  for (const Case& test : cases) {
    const Outcome outcome = parse_all_ways(test.text);
    EXPECT_EQ(outcome.status, test.status) << test.what;
    if (test.status == 0) {
      EXPECT_EQ(outcome.requests.size(), 1u) << test.what;
      EXPECT_EQ(outcome.rest, 0u) << test.what;
    } else {
      EXPECT_TRUE(outcome.requests.empty()) << test.what;
    }
  }
}

// RFC 9112 section 6 and the request-smuggling families.
TEST(Http1RequestParser_Framing, EveryAmbiguity_Refused) {
  const auto cases = std::to_array<Case>({
      {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), 400},
      {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n"), 400},
      {"TE.TE unknown", post("Transfer-Encoding: xchunked\r\n"), 400},
      {"TE vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400},
      {"TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n"), 400},
      {"TE identity", post("Transfer-Encoding: identity\r\n"), 400},
      {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE then identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       400},
      {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"TE with parameter", post("Transfer-Encoding: chunked;q=1\r\n"), 400},
      {"TE empty", post("Transfer-Encoding:\r\n"), 400},
      {"TE trailing comma", post("Transfer-Encoding: chunked,\r\n"), 400},
      {"TE in HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"TE other case", post("transfer-encoding: Chunked\r\n", "0\r\n\r\n"), 0},
      {"TE space before colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
      {"TE tab before value", post("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"), 0},
      {"CL", post("Content-Length: 5\r\n", "hello"), 0},
      {"CL zero", post("Content-Length: 0\r\n"), 0},
      {"CL leading zeros", post("Content-Length: 005\r\n", "hello"), 0},
      {"CL twice, equal", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"CL twice, different", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
      {"CL list", post("Content-Length: 5,5\r\n", "hello"), 400},
      {"CL list with space", post("Content-Length: 5, 5\r\n", "hello"), 400},
      {"CL plus", post("Content-Length: +5\r\n", "hello"), 400},
      {"CL minus", post("Content-Length: -5\r\n", "hello"), 400},
      {"CL hexadecimal", post("Content-Length: 0x5\r\n", "hello"), 400},
      {"CL fraction", post("Content-Length: 5.0\r\n", "hello"), 400},
      {"CL empty", post("Content-Length:\r\n"), 400},
      {"CL spaces inside", post("Content-Length: 1 2\r\n"), 400},
      {"CL 2^64 + 5", post("Content-Length: 18446744073709551621\r\n", "hello"), 400},
      {"CL 2^63", post("Content-Length: 9223372036854775808\r\n"), 400},
      {"CL above the limit", post("Content-Length: 9223372036854775807\r\n"), 413},
      {"CL with space before colon", post("Content-Length : 5\r\n", "hello"), 400},
      {"CL in GET", get("Content-Length: 5\r\n") + "hello", 0},
      {"chunk size overflow", post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n"), 413},
      {"chunk size above limit", post("Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\n"),
       413},
      {"chunk bare LF", post("Transfer-Encoding: chunked\r\n", "1\nx\r\n0\r\n\r\n"), 400},
      {"chunk data too long", post("Transfer-Encoding: chunked\r\n", "1\r\nxy\r\n0\r\n\r\n"), 400},
      {"chunk last bare LF", post("Transfer-Encoding: chunked\r\n", "0\r\n\n"), 400},
      {"chunk trailers forbidden",
       post("Transfer-Encoding: chunked\r\n", "0\r\nHost: evil\r\n\r\n"), 400},
      {"chunk extension", post("Transfer-Encoding: chunked\r\n", "1;a=b\r\nx\r\n0\r\n\r\n"), 0},
  });
  expect_statuses(cases);
}

// RFC 9112 sections 2.2 and 5.
TEST(Http1RequestParser_Syntax, EveryDeviation_Refused) {
  const std::string nul("X: a\0b\r\n", 8);
  const auto cases = std::to_array<Case>({
      {"plain", get(""), 0},
      {"bare LF after request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
      {"bare LF after field", "GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"bare LF only", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"bare CR in value", get("X: a\rb\r\n"), 400},
      {"bare CR ends line", "GET / HTTP/1.1\rHost: h\r\n\r\n", 400},
      {"CR CR LF", get("X: a\r\r\n"), 400},
      {"obs-fold space", get("X: a\r\n b\r\n"), 400},
      {"obs-fold tab", get("X: a\r\n\tb\r\n"), 400},
      {"space before first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"space before colon", get("X : a\r\n"), 400},
      {"tab before colon", get("X\t: a\r\n"), 400},
      {"empty name", get(": a\r\n"), 400},
      {"no colon", get("X\r\n"), 400},
      {"name with parenthesis", get("X(a): b\r\n"), 400},
      {"name with high byte", get("X\xc3\xa9: b\r\n"), 400},
      {"NUL in value", get(nul), 400},
      {"BEL in value", get("X: a\x07\r\n"), 400},
      {"DEL in value", get("X: a\x7f\r\n"), 400},
      {"tab in value", get("X: a\tb\r\n"), 0},
      {"high bytes in value", get("X: \xc3\xa9\r\n"), 0},
      {"empty value", get("X:\r\n"), 0},
      {"one empty line before", "\r\n" + get(""), 0},
      {"two empty lines before", "\r\n\r\n" + get(""), 400},
      {"bare LF before", "\n" + get(""), 400},
      {"space before", " " + get(""), 400},
      {"method with parenthesis", "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"method empty", " / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"method unknown", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"method lower case is another", "get / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"method too long", "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"tab for space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space in target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space after version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
      {"no version (HTTP/0.9)", "GET /\r\n\r\n", 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"HTTP/2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"version lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"version 1.10", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400},
      {"version 01.1", "GET / HTTP/01.1\r\nHost: h\r\n\r\n", 400},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12), 400},
  });
  expect_statuses(cases);
}

// RFC 9112 section 3.
TEST(Http1RequestParser_Routing, HostAndTarget_MustAgree) {
  const auto cases = std::to_array<Case>({
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
      {"two Hosts, other case", "GET / HTTP/1.1\r\nHost: h\r\nhOST: i\r\n\r\n", 400},
      {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"Host with user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
      {"Host with bad port", "GET / HTTP/1.1\r\nHost: h:http\r\n\r\n", 400},
      {"Host IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
      {"HTTP/1.0 no Host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"HTTP/1.0 bad Host", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400},
      {"absolute-form", "GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"absolute-form other case and default port", "GET http://H:80/ HTTP/1.1\r\nHost: h\r\n\r\n",
       0},
      {"absolute-form mismatch", "GET http://internal/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute-form port mismatch", "GET http://h:81/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute-form no Host", "GET http://h/ HTTP/1.1\r\n\r\n", 400},
      {"absolute-form other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute-form file", "GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"authority-form", "GET h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 400},
      {"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 501},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"asterisk GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"above the root", "GET /../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"above the root, encoded", "GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"backslash", "GET /..\\x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"encoded NUL", "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"high byte", "GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"Expect", post("Expect: 100-continue\r\nContent-Length: 1\r\n", "x"), 0},
      {"Expect other", post("Expect: 200-ok\r\n"), 417},
      {"Expect in HTTP/1.0 is ignored", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", 0},
      {"h2c upgrade is ignored",
       get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
           "AAMAAABkAAQAAP__\r\n"),
       0},
  });
  expect_statuses(cases);
}

TEST(Http1RequestParser_Limits, AtTheLimitAccepted_AboveRefused) {
  const std::string a8k(8 * 1024 - 1, 'a');
  const std::string line(16 * 1024 - 3, 'v');
  std::string hundred;
  for (int i = 0; i < 99; ++i) {
    hundred += "X: y\r\n";
  }
  std::string bomb;
  for (int i = 0; i < 5; ++i) {
    bomb += "X: " + line + "\r\n";
  }
  const auto cases = std::to_array<Case>({
      {"target at limit", "GET /" + a8k + " HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"target above", "GET /a" + a8k + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"request line far above", "GET /" + std::string(100'000, 'a'), 414},
      {"field line at limit", get("X: " + line + "\r\n"), 0},
      {"field line above", get("X: v" + line + "\r\n"), 431},
      {"field line without end", get("").substr(0, 25) + std::string(100'000, 'a'), 431},
      {"100 fields", get(hundred), 0},
      {"101 fields", get(hundred + "X: y\r\n"), 431},
      {"head too large", get(bomb), 431},
      {"field name too long", get(std::string(257, 'n') + ": v\r\n"), 431},
  });
  expect_statuses(cases);
}

TEST(Http1RequestParser_Next, EveryPrefixOfAHead_NeedsMore) {
  const std::string text = "\r\n" + get("Content-Length: 3\r\nX: y\r\n") + "abc";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Outcome outcome = parse(std::string_view(text).substr(0, size), 1 + size);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(outcome.requests.empty()) << size;
  }
}

TEST(Http1RequestParser_Next, PipelinedRequests_SplitInOrder) {
  const Outcome outcome = parse_all_ways(
      get("") + post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") +
      post("Content-Length: 4\r\nConnection: close\r\n", "GET ") + "HEAD /x HTTP/1.0\r\n\r\n");
  const std::vector<Request> expected{{"GET", "/", "h", "", true},
                                      {"POST", "/", "h", "abcde", true},
                                      {"POST", "/", "h", "GET ", false},
                                      {"HEAD", "/x", "", "", false}};
  EXPECT_EQ(outcome.requests, expected);
  EXPECT_EQ(outcome.status, 0);
}

TEST(Http1RequestParser_KeepAlive, ByVersionAndConnection) {
  const auto keep_alive = [](const std::string& text) {
    return parse(text, 1000).requests.at(0).keep_alive;
  };
  EXPECT_TRUE(keep_alive(get("")));
  EXPECT_FALSE(keep_alive(get("Connection: close\r\n")));
  EXPECT_FALSE(keep_alive(get("Connection: x, CLOSE , y\r\n")));
  EXPECT_FALSE(keep_alive(get("Connection: keep-alive\r\nConnection: close\r\n")));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_FALSE(keep_alive(get("Connection: Upgrade\r\nUpgrade: h2c\r\n")));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(Http1RequestParser_Head, ExpectContinue_OnlyWithContent) {
  Http1RequestParser parser({});
  const std::string text = post("Expect: 100-Continue\r\nContent-Length: 1\r\n");
  ASSERT_TRUE(parser.next(base::as_bytes(text)));
  EXPECT_TRUE(parser.head().expects_continue());
  Http1RequestParser without({});
  const std::string none = get("Expect: 100-continue\r\n");
  ASSERT_TRUE(without.next(base::as_bytes(none)));
  EXPECT_FALSE(without.head().expects_continue());
}

TEST(Http1RequestParser_Head, AbsoluteFormInHttp10_NamesTheHost) {
  EXPECT_EQ(parse("GET http://h:8080/ HTTP/1.0\r\n\r\n", 1000).requests.at(0).authority, "h:8080");
}

}  // namespace
}  // namespace selvedge::wire
