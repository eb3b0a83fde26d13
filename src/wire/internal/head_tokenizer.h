#pragma once

// Splits a complete request head into spans: grammar of lines and characters only, no meaning. The
// bytes come from Http1RequestParser, which has already found the head's end and bounded its lines.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace selvedge::wire::internal {

inline constexpr std::size_t kFieldsMax = 128;

enum class TokenizeStatus : std::uint8_t {
  kComplete,
  kBadLineEnd,      // bare CR or LF
  kBadRequestLine,  // method, target or the spaces between
  kBadVersion,      // neither HTTP/1.0 nor HTTP/1.1
  kBadName,         // also obs-fold, white space before the colon, an empty name
  kBadValue,
  kTooManyFields,
};

// Positions in the head.
struct FieldSpan {
  std::uint32_t name_offset;
  std::uint32_t name_size;
  std::uint32_t value_offset;
  std::uint32_t value_size;
};

struct TokenizedHead {
  TokenizeStatus status = TokenizeStatus::kBadRequestLine;
  std::string_view method;
  std::string_view target;
  bool is_http11 = false;
  std::size_t field_count = 0;
};

// `head` ends with the empty line; fields.size() <= kFieldsMax. Fills the first field_count of
// `fields`.
TokenizedHead tokenize_request_head(std::string_view head, std::span<FieldSpan> fields) noexcept;

}  // namespace selvedge::wire::internal
