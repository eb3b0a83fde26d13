#pragma once

// HTTP/1.0 and HTTP/1.1 responses, sans-I/O: bytes of an upstream in, events out. The upstream may
// be a guest and is not trusted: a response that two implementations could frame differently is
// refused, and its connection must then be closed.
//
//   Http1ResponseParser parser(limits);
//   parser.start({.is_head_request = ...});
//   for (;;) {
//     auto event = ended ? parser.end_of_input() : parser.next(unconsumed);
//     if (!event) { answer event.error().status (502); close; }
//     drop event->consumed bytes; handle event->kind;
//   }
//
// Framing (RFC 9112 section 6.3), in this order: 1xx, 204, 304 and responses to HEAD have no
// content; `Transfer-Encoding: chunked`; Content-Length; else all up to the connection's end.
// Refused: Content-Length with Transfer-Encoding, or repeated, or not 1*DIGIT; any coding but
// exactly `chunked`, or one in HTTP/1.0; content announced for 1xx or 204; whatever the grammar of
// heads and chunks refuses (bare CR or LF, folded lines, control characters).
//
// Interim responses (1xx) are skipped, all but 101, which is final here: what follows its head
// belongs to the other protocol.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "wire/chunked_decoder.h"
#include "wire/http1_event.h"
#include "wire/http_message.h"
#include "wire/internal/content_reader.h"
#include "wire/internal/head_scanner.h"

namespace selvedge::wire {

struct Http1ResponseLimits {
  std::size_t status_line_bytes_max = 1024;
  std::size_t field_bytes_max = 16 * 1024;          // one field line
  std::size_t response_head_bytes_max = 64 * 1024;  // status line and fields
  std::size_t fields_max = 100;                     // at most kHeadersCapacity
  std::size_t interim_responses_max = 8;            // before one final response
  ChunkedLimits chunked;
};

// What the request says about its response.
struct Http1ResponseContext {
  bool is_head_request = false;
  bool offers_upgrade = false;  // else 101 is refused
};

// One connection's responses, one after the other. One thread at a time. Does not allocate in
// steady state.
class Http1ResponseParser {
 public:
  static constexpr std::size_t kHeadersCapacity = 128;

  explicit Http1ResponseParser(const Http1ResponseLimits& limits = {});

  // Expects the response to the next request: call before the first, after each kEnd, or, after a
  // rejection, for another connection.
  void start(const Http1ResponseContext& context) noexcept;

  // `input` must begin with the first byte that no earlier event consumed. A rejection has the
  // status 502, and the parser stays rejected until start().
  std::expected<Http1Event, HttpRejection> next(base::ByteSpan input);
  // The upstream has finished writing and next() has consumed what it could: kEnd when the message
  // is complete, else a rejection.
  std::expected<Http1Event, HttpRejection> end_of_input();

  // Valid from kHead until start(). Without Transfer-Encoding, which is consumed here; may be moved
  // from.
  ResponseHead& head() noexcept [[clang::lifetimebound]] { return head_; }
  // From kHead on: 101. kEnd follows at once, and bytes that are not consumed belong to the other
  // protocol.
  bool is_upgrade() const noexcept { return is_upgrade_; }
  // After kEnd: the connection may carry another request.
  bool keep_alive() const noexcept { return keep_alive_; }

 private:
  enum class State : std::uint8_t { kHead, kContent, kEnd, kRejected };
  struct FieldFacts;
  using Step = std::expected<Http1Event, HttpRejection>;

  Step settle(Step step) noexcept;
  Step next_head(base::ByteSpan input);
  std::expected<void, HttpRejection> parse_head(std::string_view text);
  std::expected<void, HttpRejection> apply(const FieldFacts& facts, bool is_http11);

  Http1ResponseLimits limits_;
  Http1ResponseContext context_;
  ResponseHead head_;
  internal::ContentReader content_;
  internal::HeadScanner scanner_;
  std::size_t interim_count_ = 0;
  HttpRejection rejection_{StatusCode(502), ""};
  State state_ = State::kHead;
  bool is_upgrade_ = false;
  bool keep_alive_ = false;
};

}  // namespace selvedge::wire
