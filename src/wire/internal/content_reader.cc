#include "wire/internal/content_reader.h"

#include <algorithm>
#include <limits>

namespace selvedge::wire::internal {

void ContentReader::start_fixed(std::uint64_t length) noexcept {
  framing_ = Framing::kFixed;
  remaining_ = length;
  chunked_.start(0);  // forgets the trailers of an earlier message
}

void ContentReader::start_chunked(std::uint64_t content_bytes_max) noexcept {
  framing_ = Framing::kChunked;
  chunked_.start(content_bytes_max);
}

void ContentReader::start_until_close() noexcept {
  start_fixed(std::numeric_limits<std::uint64_t>::max());
  framing_ = Framing::kUntilClose;
}

std::expected<Http1Event, HttpRejection> ContentReader::next(base::ByteSpan input) {
  Http1Event event;
  if (framing_ != Framing::kChunked) {
    if (remaining_ == 0) {
      event.kind = Http1EventKind::kEnd;
    } else if (!input.empty()) {
      event.kind = Http1EventKind::kContent;
      event.consumed = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
      event.data = input.first(event.consumed);
      if (framing_ == Framing::kFixed) {
        remaining_ -= event.consumed;
      }
    }
    return event;
  }
  const auto decoded = chunked_.decode(input);
  if (!decoded) {
    return std::unexpected(decoded.error());
  }
  event.consumed = decoded->consumed;
  if (!decoded->data.empty()) {
    event.kind = Http1EventKind::kContent;
    event.data = decoded->data;
  } else if (decoded->finished) {
    event.kind = Http1EventKind::kEnd;
  }
  return event;
}

}  // namespace selvedge::wire::internal
