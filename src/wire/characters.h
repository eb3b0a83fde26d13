#pragma once

// Character classes of RFC 9110 section 5.6 and RFC 3986 section 2, and the few ASCII helpers that
// header code needs.

#include <array>
#include <cstddef>
#include <string_view>

namespace selvedge::wire {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool is_letter(char c) noexcept { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

// The value of a hexadecimal digit, -1 for another character.
constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) {
    return c - '0';
  }
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

namespace internal {
constexpr std::array<bool, 256> make_class(std::string_view extra) {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c) {
    const char character = static_cast<char>(c);
    table[static_cast<std::size_t>(c)] = is_digit(character) || is_letter(character) ||
                                         extra.find(character) != std::string_view::npos;
  }
  return table;
}
inline constexpr std::array<bool, 256> kTokenTable = make_class("!#$%&'*+-.^_`|~");
inline constexpr std::array<bool, 256> kUnreservedTable = make_class("-._~");
}  // namespace internal

// tchar of RFC 9110 section 5.6.2.
constexpr bool is_token_character(char c) noexcept {
  return internal::kTokenTable[static_cast<unsigned char>(c)];
}
// unreserved of RFC 3986 section 2.3.
constexpr bool is_unreserved(char c) noexcept {
  return internal::kUnreservedTable[static_cast<unsigned char>(c)];
}

constexpr bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_token_character(c)) {
      return false;
    }
  }
  return !text.empty();
}

// What a field value may consist of: tab, space to tilde, and bytes from 0x80 (RFC 9110
// section 5.5).
constexpr bool is_field_content(std::string_view text) noexcept {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      return false;
    }
  }
  return true;
}

// OWS of RFC 9110 section 5.6.3: spaces and tabs.
constexpr std::string_view trim_optional_whitespace(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) {
      return false;
    }
  }
  return true;
}

// Takes the next element of a comma-separated list (RFC 9110 section 5.6.1), trimmed, off the front
// of `rest`. Call until `rest` is empty; empty elements are returned as such.
constexpr std::string_view next_list_element(std::string_view& rest) noexcept {
  const std::size_t comma = rest.find(',');
  const std::string_view element = trim_optional_whitespace(rest.substr(0, comma));
  rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  return element;
}

}  // namespace selvedge::wire
