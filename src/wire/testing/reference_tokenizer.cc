#include "wire/testing/reference_tokenizer.h"

#include <optional>

#include "wire/characters.h"

namespace selvedge::wire::testing {
namespace {

using internal::FieldSpan;
using internal::TokenizedHead;
using internal::TokenizeStatus;

// Takes a line off the front of `rest`, without its CRLF.
std::optional<std::string_view> next_line(std::string_view& rest) noexcept {
  const std::size_t newline = rest.find('\n');
  if (newline == std::string_view::npos || newline == 0 || rest[newline - 1] != '\r') {
    return std::nullopt;
  }
  const std::string_view line = rest.substr(0, newline - 1);
  rest.remove_prefix(newline + 1);
  if (line.find('\r') != std::string_view::npos) {
    return std::nullopt;
  }
  return line;
}

TokenizeStatus split_request_line(std::string_view line, TokenizedHead& head) noexcept {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.find(' ', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) {
    return TokenizeStatus::kBadRequestLine;
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  if (!is_token(head.method) || head.target.empty()) {
    return TokenizeStatus::kBadRequestLine;
  }
  for (const char c : head.target) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      return TokenizeStatus::kBadRequestLine;
    }
  }
  const std::string_view version = line.substr(second + 1);
  head.is_http11 = version == "HTTP/1.1";
  return head.is_http11 || version == "HTTP/1.0" ? TokenizeStatus::kComplete
                                                 : TokenizeStatus::kBadVersion;
}

TokenizeStatus split_field(std::string_view line, std::string_view head,
                           FieldSpan& field) noexcept {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return TokenizeStatus::kBadName;
  }
  const std::string_view value = trim_optional_whitespace(line.substr(colon + 1));
  if (!is_field_content(value)) {
    return TokenizeStatus::kBadValue;
  }
  field.name_offset = static_cast<std::uint32_t>(line.data() - head.data());
  field.name_size = static_cast<std::uint32_t>(colon);
  field.value_offset = static_cast<std::uint32_t>(value.data() - head.data());
  field.value_size = static_cast<std::uint32_t>(value.size());
  return TokenizeStatus::kComplete;
}

}  // namespace

TokenizedHead reference_tokenize(std::string_view head, std::span<FieldSpan> fields) noexcept {
  TokenizedHead result;
  std::string_view rest = head;
  auto line = next_line(rest);
  if (!line) {
    result.status = TokenizeStatus::kBadLineEnd;
    return result;
  }
  result.status = split_request_line(*line, result);
  while (result.status == TokenizeStatus::kComplete) {
    line = next_line(rest);
    if (!line) {
      result.status = TokenizeStatus::kBadLineEnd;
    } else if (line->empty()) {
      break;
    } else if (result.field_count == fields.size()) {
      result.status = TokenizeStatus::kTooManyFields;
    } else {
      result.status = split_field(*line, head, fields[result.field_count]);
      ++result.field_count;
    }
  }
  return result;
}

}  // namespace selvedge::wire::testing
