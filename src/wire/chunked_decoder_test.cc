#include "wire/chunked_decoder.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace selvedge::wire {
namespace {

struct Outcome {
  int status = 0;  // 0: finished, -1: incomplete
  std::string content;
  std::size_t rest = 0;
  std::string trailers;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Feeds `text` in pieces of `piece_bytes`.
Outcome decode(std::string_view text, std::size_t piece_bytes,
               std::uint64_t content_bytes_max = 1 << 20) {
  ChunkedDecoder decoder({});
  decoder.start(content_bytes_max);
  Outcome outcome;
  std::size_t available = 0;
  std::size_t position = 0;
  for (;;) {
    const auto step = decoder.decode(base::as_bytes(text.substr(position, available - position)));
    if (!step) {
      outcome.status = step.error().status.value();
      outcome.content.clear();  // how much came before an error depends on the pieces
      return outcome;
    }
    position += step->consumed;
    outcome.content += base::as_text(step->data);
    if (step->finished) {
      outcome.rest = text.size() - position;
      for (const Header header : decoder.trailers()) {
        outcome.trailers.append(header.name.text())
            .append("=")
            .append(header.value.text())
            .append(";");
      }
      return outcome;
    }
    if (step->data.empty()) {
      if (available == text.size()) {
        outcome.status = -1;
        return outcome;
      }
      available = std::min(text.size(), available + piece_bytes);
    }
  }
}

struct Case {
  std::string text;
  int status;
  std::string content;
};

TEST(ChunkedDecoder_Decode, EveryCase_SameInAnyPieces) {
  const auto cases = std::to_array<Case>({
      {"0\r\n\r\n", 0, ""},
      {"5\r\nhello\r\n0\r\n\r\n", 0, "hello"},
      {"A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", 0, "01234567890123456789"},
      {"5;name=value\r\nhello\r\n0;x\r\n\r\n", 0, "hello"},
      {"5;name=\"quo\\\"ted;\"\r\nhello\r\n0\r\n\r\n", 0, "hello"},
      {"5\r\nhello\r\n0\r\nETag: x\r\n\r\n", 0, "hello"},
      // Everything that two implementations could read differently.
      {"5\nhello\r\n0\r\n\r\n", 400, ""},
      {"5\r\nhello\n0\r\n\r\n", 400, ""},
      {"5\r\nhello0\r\n\r\n", 400, ""},
      {"5\r\nhelloX\r\n0\r\n\r\n", 400, ""},
      {" 5\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5 \r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5\t;x\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"0x5\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"+5\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"-5\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5_0\r\n", 400, ""},
      {"\r\n", 400, ""},
      {"5;\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5; a\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5;a=\"\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5;a\nb\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"5\r\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"00000000000000005\r\nhello\r\n0\r\n\r\n", 400, ""},
      {"8000000000000000\r\n", 413, ""},
      {"FFFFFFFFFFFFFFFF\r\n", 413, ""},
      {"10000000000000005\r\n", 413, ""},
      {"200000\r\n", 413, ""},
      {"5;" + std::string(257, 'a') + "\r\n", 400, ""},
      {"0\r\nHost: x\r\n\r\n", 400, ""},
      {"0\r\nContent-Length: 5\r\n\r\n", 400, ""},
      {"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
      {"0\r\nauthorization: x\r\n\r\n", 400, ""},
      {"0\r\nno colon\r\n\r\n", 400, ""},
      {"0\r\na : b\r\n\r\n", 400, ""},
      {"0\r\na: b\r\n c\r\n\r\n", 400, ""},
      {"0\r\na: b\n\r\n", 400, ""},
      {"0\r\na: b\rc\r\n\r\n", 400, ""},
      {"0\r\n: b\r\n\r\n", 400, ""},
      {"0\r\na: " + std::string(9000, 'b') + "\r\n\r\n", 431, ""},
  });
  for (const Case& test : cases) {
    const Outcome whole = decode(test.text, test.text.size());
    EXPECT_EQ(whole.status, test.status) << test.text;
    EXPECT_EQ(whole.content, test.content) << test.text;
    for (const std::size_t piece : std::to_array<std::size_t>({1, 2, 3, 7})) {
      EXPECT_EQ(decode(test.text, piece), whole) << test.text << " in pieces of " << piece;
    }
  }
}

TEST(ChunkedDecoder_Decode, EveryPrefix_IsIncomplete) {
  const std::string text =
      "5;a=b\r\nhello\r\n1f\r\n0123456789abcdef0123456789abcde\r\n0\r\nETag: x\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(decode(text.substr(0, size), size + 1).status, -1) << size;
  }
  EXPECT_EQ(decode(text, text.size()).trailers, "ETag=x;");
}

TEST(ChunkedDecoder_Decode, BytesAfterTheEnd_AreLeft) {
  EXPECT_EQ(decode("0\r\n\r\nGET / HTTP/1.1\r\n", 100).rest, 16u);
}

TEST(ChunkedDecoder_Decode, ExtensionFlood_Refused) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "1;" + std::string(100, 'x') + "\r\na\r\n";
  }
  EXPECT_EQ(decode(text + "0\r\n\r\n", text.size()).status, 400);
}

TEST(ChunkedDecoder_Decode, TotalOfManyChunks_Bounded) {
  std::string text;
  for (int i = 0; i < 20; ++i) {
    text += "8\r\n12345678\r\n";
  }
  EXPECT_EQ(decode(text + "0\r\n\r\n", 5, 160).status, 0);
  EXPECT_EQ(decode(text + "0\r\n\r\n", 5, 159).status, 413);
}

}  // namespace
}  // namespace selvedge::wire
