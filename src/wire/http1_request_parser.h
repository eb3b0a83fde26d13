#pragma once

// HTTP/1.0 and HTTP/1.1 requests, sans-I/O: bytes in, events out. One policy, no leniency (RFC
// 9112): a message that two implementations could frame differently is refused, and the connection
// must then be closed.
//
//   Http1RequestParser parser(limits);
//   for (;;) {
//     auto event = parser.next(unconsumed);             // always begins at the first unconsumed
//     byte if (!event) { answer event.error().status; close; } drop event->consumed bytes; handle
//     event->kind;
//   }
//
// How the input is cut into pieces never changes the events' contents or the status of a refusal.

#include <cstddef>
#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "wire/chunked_decoder.h"
#include "wire/http1_event.h"
#include "wire/http_message.h"
#include "wire/internal/content_reader.h"
#include "wire/internal/head_scanner.h"

namespace selvedge::wire {

namespace internal {
struct TokenizedHead;
}

struct Http1Limits {
  std::size_t target_bytes_max = 8 * 1024;                  // above: 414
  std::size_t line_bytes_max = 16 * 1024;                   // one field line; above: 431
  std::size_t head_bytes_max = 64 * 1024;                   // request line and fields; above: 431
  std::size_t headers_max = 100;                            // above: 431; at most kHeadersCapacity
  std::uint64_t content_bytes_max = 1024ULL * 1024 * 1024;  // above: 413
  ChunkedLimits chunked;
};

// One connection's requests, one after the other. One thread at a time. Does not allocate in steady
// state.
class Http1RequestParser {
 public:
  static constexpr std::size_t kHeadersCapacity = 128;
  // Memory of a larger head is not kept for the next one.
  static constexpr std::size_t kKeptBytesMax = 8 * 1024;

  explicit Http1RequestParser(const Http1Limits& limits);

  // `input` must begin with the first byte that no earlier event consumed. After kEnd call
  // start_next(). After a rejection the parser stays rejected.
  std::expected<Http1Event, HttpRejection> next(base::ByteSpan input);

  // Valid from kHead until start_next().
  const RequestHead& head() const noexcept [[clang::lifetimebound]] { return head_; }
  // Valid at kEnd; empty unless the content was chunked.
  const HeaderList& trailers() const noexcept [[clang::lifetimebound]] {
    return content_.trailers();
  }
  // After kEnd: expects the next request of the connection.
  void start_next() noexcept;

 private:
  enum class State : std::uint8_t { kHead, kContent, kEnd, kRejected };
  struct FieldFacts;
  using Step = std::expected<Http1Event, HttpRejection>;

  Step next_head(std::string_view input);
  std::expected<void, HttpRejection> parse_head(std::string_view text);
  std::expected<void, HttpRejection> parse_request_line(const internal::TokenizedHead& tokens);
  static void note_field(std::size_t index, Header field, FieldFacts& facts) noexcept;
  std::expected<void, HttpRejection> apply(const FieldFacts& facts);

  Http1Limits limits_;
  RequestHead head_;
  internal::ContentReader content_;
  internal::HeadScanner scanner_;
  std::size_t leading_bytes_ = 0;  // of a skipped empty line before the head
  HttpRejection rejection_{StatusCode(400), ""};
  State state_ = State::kHead;
};

}  // namespace selvedge::wire
