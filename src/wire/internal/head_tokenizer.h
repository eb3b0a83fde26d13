#pragma once

// Splits a complete head into spans: grammar of lines and characters only, no meaning. The bytes
// come from a parser that has already found the head's end and bounded its lines.

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
  kBadStatusLine,   // status code, reason phrase or the spaces between
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

struct TokenizedResponseHead {
  TokenizeStatus status = TokenizeStatus::kBadStatusLine;
  std::uint16_t status_code = 0;  // three digits, whatever they are
  bool is_http11 = false;
  std::size_t field_count = 0;
};

// The same for a response. The reason phrase is checked and dropped; it may be missing together
// with the space before it, as some servers write it.
TokenizedResponseHead tokenize_response_head(std::string_view head,
                                             std::span<FieldSpan> fields) noexcept;

}  // namespace selvedge::wire::internal
