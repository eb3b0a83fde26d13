#pragma once

// Names of hosts, as guests and rules write them.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace selvedge::wasix {

// RFC 1035 section 2.3.4, as text without the final dot.
inline constexpr std::size_t kHostNameBytesMax = 253;
inline constexpr std::size_t kHostLabelBytesMax = 63;

// In small letters, without a final dot. nullopt: not labels of letters, digits, '-' and '_' (which
// exists in practice), or too long; or only digits and dots, which is no name but an address
// misspelt. Names in other scripts are to be given as their ASCII form (xn--).
inline std::optional<std::string> canonical_host_name(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.empty() || name.size() > kHostNameBytesMax) {
    return std::nullopt;
  }
  std::string canonical;
  std::size_t label = 0;
  bool has_letter = false;
  for (const char c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
    if (c == '.' ? label == 0 : !is_letter && (c < '0' || c > '9')) {
      return std::nullopt;
    }
    label = c == '.' ? 0 : label + 1;
    if (label > kHostLabelBytesMax) {
      return std::nullopt;
    }
    has_letter = has_letter || is_letter;
    canonical += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return label != 0 && has_letter ? std::optional(canonical) : std::nullopt;
}

// RFC 6761 section 6.3: never asked of DNS. `name`: canonical.
inline bool is_localhost(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost");
}

}  // namespace selvedge::wasix
