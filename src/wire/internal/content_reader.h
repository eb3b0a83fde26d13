#pragma once

// The content of one HTTP/1 message after its head (RFC 9112 section 6.3), shared by the parsers of
// requests and responses.

#include <cstddef>
#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "wire/chunked_decoder.h"
#include "wire/http1_event.h"

namespace selvedge::wire::internal {

// One thread. Reused for message after message.
class ContentReader {
 public:
  explicit ContentReader(const ChunkedLimits& limits) noexcept : chunked_(limits) {}

  // For the content after a head. Length 0 is an end at once.
  void start_fixed(std::uint64_t length) noexcept;
  // More than `content_bytes_max` bytes: 413.
  void start_chunked(std::uint64_t content_bytes_max) noexcept;
  void start_until_close() noexcept;

  // kContent, kEnd or kNeedMore.
  std::expected<Http1Event, HttpRejection> next(base::ByteSpan input);
  bool ends_by_close() const noexcept { return framing_ == Framing::kUntilClose; }
  const HeaderList& trailers() const noexcept [[clang::lifetimebound]] {
    return chunked_.trailers();
  }

 private:
  enum class Framing : std::uint8_t { kFixed, kChunked, kUntilClose };

  ChunkedDecoder chunked_;
  std::uint64_t remaining_ = 0;  // of kFixed
  Framing framing_ = Framing::kFixed;
};

}  // namespace selvedge::wire::internal
