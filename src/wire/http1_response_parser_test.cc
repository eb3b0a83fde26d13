#include "wire/http1_response_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// Goal: every response that an upstream may send has one outcome, whatever pieces it comes in and
// wherever it ends. Method: raw bytes, run whole, cut into small pieces, and cut off everywhere.

namespace selvedge::wire {
namespace {

struct Outcome {
  int status = 0;       // of the head; 0: none
  std::string fields;   // "name=value;" of each
  std::string content;  // up to the end or the rejection
  bool complete = false;
  bool keep_alive = false;
  bool upgrade = false;
  std::string rejection;
  std::string rest;  // not consumed after the end
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Sees `text`, then the end of the connection.
Outcome parse(std::string_view text, std::size_t piece_bytes, const Http1ResponseContext& context,
              const Http1ResponseLimits& limits = {}) {
  Http1ResponseParser parser(limits);
  parser.start(context);
  Outcome outcome;
  std::size_t available = 0;
  std::size_t position = 0;
  bool ended = false;
  for (;;) {
    const auto event =
        ended ? parser.end_of_input()
              : parser.next(base::as_bytes(text.substr(position, available - position)));
    if (!event) {
      EXPECT_EQ(event.error().status, StatusCode(502));
      EXPECT_FALSE(parser.next({}).has_value());
      outcome.rejection = event.error().reason;
      return outcome;
    }
    position += event->consumed;
    switch (event->kind) {
      case Http1EventKind::kHead:
        outcome.status = parser.head().status.value();
        outcome.upgrade = parser.is_upgrade();
        for (const Header field : parser.head().headers) {
          outcome.fields.append(field.name.text()).append("=").append(field.value.text());
          outcome.fields += ';';
        }
        break;
      case Http1EventKind::kContent:
        outcome.content += base::as_text(event->data);
        break;
      case Http1EventKind::kEnd:
        outcome.complete = true;
        outcome.keep_alive = parser.keep_alive();
        outcome.rest = text.substr(position);
        return outcome;
      case Http1EventKind::kNeedMore:
        ended = available == text.size();
        available = std::min(text.size(), available + piece_bytes);
    }
  }
}

Outcome parse(std::string_view text, const Http1ResponseContext& context = {}) {
  const Outcome whole = parse(text, text.size() + 1, context);
  for (const std::size_t piece_bytes : std::initializer_list<std::size_t>{1, 2, 3, 7}) {
    EXPECT_EQ(parse(text, piece_bytes, context), whole) << piece_bytes << ": " << text;
  }
  return whole;
}

std::string rejection(std::string_view text, const Http1ResponseContext& context = {}) {
  const Outcome outcome = parse(text, context);
  EXPECT_FALSE(outcome.complete) << text;
  return outcome.rejection;
}

TEST(Http1ResponseParser_Head, StatusAndFields_AsSent) {
  const Outcome outcome =
      parse("HTTP/1.1 404 Not Found\r\nServer: x\r\nEmpty:\r\nContent-Length: 2\r\n\r\nnonext");
  EXPECT_EQ(outcome.status, 404);
  EXPECT_EQ(outcome.fields, "Server=x;Empty=;Content-Length=2;");
  EXPECT_EQ(outcome.content, "no");
  EXPECT_EQ(outcome.rest, "next");
  EXPECT_TRUE(outcome.keep_alive);
}

TEST(Http1ResponseParser_Head, ReasonPhrase_AnythingPrintable) {
  for (const std::string_view line :
       {"HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.1 200 all\tright \xc3\xa4", "HTTP/1.0 200 OK"}) {
    EXPECT_EQ(parse(std::string(line) + "\r\nContent-Length: 0\r\n\r\n").status, 200) << line;
  }
}

TEST(Http1ResponseParser_Head, Malformed_Refused) {
  for (const std::string_view line :
       {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 2x0 OK",
        "HTTP/1.1  200 OK", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.2 200 OK", "HTTP/2 200 OK",
        "http/1.1 200 OK", "ICY 200 OK", " HTTP/1.1 200 OK", "HTTP/1.1 200 O\x01K",
        "HTTP/1.1 200 O\rK", "HTTP/1.1\t200 OK", "\r\nHTTP/1.1 200 OK"}) {
    EXPECT_NE(rejection(std::string(line) + "\r\nContent-Length: 0\r\n\r\n"), "") << line;
  }
  for (const std::string_view field :
       {"A : b\r\n", " A: b\r\n", "A: b\r\n fold\r\n", ": b\r\n", "A\r\n", "A: b\n", "A: b\rc\r\n",
        "A: b\x01\r\n", "A\x80: b\r\n"}) {
    EXPECT_NE(rejection("HTTP/1.1 200 OK\r\n" + std::string(field) + "Content-Length: 0\r\n\r\n"),
              "")
        << field;
  }
  EXPECT_NE(rejection("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), "");
}

// RFC 9112 section 6.3, item by item.
TEST(Http1ResponseParser_Framing, StatusOrMethodWithoutContent_EndsWithTheHead) {
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\n\r\nrest").rest, "rest");
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").rejection, "");
  EXPECT_EQ(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nrest").rest, "rest");
  EXPECT_EQ(parse("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\nrest").rest, "rest");
  const Http1ResponseContext head{.is_head_request = true};
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrest", head).rest, "rest");
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head).rest, "");
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\n\r\n", head).keep_alive);
}

TEST(Http1ResponseParser_Framing, ContentForAStatusThatHasNone_Refused) {
  EXPECT_NE(rejection("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nrest"), "");
  EXPECT_NE(rejection("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "");
  EXPECT_NE(rejection("HTTP/1.1 100 x\r\nContent-Length: 4\r\n\r\nrest"), "");
}

TEST(Http1ResponseParser_Framing, Chunked_Decoded) {
  const Outcome outcome = parse(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nA: b\r\n\r\n"
      "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer-Field: t\r\n\r\nrest");
  EXPECT_EQ(outcome.content, "hello!");
  EXPECT_EQ(outcome.fields, "A=b;");
  EXPECT_EQ(outcome.rest, "rest");
  EXPECT_TRUE(outcome.keep_alive);
}

TEST(Http1ResponseParser_Framing, NoLength_UntilClose) {
  for (const std::string_view version : {"HTTP/1.0", "HTTP/1.1"}) {
    const Outcome outcome =
        parse(std::string(version) + " 200 OK\r\nConnection: keep-alive\r\n\r\nall of it");
    EXPECT_EQ(outcome.content, "all of it");
    EXPECT_TRUE(outcome.complete);
    EXPECT_FALSE(outcome.keep_alive);
  }
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\n\r\n").complete);
}

TEST(Http1ResponseParser_Framing, Ambiguous_Refused) {
  for (const std::string_view fields :
       {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n", "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4, 4\r\n", "Content-Length: +4\r\n", "Content-Length: 0x4\r\n",
        "Content-Length: -1\r\n", "Content-Length:\r\n", "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n"}) {
    EXPECT_NE(rejection("HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n4\r\nabcd\r\n0\r\n\r\n"),
              "")
        << fields;
  }
  EXPECT_NE(rejection("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "");
}

TEST(Http1ResponseParser_Framing, BadChunk_ContentSoFarThenRefused) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
  for (const std::string_view rest :
       {"x\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\r\n", "1\r\nab\r\n",
        "0\r\nContent-Length: 1\r\n\r\n", "ffffffffffffffff\r\n", "11111111111111111\r\n"}) {
    const Outcome outcome = parse(head + std::string(rest));
    EXPECT_NE(outcome.rejection, "") << rest;
    EXPECT_TRUE(outcome.content.starts_with("ab")) << rest;
  }
}

TEST(Http1ResponseParser_KeepAlive, AsRfc9112Section93) {
  const auto keeps = [](std::string_view version, std::string_view connection) {
    return parse(std::string(version)
                     .append(" 200 OK\r\nContent-Length: 0\r\n")
                     .append(connection)
                     .append("\r\n"))
        .keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x, close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n"));
}

TEST(Http1ResponseParser_Interim, Skipped_ButBounded) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  std::string text = "HTTP/1.1 100 Continue\r\n\r\n" + interim;
  const Outcome outcome = parse(text + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.fields, "Content-Length=1;");
  for (std::size_t i = 0; i < Http1ResponseLimits().interim_responses_max; ++i) {
    text += interim;
  }
  EXPECT_EQ(rejection(text), "there are too many interim responses");
}

TEST(Http1ResponseParser_Upgrade, OnlyWhenOffered) {
  const std::string text =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes";
  const Outcome outcome = parse(text, {.offers_upgrade = true});
  EXPECT_TRUE(outcome.upgrade);
  EXPECT_TRUE(outcome.complete);
  EXPECT_FALSE(outcome.keep_alive);
  EXPECT_EQ(outcome.rest, "frames");
  EXPECT_EQ(rejection(text), "the protocol is switched without an offer");
  const Outcome declined =
      parse("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", {.offers_upgrade = true});
  EXPECT_FALSE(declined.upgrade);
  EXPECT_EQ(declined.status, 400);
}

TEST(Http1ResponseParser_Limits, EachPart_Refused) {
  const Http1ResponseLimits limits{.status_line_bytes_max = 40,
                                   .field_bytes_max = 30,
                                   .response_head_bytes_max = 120,
                                   .fields_max = 3,
                                   .chunked = {}};
  const auto reason = [&](const std::string& text) {
    const Outcome whole = parse(text, text.size(), {}, limits);
    EXPECT_EQ(parse(text, 1, {}, limits).rejection, whole.rejection);
    return whole.rejection;
  };
  const std::string start = "HTTP/1.1 200 OK\r\n";
  EXPECT_EQ(reason("HTTP/1.1 200 " + std::string(40, 'x') + "\r\n\r\n"),
            "the status line is too long");
  EXPECT_EQ(reason(start + "A: " + std::string(40, 'x') + "\r\n\r\n"),
            "a header field is too long");
  EXPECT_EQ(reason(start + "A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"),
            "there are too many header fields");
  const std::string field = "A: " + std::string(25, 'x') + "\r\n";
  EXPECT_EQ(
      reason("HTTP/1.1 200 " + std::string(27, 'x') + "\r\n" + field + field + field + "\r\n"),
      "the response head is too large");
}

TEST(Http1ResponseParser_Truncated, EveryPrefix_NoCompleteMessage) {
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"}) {
    EXPECT_TRUE(parse(text).complete);
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_NE(rejection(text.substr(0, size)), "") << size;
    }
  }
}

TEST(Http1ResponseParser_Reuse, SeveralResponses_OneParser) {
  Http1ResponseParser parser;
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}) {
    parser.start({});
    std::string_view rest = text;
    for (;;) {
      const auto event = parser.next(base::as_bytes(rest));
      ASSERT_TRUE(event) << event.error().reason;
      rest.remove_prefix(event->consumed);
      if (event->kind == Http1EventKind::kEnd) {
        break;
      }
    }
    EXPECT_EQ(rest, "");
    EXPECT_TRUE(parser.keep_alive());
  }
}

}  // namespace
}  // namespace selvedge::wire
