#pragma once

// The request target (RFC 9112 section 3.2) and the one rule by which paths are normalised, so that
// a router, a guest and an access log cannot disagree about which resource is meant.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace selvedge::wire {

// Accepted forms: origin-form ("/path?query"), absolute-form ("http://host/path?query") and "*".
//
// Characters. Refused everywhere: controls, space, bytes from 0x80, '#', '"', '<', '>'; in the path
// also '\\'. '%' must begin %HH, and %00 is refused in the path. Other ASCII that browsers send
// unencoded ('|', '^', '[', '{'...) is kept.
//
// path() is normalised in this order (RFC 3986 section 6.2.2): %HH of an unreserved character is
// decoded (so "%2e%2e" is ".."), other %HH get upper-case digits ("%2F" and "%5C" stay encoded and
// are not separators), "." and ".." segments are removed; one that would climb above the root is
// refused. "//" and ";parameters" are kept as they are. An absolute-form with an empty path gets
// "/".
class RequestTarget {
 public:
  static Result<RequestTarget> parse(std::string_view text);
  // The same, reusing this object's memory; false and unspecified contents when the target is
  // invalid.
  bool assign(std::string_view text);

  // As sent.
  std::string_view text() const noexcept [[clang::lifetimebound]] { return text_; }
  // Normalised, begins with '/'; "*" for asterisk-form.
  std::string_view path() const noexcept [[clang::lifetimebound]] {
    return normalized_ ? std::string_view(path_)
                       : std::string_view(text_).substr(path_offset_, path_size_);
  }
  bool has_query() const noexcept { return has_query_; }
  // Without '?', not decoded; empty when there is none.
  std::string_view query() const noexcept [[clang::lifetimebound]] {
    return has_query_ ? std::string_view(text_).substr(query_offset_) : std::string_view();
  }
  // Of absolute-form, else empty.
  std::string_view scheme() const noexcept [[clang::lifetimebound]] {
    return std::string_view(text_).substr(0, scheme_size_);
  }
  std::string_view authority() const noexcept [[clang::lifetimebound]] {
    return std::string_view(text_).substr(authority_offset_, authority_size_);
  }
  bool is_absolute_form() const noexcept { return scheme_size_ > 0; }
  bool is_asterisk_form() const noexcept { return text_ == "*"; }

 private:
  bool assign_path(std::size_t offset, std::size_t size);

  std::string text_ = "/";
  std::string path_;
  std::size_t path_offset_ = 0;
  std::size_t path_size_ = 1;
  std::size_t query_offset_ = 0;
  std::size_t authority_offset_ = 0;
  std::size_t authority_size_ = 0;
  std::uint8_t scheme_size_ = 0;
  bool has_query_ = false;
  bool normalized_ = false;
};

// Decodes %HH. kInvalid for a broken escape or one that yields NUL. For PATH_INFO (RFC 3875
// section 4.1.5): note that an encoded slash becomes a plain one.
Result<std::string> percent_decode(std::string_view text);

// The parts of "host" or "host:port" (RFC 3986 section 3.2.2, without user information): a host of
// letters, digits and
// "-._~", or a bracketed IPv6 literal; a port of at most 65535.
struct Authority {
  std::string_view host;
  std::string_view port;  // digits; empty when absent

  // nullopt when invalid or empty.
  static std::optional<Authority> parse(std::string_view text) noexcept;
};

}  // namespace selvedge::wire
