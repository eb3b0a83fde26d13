#include "wire/request_target.h"

#include <array>

#include "wire/characters.h"

namespace selvedge::wire {
namespace {

constexpr std::array<bool, 256> make_query_class() {
  std::array<bool, 256> table{};
  for (int c = 0x21; c < 0x7f; ++c) {
    table[static_cast<std::size_t>(c)] = c != '#' && c != '"' && c != '<' && c != '>';
  }
  return table;
}
// What a character of a path asks for, as bits.
constexpr std::uint8_t kRefused = 1;
constexpr std::uint8_t kPercent = 2;
constexpr std::uint8_t kDot = 4;
constexpr std::array<std::uint8_t, 256> make_path_classes() {
  const std::array<bool, 256> query = make_query_class();
  std::array<std::uint8_t, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) {
    table[c] = query[c] && c != '\\' && c != '?' ? 0 : kRefused;
  }
  table['%'] = kPercent;
  table['.'] = kDot;
  return table;
}
constexpr std::array<std::uint8_t, 256> kPathClassTable = make_path_classes();
constexpr std::array<bool, 256> kQueryTable = make_query_class();

bool is_in(const std::array<bool, 256>& table, char c) noexcept {
  return table[static_cast<unsigned char>(c)];
}

// The byte that the escape at `position` stands for; -1 when it is broken.
int escaped_byte(std::string_view text, std::size_t position) noexcept {
  if (text.size() - position < 3) {
    return -1;
  }
  const int high = hex_value(text[position + 1]);
  const int low = hex_value(text[position + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Appends `raw` with its escapes in normal form; false for a broken one or NUL.
bool append_normal_escapes(std::string_view raw, std::string& out) {
  constexpr std::string_view kUpperHex = "0123456789ABCDEF";
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out += raw[i];
      continue;
    }
    const int byte = escaped_byte(raw, i);
    if (byte <= 0) {
      return false;
    }
    if (byte < 0x80 && is_unreserved(static_cast<char>(byte))) {
      out += static_cast<char>(byte);
    } else {
      out += '%';
      out += kUpperHex[static_cast<std::size_t>(byte) / 16];
      out += kUpperHex[static_cast<std::size_t>(byte) % 16];
    }
    i += 2;
  }
  return true;
}

// Removes "." and ".." segments of a path that begins with '/', in place; false when one climbs
// above the root.
bool remove_dot_segments(std::string& path) {
  std::string out;
  out.reserve(path.size());
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t next = rest.find('/', 1);
    const std::string_view segment = rest.substr(0, next);  // with its leading slash
    const bool is_last = next == std::string_view::npos;
    rest = is_last ? std::string_view() : rest.substr(next);
    if (segment == "/.") {
      if (is_last) {
        out += '/';
      }
    } else if (segment == "/..") {
      if (out.empty()) {
        return false;
      }
      out.resize(out.rfind('/'));
      if (is_last) {
        out += '/';
      }
    } else {
      out += segment;
    }
  }
  path = std::move(out);
  return true;
}

// A "." or "..", or at least a segment that begins like one.
bool may_have_dot_segment(std::string_view path) noexcept {
  for (std::size_t at = path.find("/."); at != std::string_view::npos;
       at = path.find("/.", at + 1)) {
    const std::size_t after = at + 2;
    if (after == path.size() || path[after] == '/' || path[after] == '.') {
      return true;
    }
  }
  return false;
}

bool is_ipv6_literal_character(char c) noexcept {
  return hex_value(c) >= 0 || c == ':' || c == '.';
}

}  // namespace

bool RequestTarget::assign_path(std::size_t offset, std::size_t size) {
  path_offset_ = offset;
  path_size_ = size;
  normalized_ = false;
  const std::string_view raw = std::string_view(text_).substr(offset, size);
  // One pass without branches settles nearly every path; a '%' or a dot after a slash needs a look.
  std::uint8_t classes = 0;
  for (const char c : raw) {
    classes |= kPathClassTable[static_cast<unsigned char>(c)];
  }
  if ((classes & kRefused) != 0) {
    return false;
  }
  const bool needs_work =
      (classes & kPercent) != 0 || ((classes & kDot) != 0 && may_have_dot_segment(raw));
  if (needs_work) {
    path_.clear();
    normalized_ = true;
    return append_normal_escapes(raw, path_) && remove_dot_segments(path_);
  }
  return true;
}

bool RequestTarget::assign(std::string_view text) {
  text_.assign(text);
  scheme_size_ = 0;
  authority_offset_ = authority_size_ = 0;
  query_offset_ = 0;
  has_query_ = false;
  if (text == "*") {
    path_offset_ = 0;
    path_size_ = 1;
    normalized_ = false;
    return true;
  }
  std::size_t path_begin = 0;
  if (text.empty()) {
    return false;
  }
  if (text.front() != '/') {
    const std::size_t colon = text.find("://");
    const std::string_view scheme = text.substr(0, colon);
    if (colon == std::string_view::npos ||
        !(equals_ignoring_case(scheme, "http") || equals_ignoring_case(scheme, "https"))) {
      return false;
    }
    scheme_size_ = static_cast<std::uint8_t>(scheme.size());
    authority_offset_ = colon + 3;
    path_begin = std::min(text.find_first_of("/?", authority_offset_), text.size());
    authority_size_ = path_begin - authority_offset_;
    if (!Authority::parse(authority())) {
      return false;
    }
  }
  const std::size_t question = text.find('?', path_begin);
  const std::size_t path_end = std::min(question, text.size());
  if (question != std::string_view::npos) {
    has_query_ = true;
    query_offset_ = question + 1;
    for (const char c : text.substr(query_offset_)) {
      if (!is_in(kQueryTable, c)) {
        return false;
      }
    }
  }
  if (path_end == path_begin) {
    path_ = "/";
    normalized_ = true;
    return true;
  }
  return assign_path(path_begin, path_end - path_begin);
}

Result<RequestTarget> RequestTarget::parse(std::string_view text) {
  RequestTarget target;
  if (!target.assign(text)) {
    return fail(ErrorKind::kInvalid, "the request target is invalid");
  }
  return target;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int byte = escaped_byte(text, i);
    if (byte <= 0) {
      return fail(ErrorKind::kInvalid, "the percent-encoding is broken or encodes NUL");
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::optional<Authority> Authority::parse(std::string_view text) noexcept {
  constexpr std::size_t kHostBytesMax = 255;
  constexpr int kPortMax = 65535;
  Authority authority;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos || end < 3) {
      return std::nullopt;
    }
    for (const char c : text.substr(1, end - 1)) {
      if (!is_ipv6_literal_character(c)) {
        return std::nullopt;
      }
    }
    ++end;
  } else {
    while (end < text.size() && is_unreserved(text[end])) {
      ++end;
    }
  }
  authority.host = text.substr(0, end);
  if (authority.host.empty() || authority.host.size() > kHostBytesMax) {
    return std::nullopt;
  }
  if (end == text.size()) {
    return authority;
  }
  if (text[end] != ':') {
    return std::nullopt;
  }
  authority.port = text.substr(end + 1);
  int port = 0;
  for (const char c : authority.port) {
    if (!is_digit(c)) {
      return std::nullopt;
    }
    port = port * 10 + (c - '0');
    if (port > kPortMax) {
      return std::nullopt;
    }
  }
  return authority;
}

}  // namespace selvedge::wire
