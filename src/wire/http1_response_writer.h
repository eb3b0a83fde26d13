#pragma once

// Serialises HTTP/1 responses, sans-I/O: chooses the framing, and refuses to produce a message
// whose length is not what its head promised.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/http_message.h"

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

// The bytes to send for one piece of content: prefix, data, suffix. The views are good until the
// next call.
struct ContentFrame {
  std::string_view prefix;
  base::ByteSpan data;
  std::string_view suffix;
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
  Result<ContentFrame> frame(base::ByteSpan data);
  // The bytes that end the message. kInvalid when content is missing: the connection must be
  // aborted, so that the peer sees the truncation.
  Result<std::string_view> finish();

  // After start(): whether the connection may carry another response once this one is finished.
  bool keep_alive() const noexcept { return keep_alive_; }
  // The end of the connection is the end of the content (HTTP/1.0): only a reset tells the peer
  // that the content is truncated.
  bool ends_by_close() const noexcept { return framing_ == Framing::kUntilClose; }

 private:
  enum class Framing : std::uint8_t { kNone, kFixed, kChunked, kUntilClose };
  void append_head(const ResponseHead& head, const Http1ResponseOptions& options,
                   std::optional<std::uint64_t> length, bool has_date, std::string& out) const;

  std::array<char, 20> chunk_prefix_{};
  std::uint64_t content_remaining_ = 0;
  Framing framing_ = Framing::kNone;
  bool keep_alive_ = true;
};

}  // namespace selvedge::wire
