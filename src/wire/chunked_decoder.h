#pragma once

// The chunked transfer coding (RFC 9112 section 7.1), strictly: CRLF only, no white space around
// sizes, extensions and trailers bounded, no trailer that could change framing, routing or
// authentication.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "base/bytes.h"
#include "wire/http_message.h"

namespace selvedge::wire {

struct ChunkedLimits {
  std::size_t extension_bytes_max = 256;              // of one chunk's line; above: 400
  std::size_t extension_bytes_total_max = 16 * 1024;  // of one message; above: 400
  std::size_t trailer_bytes_max = 8 * 1024;           // above: 431
  std::size_t trailers_max = 32;                      // above: 431
};

struct ChunkedStep {
  std::size_t consumed = 0;  // 0 with no data and not finished: needs more input
  base::ByteSpan data;       // inside the input
  bool finished = false;     // the last CRLF was consumed
};

class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(const ChunkedLimits& limits) noexcept : limits_(limits) {}

  // For a new message whose content may have at most `content_bytes_max` bytes (more: 413).
  void start(std::uint64_t content_bytes_max) noexcept;
  // Takes a prefix of `input`. A step has data, or is finished, or has swallowed all it can.
  std::expected<ChunkedStep, HttpRejection> decode(base::ByteSpan input);
  const HeaderList& trailers() const noexcept [[clang::lifetimebound]] { return trailers_; }

 private:
  static constexpr std::size_t kSizeDigitsMax = 16;
  static constexpr std::uint64_t kContentBytesMax = 1ULL << 59;  // times 16 still fits
  enum class State : std::uint8_t {
    kSizeStart,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLf,
    kDone,  // clang-format off
  };  // clang-format on
  std::expected<void, HttpRejection> step(char c);
  std::expected<void, HttpRejection> step_size(char c) noexcept;
  std::expected<void, HttpRejection> step_extension(char c) noexcept;
  std::expected<void, HttpRejection> step_trailer(char c);
  std::expected<void, HttpRejection> add_size_digit(int digit) noexcept;
  std::expected<void, HttpRejection> end_trailer_line();

  ChunkedLimits limits_;
  HeaderList trailers_;
  std::string trailer_line_;
  std::uint64_t content_remaining_ = 0;  // of the whole message
  std::uint64_t chunk_remaining_ = 0;
  std::size_t extension_bytes_ = 0;  // of this chunk's line; before them, digits of its size
  std::size_t extension_bytes_total_ = 0;
  std::size_t trailer_bytes_ = 0;
  State state_ = State::kSizeStart;
  bool in_quotes_ = false;  // of an extension's value
  bool escaped_ = false;
};

}  // namespace selvedge::wire
