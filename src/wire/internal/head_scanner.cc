#include "wire/internal/head_scanner.h"

#include <algorithm>

namespace selvedge::wire::internal {

HeadScan HeadScanner::scan(std::string_view input, const HeadBounds& bounds) noexcept {
  for (;;) {
    const std::size_t newline = input.find('\n', scanned_);
    const std::size_t line_end = std::min(newline, input.size());
    const bool is_first = line_count_ == 0;
    if (line_end - line_start_ > (is_first ? bounds.first_line_bytes_max : bounds.line_bytes_max)) {
      return is_first ? HeadScan::kFirstLineTooLong : HeadScan::kFieldTooLong;
    }
    if (line_end > bounds.head_bytes_max) {
      return HeadScan::kHeadTooLarge;
    }
    if (newline == std::string_view::npos) {
      scanned_ = input.size();
      return HeadScan::kIncomplete;
    }
    if (newline == line_start_ || input[newline - 1] != '\r') {
      return HeadScan::kBadLineEnd;
    }
    const bool is_empty = newline - line_start_ == 1;
    if (is_empty && is_first) {
      return HeadScan::kEmptyFirstLine;
    }
    if (!is_empty && line_count_ > bounds.fields_max) {
      return HeadScan::kTooManyFields;
    }
    ++line_count_;
    line_start_ = scanned_ = newline + 1;
    if (is_empty) {
      return HeadScan::kComplete;
    }
  }
}

}  // namespace selvedge::wire::internal
