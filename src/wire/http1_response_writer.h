#pragma once

// Serialises HTTP/1 responses, sans-I/O: chooses the framing, and refuses to produce a message
// whose length is not what its head promised.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/content_frame.h"
#include "wire/http_message.h"
#include "wire/internal/content_framer.h"

namespace selvedge::wire {

struct Http1ResponseOptions {
  bool is_head_request = false;
  HttpVersion version = HttpVersion::kHttp11;  // of the request
  bool keep_alive = true;  // what we would like; see Http1ResponseWriter::keep_alive
  // The whole content's length when it is known before the head is written: avoids chunking.
  std::optional<std::uint64_t> content_bytes = {};
  std::string_view date =
      {};  // IMF-fixdate for `Date`, unless the head has one; empty: none is added
  std::string_view request_id = {};  // for `x-request-id`, a valid field value; empty: none
};

class Http1ResponseWriter {
 public:
  // Appends the head to `out`. `head` must have passed sanitize_response_head when it comes from a
  // guest; Connection, Transfer-Encoding and (where it is known or forbidden) Content-Length are
  // ours. Call once for a response. kInvalid: the head cannot be sent (informational status, bad or
  // repeated Content-Length).
  Result<> start(const ResponseHead& head, const Http1ResponseOptions& options, std::string& out);

  // Frames one piece. Content of a response to HEAD, or with a status that forbids it, is counted
  // and dropped. kInvalid when it is longer than Content-Length said: nothing of the piece may be
  // sent.
  Result<ContentFrame> frame(base::ByteSpan data) { return content_.frame(data); }
  // The bytes that end the message. kInvalid when content is missing: the connection must be
  // aborted, so that the peer sees the truncation.
  Result<std::string_view> finish() { return content_.finish(); }

  // After start(): whether the connection may carry another response once this one is finished.
  bool keep_alive() const noexcept { return keep_alive_; }
  // The end of the connection is the end of the content (HTTP/1.0): only a reset tells the peer
  // that the content is truncated.
  bool ends_by_close() const noexcept { return content_.framing() == Framing::kUntilClose; }

 private:
  using Framing = internal::ContentFramer::Framing;
  void append_head(const ResponseHead& head, const Http1ResponseOptions& options,
                   std::optional<std::uint64_t> length, std::string& out) const;

  internal::ContentFramer content_;
  bool keep_alive_ = true;
};

// Appends a 101 response (RFC 9110 section 7.8) that switches the connection to `protocol`, with
// the fields of `head` that are not about the connection; fields that would frame content are left
// out. kInvalid when the status of `head` is not 101.
Result<> append_upgrade_response(ResponseHead head, HeaderValue protocol,
                                 const Http1ResponseOptions& options, std::string& out);

}  // namespace selvedge::wire
