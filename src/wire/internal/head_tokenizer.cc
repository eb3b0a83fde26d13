#include "wire/internal/head_tokenizer.h"

#include <algorithm>
#include <array>

#include <native.h>

#include "base/assert.h"

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
  std::ranges::transform(std::span(spans).first(result.field_count), fields.begin(),
                         [](const native::Http1Header& span) {
                           return FieldSpan{.name_offset = span.name.offset,
                                            .name_size = span.name.size,
                                            .value_offset = span.value.offset,
                                            .value_size = span.value.size};
                         });
  return result;
}

}  // namespace selvedge::wire::internal
