#include "wire/http1_request_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/http1_request_parser.h"

// Goal: what an upstream gets is the client's request and nothing that the client could use to
// frame it differently or to speak for the gateway. Method: raw requests through the real parser.

namespace selvedge::wire {
namespace {

// The head that is written for the request `text`, or the error.
std::string write(const std::string& text, const Http1RequestOptions& options = {}) {
  Http1RequestParser parser(Http1Limits{});
  const auto event = parser.next(base::as_bytes(text));
  if (!event || event->kind != Http1EventKind::kHead) {
    return "not parsed";
  }
  std::string out;
  Http1RequestWriter writer;
  const Result<> started = writer.start(parser.head(), options, out);
  return started ? out : "error: " + started.error().message();
}

std::string get(std::string_view fields) {
  return std::string("GET / HTTP/1.1\r\nHost: h\r\n").append(fields).append("\r\n");
}

constexpr std::string_view kForwarded =
    "forwarded: for=192.0.2.7;host=h;proto=http\r\nx-forwarded-for: 192.0.2.7\r\n"
    "x-forwarded-host: h\r\nx-forwarded-proto: http\r\n";
constexpr Http1RequestOptions kClient{.client_address = "192.0.2.7"};

TEST(Http1RequestWriter_Head, Plain_WrittenAnew) {
  EXPECT_EQ(write("GET /a/%2e%2e/b%2fc?x=%20y HTTP/1.1\r\nAccept: */*\r\nHost: h\r\n\r\n", kClient),
            std::string("GET /b%2Fc?x=%20y HTTP/1.1\r\nhost: h\r\nAccept: */*\r\n")
                .append(kForwarded)
                .append("\r\n"));
}

TEST(Http1RequestWriter_Head, AbsoluteForm_OriginForm) {
  const std::string out = write("GET http://h:80?q HTTP/1.1\r\nHost: h:80\r\n\r\n", kClient);
  EXPECT_TRUE(out.starts_with("GET /?q HTTP/1.1\r\nhost: h:80\r\n")) << out;
}

TEST(Http1RequestWriter_Head, Http10_BecomesHttp11) {
  EXPECT_TRUE(write("GET / HTTP/1.0\r\n\r\n", {.fallback_host = "10.0.0.1:80"})
                  .starts_with("GET / HTTP/1.1\r\nhost: 10.0.0.1:80\r\n"));
}

TEST(Http1RequestWriter_Head, HopByHop_Removed) {
  EXPECT_EQ(
      write(get("Connection: close, x-mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                "Trailer: x\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n"
                "Proxy: evil\r\nCookie: c\r\n"),
            kClient),
      std::string("GET / HTTP/1.1\r\nhost: h\r\nCookie: c\r\n").append(kForwarded).append("\r\n"));
}

TEST(Http1RequestWriter_Head, NamedHost_Kept) {
  EXPECT_TRUE(write(get("Connection: host\r\n")).starts_with("GET / HTTP/1.1\r\nhost: h\r\n"));
}

TEST(Http1RequestWriter_Head, ForwardingFieldsOfTheClient_Replaced) {
  EXPECT_EQ(write(get("Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1\r\n"
                      "x_forwarded_for: 1.2.3.4\r\nX-Forwarded_Prefix: /p\r\nX-Request-ID: 1\r\n"),
                  {.client_address = "192.0.2.7", .request_id = "r1", .keep_alive = false}),
            std::string("GET / HTTP/1.1\r\nhost: h\r\n")
                .append(kForwarded)
                .append("x-request-id: r1\r\nconnection: close\r\n\r\n"));
}

// RFC 7239 sections 4 and 6: values with ':' or brackets are quoted.
TEST(Http1RequestWriter_Forwarded, NodeIdentifiers) {
  const auto forwarded = [](std::string_view host, const Http1RequestOptions& options) {
    const std::string out =
        write(std::string("GET / HTTP/1.1\r\nHost: ").append(host).append("\r\n\r\n"), options);
    const std::size_t begin = out.find("forwarded: ");
    return out.substr(begin, out.find("\r\n", begin) - begin);
  };
  EXPECT_EQ(forwarded("h", {.client_address = "2001:db8:cafe::17", .secure = true}),
            "forwarded: for=\"[2001:db8:cafe::17]\";host=h;proto=https");
  EXPECT_EQ(forwarded("h:8080", {.client_address = "192.0.2.60"}),
            "forwarded: for=192.0.2.60;host=\"h:8080\";proto=http");
  EXPECT_EQ(forwarded("[::1]", {}), "forwarded: for=unknown;host=\"[::1]\";proto=http");
}

TEST(Http1RequestWriter_Content, KnownLength_AsGiven) {
  const auto head = RequestHead::create(*Method::parse("POST"), "/", [] {
    HeaderList headers;
    headers.add("host", "h");
    headers.add("content-length", "5");
    return headers;
  }());
  ASSERT_TRUE(head);
  std::string out;
  Http1RequestWriter writer;
  ASSERT_TRUE(writer.start(*head, {}, out));
  EXPECT_NE(out.find("content-length: 5\r\n"), std::string::npos);
  EXPECT_EQ(base::as_text(writer.frame(base::as_bytes("hel"))->data), "hel");
  EXPECT_FALSE(writer.finish());
  EXPECT_FALSE(writer.frame(base::as_bytes("long")));
  EXPECT_TRUE(writer.frame(base::as_bytes("lo")));
  EXPECT_EQ(*writer.finish(), "");
}

TEST(Http1RequestWriter_Content, Chunked_StaysChunked) {
  const std::string out = write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_NE(out.find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(out.find("content-length"), std::string::npos);
}

TEST(Http1RequestWriter_Upgrade, OnlyWhenAskedAndOffered) {
  const std::string offer =
      get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n");
  EXPECT_EQ(write(offer, {.client_address = "192.0.2.7", .upgrade_websocket = true}),
            std::string("GET / HTTP/1.1\r\nhost: h\r\nSec-WebSocket-Key: k\r\n")
                .append(kForwarded)
                .append("connection: Upgrade\r\nupgrade: websocket\r\n\r\n"));
  EXPECT_EQ(write(offer).find("pgrade"), std::string::npos);
  for (const std::string& other :
       {get("Upgrade: websocket\r\n"), get("Connection: upgrade\r\n"),
        get("Connection: upgrade\r\nUpgrade: h2c\r\n"),
        get("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"),
        get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
        get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n"
                    "Upgrade: websocket\r\n\r\n"),
        std::string("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")}) {
    EXPECT_TRUE(write(other, {.upgrade_websocket = true}).starts_with("error")) << other;
  }
}

TEST(Http1RequestWriter_Limits, ManyConnectionOptions_Refused) {
  std::string options = "Connection: a";
  for (std::size_t i = 0; i < Http1RequestWriter::kConnectionOptionsMax; ++i) {
    options += ",b";
  }
  EXPECT_TRUE(write(get(options + "\r\n")).starts_with("error"));
}

// What is written is read back as the same request, by the strict parser.
TEST(Http1RequestWriter_RoundTrip, Written_ParsesToTheSame) {
  const std::string text =
      "PUT /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n";
  const std::string out = write(text, kClient) + "0\r\n\r\n";
  Http1RequestParser parser(Http1Limits{});
  const auto event = parser.next(base::as_bytes(out));
  ASSERT_TRUE(event);
  ASSERT_EQ(event->kind, Http1EventKind::kHead);
  EXPECT_EQ(parser.head().target().text(), "/p?q");
  EXPECT_EQ(parser.head().host(), "h");
  EXPECT_TRUE(parser.head().is_chunked());
  EXPECT_EQ(parser.head().headers().find("a"), "b");
}

}  // namespace
}  // namespace selvedge::wire
