#pragma once

// One HTTP request and its response, as an application sees it: whatever protocol version carried
// them. The gateway implements HttpExchange, runners implement HttpHandler; neither includes the
// other.
//
// Threads: an exchange and its handler's coroutine live on the shard that accepted the connection.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "io/stream.h"
#include "io/task.h"
#include "wire/http_message.h"

namespace selvedge::app {

// Where the request came from and through which door, as the gateway saw it, or as a proxy says
// that its operator trusts (gateway/trusted_proxies.h). Addresses are literals without brackets or
// zone ("192.0.2.1", "2001:db8::1"); over a unix socket they are empty and the ports 0.
struct HttpPeer {
  std::string remote_address;
  std::uint16_t remote_port = 0;
  std::string local_address;
  std::uint16_t local_port = 0;
  bool secure = false;                                   // TLS between the client and the gateway
  bool scheme_told = false;                              // `secure` is what a trusted proxy says
  std::optional<io::UnixPeer> unix_peer = std::nullopt;  // of a unix socket
};

// One task may read the content while another writes the response; neither direction is used by two
// tasks at once. Tasks of either may be destroyed while they wait: the connection then ends after
// the handler, unless the framing is known to be intact.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  // The validated head; lives as long as the exchange.
  virtual const wire::RequestHead& request() const noexcept = 0;
  virtual const HttpPeer& peer() const noexcept = 0;
  // Printable, unique for this process; in every log line about the request and in error answers.
  virtual std::string_view request_id() const noexcept = 0;

  // The next bytes of the request's content, after transfer codings; 0 = its end. May be left
  // unread: the gateway then discards the rest (within its limits) or closes the connection. The
  // first call answers "Expect: 100-continue". Errors: Disconnected, Timeout, Invalid (bad
  // framing), Overloaded (larger than the limit).
  virtual io::Task<std::size_t> read_body(base::MutableByteSpan buffer) = 0;

  // Sends the head: at once, not with the first content. At most once. The gateway adds what
  // belongs to the connection (Date, Connection, Transfer-Encoding) and refuses (Invalid, nothing
  // sent) a head that it cannot frame.
  virtual io::Task<> send_head(wire::ResponseHead head) = 0;
  bool head_sent() const noexcept { return head_sent_; }
  // After send_head. Returns when the bytes are in the connection's bounded buffer: a slow client
  // slows the handler. For HEAD, 204 and 304 the bytes are counted and dropped. Errors:
  // Disconnected, Timeout, Invalid (more than the Content-Length that was sent).
  virtual io::Task<> write_body(base::ByteSpan bytes) = 0;
  // The content is complete. A handler that returns successfully has called it.
  virtual io::Task<> finish() = 0;

  // For a request that offers to switch to WebSocket (wire::is_websocket_upgrade), when `upstream`
  // has accepted: sends `head` (101) instead of send_head, then carries bytes both ways until both
  // sides have ended, one breaks, or the gateway ends it (nothing passes for long, the server
  // drains). Success takes the place of finish(). `early`: what `upstream` sent behind its head;
  // what the client sent ahead goes to `upstream` only now. Both must outlive the task; `upstream`
  // is good for nothing but destruction then. Errors: Unsupported (no such offer, or not on this
  // kind of connection), Invalid (not 101, or a head was sent), Overloaded (the server drains): in
  // these cases nothing was sent; Disconnected, Timeout.
  virtual io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream,
                            base::ByteSpan early) = 0;

  // `callback` runs once, on the shard, when the client is known to be gone while the handler is
  // still at work: the connection was reset, or closed both ways. A client that has only finished
  // writing waits for its answer, though not for long. Never after the handler returned. An empty
  // function removes it.
  virtual void on_disconnect(std::move_only_function<void()> callback) = 0;

 protected:
  bool head_sent_ = false;  // set by implementations in send_head
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Answers one request. `exchange` outlives the task. When the task ends with an error, the
  // gateway answers 500 with the request's id if no head was sent, else it aborts the connection so
  // that the client cannot take the truncated content for a whole one.
  virtual io::Task<> handle(HttpExchange& exchange) = 0;
  // A request with this head has come, and will be handled unless the gateway answers it itself:
  // what that needs may be fetched into the processor's caches meanwhile.
  virtual void expect([[maybe_unused]] const wire::RequestHead& request) noexcept {}
};

}  // namespace selvedge::app
