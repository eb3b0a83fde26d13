#pragma once

// Serialises the request of a client towards an upstream, sans-I/O. What the upstream gets is
// written anew from the validated head, so that it cannot be framed in another way than we did.
//
// - The target is in origin-form with the normalised path (RequestTarget), Host as the client sent
//   it, HTTP/1.1 whatever the client spoke.
// - Left out: hop-by-hop fields and those that Connection names (RFC 9110 section 7.6.1), Expect
//   (the gateway has answered it), `Proxy` (CGI-like programs read HTTP_PROXY from it).
// - Ours alone: Forwarded (RFC 7239), every X-Forwarded-*, X-Real-IP and X-Request-Id. What the
//   client sent under these names is dropped, also in spellings with '_' for '-', which many
//   programs cannot tell apart. So an upstream may trust them.
// - Content keeps its framing: Content-Length or chunked, none where there is none. Trailers are
//   dropped.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/content_frame.h"
#include "wire/http_message.h"
#include "wire/internal/content_framer.h"

namespace selvedge::wire {

struct Http1RequestOptions {
  // An address literal without brackets or zone; empty: not known (a unix socket).
  std::string_view client_address = {};
  bool secure = false;                  // TLS between the client and the gateway
  std::string_view fallback_host = {};  // for Host when the request has none (HTTP/1.0)
  std::string_view request_id = {};     // for `x-request-id`, a valid field value; empty: none
  bool keep_alive = true;
  // Passes the offer of is_websocket_upgrade() on.
  bool upgrade_websocket = false;
};

// RFC 6455 section 4.1: a GET over HTTP/1.1 without content that offers to upgrade to exactly
// "websocket" and says so in Connection.
bool is_websocket_upgrade(const RequestHead& head) noexcept;

class Http1RequestWriter {
 public:
  // Beyond: kInvalid. More than any client sends; each costs a search of all fields.
  static constexpr std::size_t kConnectionOptionsMax = 32;

  // Appends the head to `out`. Call once for a request. kInvalid: upgrade_websocket is set for a
  // request that offers no such thing, or Connection has too many options.
  Result<> start(const RequestHead& head, const Http1RequestOptions& options, std::string& out);
  // Frames one piece. kInvalid when it is longer than Content-Length said.
  Result<ContentFrame> frame(base::ByteSpan data) { return content_.frame(data); }
  // The bytes that end the message. kInvalid when content is missing: the connection must be
  // closed.
  Result<std::string_view> finish() { return content_.finish(); }

 private:
  internal::ContentFramer content_;
};

}  // namespace selvedge::wire
