#pragma once

// The head of a CGI response (RFC 3875 section 6), sans-I/O. The producer is a guest and is not
// trusted: the head is bounded and every field is validated; what comes out is fit to be sent.
//
// Document responses, and redirects by Location alone (302 Found). A local redirect ("Location:
// /path" alone) is also answered as 302: the client, not the server, follows it. "Non-parsed
// header" scripts (a first line "HTTP/1.1 200 OK") are refused. Lines end with LF or CRLF, as the
// RFC allows here.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/http_message.h"

namespace selvedge::wire {

struct CgiLimits {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t headers_max = 100;
};

class CgiResponseParser {
 public:
  explicit CgiResponseParser(const CgiLimits& limits = {}) noexcept : limits_(limits) {}

  // Feeds output of the script. nullopt: the head is not complete, all of `output` was read.
  // Otherwise the part of `output` that follows the head and begins the content; the head is then
  // in head(), and feed() is not called again. kInvalid: the head is malformed or over a limit;
  // kUnsupported: a non-parsed header response.
  Result<std::optional<base::ByteSpan>> feed(base::ByteSpan output [[clang::lifetimebound]]);

  // After feed() returned content. Sanitized; may be moved from.
  ResponseHead& head() noexcept [[clang::lifetimebound]] { return head_; }
  // How many bytes of the head were read, for the error message when the script ends early.
  std::size_t head_bytes() const noexcept { return head_bytes_; }

 private:
  Result<> parse_line(std::string_view line);
  Result<> parse_status(std::string_view value);
  Result<> finish_head();

  CgiLimits limits_;
  std::string line_;  // the part of the current line that came with earlier pieces
  std::size_t head_bytes_ = 0;
  std::size_t line_count_ = 0;
  ResponseHead head_;
  std::optional<StatusCode> status_;
};

}  // namespace selvedge::wire
