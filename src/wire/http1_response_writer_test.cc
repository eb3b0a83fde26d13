#include "wire/http1_response_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace selvedge::wire {
namespace {

// The whole message, or "error" where the writer refuses.
std::string write(const ResponseHead& head, const Http1ResponseOptions& options,
                  const std::vector<std::string_view>& pieces, bool* keep_alive = nullptr) {
  Http1ResponseWriter writer;
  std::string out;
  if (!writer.start(head, options, out)) {
    return "error at start";
  }
  for (const std::string_view piece : pieces) {
    const auto frame = writer.frame(base::as_bytes(piece));
    if (!frame) {
      return "error at content";
    }
    out.append(frame->prefix).append(base::as_text(frame->data)).append(frame->suffix);
  }
  const auto end = writer.finish();
  if (!end) {
    return "error at end";
  }
  if (keep_alive != nullptr) {
    *keep_alive = writer.keep_alive();
  }
  return out.append(*end);
}

ResponseHead with_length(std::uint64_t length) {
  ResponseHead head;
  head.headers.add_number("Content-Length", length);
  return head;
}

TEST(Http1ResponseWriter_Framing, KnownLength_ContentLength) {
  EXPECT_EQ(write({}, {.content_bytes = 5, .date = "D"}, {"he", "llo"}),
            "HTTP/1.1 200 OK\r\ndate: D\r\ncontent-length: 5\r\n\r\nhello");
  EXPECT_EQ(write(with_length(2), {}, {"ab"}), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab");
}

TEST(Http1ResponseWriter_Framing, UnknownLength_Chunked) {
  EXPECT_EQ(write({}, {}, {"hello", "", "0123456789abcdef"}),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

TEST(Http1ResponseWriter_Framing, Http10_UntilClose) {
  bool keep_alive = true;
  EXPECT_EQ(write({}, {.version = HttpVersion::kHttp10}, {"a", "b"}, &keep_alive),
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab");
  EXPECT_FALSE(keep_alive);
  EXPECT_EQ(write(with_length(1), {.version = HttpVersion::kHttp10}, {"a"}, &keep_alive),
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\na");
  EXPECT_TRUE(keep_alive);
}

TEST(Http1ResponseWriter_Framing, NoContentForHead204And304) {
  EXPECT_EQ(write(with_length(9), {.is_head_request = true}, {"123"}),
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
  EXPECT_EQ(write({.status = StatusCode(204), .headers = {}}, {}, {"x"}),
            "HTTP/1.1 204 No Content\r\n\r\n");
  ResponseHead not_modified = with_length(9);
  not_modified.status = StatusCode(304);
  EXPECT_EQ(write(not_modified, {.content_bytes = 0}, {}),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n");
  EXPECT_EQ(write({.status = StatusCode(304), .headers = {}}, {.content_bytes = 0}, {}),
            "HTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST(Http1ResponseWriter_Framing, LengthMismatch_Refused) {
  EXPECT_EQ(write(with_length(3), {}, {"ab"}), "error at end");
  EXPECT_EQ(write(with_length(3), {}, {"ab", "cd"}), "error at content");
  EXPECT_EQ(write(with_length(3), {.content_bytes = 2}, {"ab"}), "error at start");
}

TEST(Http1ResponseWriter_Head, ConnectionFieldsAreOurs) {
  ResponseHead head;
  head.headers.add("Connection", "keep-alive");
  head.headers.add("X", "y");
  EXPECT_EQ(write(head, {.keep_alive = false, .content_bytes = 0}, {}),
            "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  head.headers.add("transfer-encoding", "chunked");
  EXPECT_EQ(write(head, {}, {}), "error at start");
}

TEST(Http1ResponseWriter_Head, OwnDateIsKept) {
  ResponseHead head;
  head.headers.add("Date", "mine");
  EXPECT_EQ(write(head, {.content_bytes = 0, .date = "D"}, {}),
            "HTTP/1.1 200 OK\r\nDate: mine\r\ncontent-length: 0\r\n\r\n");
}

TEST(Http1ResponseWriter_Head, BadHeads_Refused) {
  ResponseHead twice = with_length(1);
  twice.headers.add("content-length", "1");
  EXPECT_EQ(write(twice, {}, {"a"}), "error at start");
  ResponseHead junk;
  junk.headers.add("content-length", "1x");
  EXPECT_EQ(write(junk, {}, {"a"}), "error at start");
  EXPECT_EQ(write({.status = StatusCode(101), .headers = {}}, {}, {}), "error at start");
}

TEST(SanitizeResponseHead, HopByHopAndNamedFields_Removed) {
  ResponseHead head;
  head.headers.add("Connection", "X-Private, close");
  head.headers.add("X-Private", "1");
  head.headers.add("Keep-Alive", "timeout=1");
  head.headers.add("Upgrade", "h2c");
  head.headers.add("Trailer", "x");
  head.headers.add("X-Public", "2");
  ASSERT_TRUE(sanitize_response_head(head));
  EXPECT_EQ(head.headers.size(), 1u);
  EXPECT_TRUE(head.headers.contains("x-public"));
}

TEST(SanitizeResponseHead, AmbiguousFraming_Refused) {
  ResponseHead chunked;
  chunked.headers.add("Transfer-Encoding", "chunked");
  EXPECT_FALSE(sanitize_response_head(chunked));
  ResponseHead list;
  list.headers.add("Content-Length", "5, 5");
  EXPECT_FALSE(sanitize_response_head(list));
  ResponseHead early{.status = StatusCode(103), .headers = {}};
  EXPECT_FALSE(sanitize_response_head(early));
}

TEST(StatusCode_Reason, RegisteredAndUnknown) {
  EXPECT_EQ(StatusCode(200).reason(), "OK");
  EXPECT_EQ(StatusCode(511).reason(), "Network Authentication Required");
  EXPECT_EQ(StatusCode(299).reason(), "Unknown");
  EXPECT_FALSE(StatusCode::from_number(99));
  EXPECT_FALSE(StatusCode::from_number(600));
}

}  // namespace
}  // namespace selvedge::wire
