#pragma once

// Finds the end of a head before anything in it is interpreted, so that the outcome cannot depend
// on how the bytes arrived.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace selvedge::wire::internal {

struct HeadBounds {
  std::size_t first_line_bytes_max;  // CR included
  std::size_t line_bytes_max;        // of a field, CR included
  std::size_t head_bytes_max;
  std::size_t fields_max;
};

enum class HeadScan : std::uint8_t {
  kIncomplete,
  kComplete,
  kFirstLineTooLong,
  kFieldTooLong,
  kHeadTooLarge,
  kTooManyFields,
  kBadLineEnd,      // a line feed without a carriage return
  kEmptyFirstLine,  // the head begins with an empty line
};

// Of one head; one thread.
class HeadScanner {
 public:
  void start() noexcept { *this = HeadScanner(); }
  // `input` begins with the head's first byte at every call. Looks at each byte once.
  HeadScan scan(std::string_view input, const HeadBounds& bounds) noexcept;
  // After kComplete: up to and with the empty line.
  std::size_t size() const noexcept { return line_start_; }
  // A whole line was seen.
  bool has_line() const noexcept { return line_count_ > 0; }

 private:
  std::size_t line_start_ = 0;  // of the first line whose end has not been seen
  std::size_t scanned_ = 0;     // bytes already searched for its end
  std::size_t line_count_ = 0;
};

}  // namespace selvedge::wire::internal
