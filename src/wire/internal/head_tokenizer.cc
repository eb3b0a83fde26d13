#include "wire/internal/head_tokenizer.h"

#include <algorithm>
#include <array>

#include <native.h>

#include "base/assert.h"
#include "wire/characters.h"

namespace selvedge::wire::internal {
namespace {

TokenizeStatus translate(native::Http1Status status) noexcept {
  switch (status) {
    case native::Http1Status::Complete:
      return TokenizeStatus::kComplete;
    case native::Http1Status::BareLineFeed:
    case native::Http1Status::BadNewLine:
      return TokenizeStatus::kBadLineEnd;
    case native::Http1Status::BadVersion:
      return TokenizeStatus::kBadVersion;
    case native::Http1Status::BadHeaderName:
      return TokenizeStatus::kBadName;
    case native::Http1Status::BadHeaderValue:
      return TokenizeStatus::kBadValue;
    case native::Http1Status::TooManyHeaders:
      return TokenizeStatus::kTooManyFields;
    case native::Http1Status::BadRequestLine:
    case native::Http1Status::Partial:   // the caller has seen the end
    case native::Http1Status::TooLarge:  // the caller has bounded the head
      break;
  }
  return TokenizeStatus::kBadRequestLine;
}

// `offset`: where what was split begins in the head.
void copy_spans(std::span<const native::Http1Header> spans, std::uint32_t offset,
                std::span<FieldSpan> fields) noexcept {
  std::ranges::transform(spans, fields.begin(), [offset](const native::Http1Header& span) {
    return FieldSpan{.name_offset = offset + span.name.offset,
                     .name_size = span.name.size,
                     .value_offset = offset + span.value.offset,
                     .value_size = span.value.size};
  });
}

// status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 section 4).
TokenizeStatus split_status_line(std::string_view line, TokenizedResponseHead& head) noexcept {
  constexpr std::size_t kVersionBytes = 8;
  constexpr std::size_t kCodeEnd = kVersionBytes + 1 + 3;
  const std::string_view version = line.substr(0, kVersionBytes);
  head.is_http11 = version == "HTTP/1.1";
  if (!head.is_http11 && version != "HTTP/1.0") {
    return TokenizeStatus::kBadVersion;
  }
  if (line.size() < kCodeEnd || line[kVersionBytes] != ' ' ||
      (line.size() > kCodeEnd && line[kCodeEnd] != ' ') || !is_field_content(line)) {
    return TokenizeStatus::kBadStatusLine;
  }
  for (const char c : line.substr(kVersionBytes + 1, 3)) {
    if (!is_digit(c)) {
      return TokenizeStatus::kBadStatusLine;
    }
    head.status_code = static_cast<std::uint16_t>(head.status_code * 10 + (c - '0'));
  }
  return TokenizeStatus::kComplete;
}

}  // namespace

TokenizedHead tokenize_request_head(std::string_view head, std::span<FieldSpan> fields) noexcept {
  SELVEDGE_ASSERT(fields.size() <= kFieldsMax);
  // Left uninitialised: 2 KB, of which a request fills a tenth.
  [[clang::uninitialized]] std::array<native::Http1Header, kFieldsMax> spans;
  native::Http1RequestHead parsed{};
  TokenizedHead result;
  result.status = translate(native::selvedge_http1_parse_request_head(
      {.data = reinterpret_cast<const std::uint8_t*>(head.data()), .size = head.size()},
      spans.data(), fields.size(), &parsed));
  if (result.status != TokenizeStatus::kComplete) {
    return result;
  }
  result.method = head.substr(parsed.method.offset, parsed.method.size);
  result.target = head.substr(parsed.target.offset, parsed.target.size);
  result.is_http11 = parsed.version_minor == 1;
  result.field_count = parsed.header_count;
  if (parsed.method.offset != 0 || parsed.size != head.size()) {
    // Empty lines before the request line, or bytes after the head: not what the caller framed.
    result.status = TokenizeStatus::kBadRequestLine;
    return result;
  }
  copy_spans(std::span(spans).first(result.field_count), 0, fields);
  return result;
}

TokenizedResponseHead tokenize_response_head(std::string_view head,
                                             std::span<FieldSpan> fields) noexcept {
  SELVEDGE_ASSERT(fields.size() <= kFieldsMax);
  TokenizedResponseHead result;
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) {
    result.status = TokenizeStatus::kBadLineEnd;
    return result;
  }
  result.status = split_status_line(head.substr(0, line_end), result);
  if (result.status != TokenizeStatus::kComplete) {
    return result;
  }
  const std::string_view rest = head.substr(line_end + 2);
  [[clang::uninitialized]] std::array<native::Http1Header, kFieldsMax> spans;
  std::uint32_t count = 0;
  std::uint32_t size = 0;
  result.status = translate(native::selvedge_http1_parse_fields(
      {.data = reinterpret_cast<const std::uint8_t*>(rest.data()), .size = rest.size()}, false,
      spans.data(), fields.size(), &count, &size));
  if (result.status == TokenizeStatus::kComplete && size != rest.size()) {
    result.status = TokenizeStatus::kBadLineEnd;  // bytes after the head: not what was framed
  }
  if (result.status == TokenizeStatus::kComplete) {
    result.field_count = count;
    copy_spans(std::span(spans).first(count), static_cast<std::uint32_t>(line_end + 2), fields);
  }
  return result;
}

}  // namespace selvedge::wire::internal
