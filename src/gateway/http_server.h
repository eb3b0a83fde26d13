#pragma once

// The HTTP/1.1 front of one shard: takes connections from listeners, parses requests under wire's
// strict policy, calls one HttpHandler and writes its answers.
//
//   HttpServer server(reactor, handler, random, metrics, options);
//   scope.spawn(server.serve(*listener));                  // one for each listener
//   ...
//   co_await server.stop(reactor.deadline_after(30s));     // drain
//
// What is bounded, and how: connections (connections_max; the longest idle one makes room, else the
// new one gets 503), a request's head (wire::Http1Limits, head_timeout), the time between requests
// (idle_timeout), slow senders and slow readers (minimum_rate), content that a handler left unread
// (kDiscardedBytesMax), output that waits for the peer (Output::kHighWaterBytes).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "app/http_exchange.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "gateway/trusted_proxies.h"
#include "io/deadline.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "wire/http1_request_parser.h"

namespace selvedge::gateway {

// A peer must move at least this much of what it is expected to move, counted over the time that we
// wait for it.
struct MinimumRate {
  std::uint64_t bytes_per_second = 240;
  base::Duration grace = std::chrono::seconds(5);
};

struct HttpServerOptions {
  wire::Http1Limits http1 = {};
  std::size_t connections_max = 10'000;
  base::Duration head_timeout = std::chrono::seconds(10);  // from a head's first byte to its last
  base::Duration idle_timeout = std::chrono::seconds(60);  // between requests
  MinimumRate minimum_rate = {};                           // of content in and responses out
  // A WebSocket over which nothing passes either way.
  base::Duration tunnel_idle_timeout = std::chrono::minutes(5);
  bool access_log = false;  // a line per request at level info
  TrustedProxies trusted_proxies = {};
};

// Registered once, shared by the servers of all shards.
struct HttpMetrics {
  explicit HttpMetrics(base::Registry& registry);
  base::Counter& connections_total;
  base::Counter& connections_refused_total;
  base::Gauge& connections_active;
  base::Counter& requests_total;
  base::Counter& requests_rejected_total;  // refused by the parser or its limits
  base::Counter& responses_failed_total;   // the handler failed, before or after the head
  base::Gauge& requests_active;
  base::Counter& bytes_received_total;
  base::Counter& bytes_sent_total;
};

// Answered by the gateway itself, whatever the handler is: "ok" while the server takes requests.
inline constexpr std::string_view kHealthPath = "/.well-known/selvedge/health";

// One shard's; its thread only.
class HttpServer {
 public:
  // Everything must outlive the server; the server must outlive its tasks.
  HttpServer(io::Reactor& reactor, app::HttpHandler& handler, base::Random& random,
             HttpMetrics& metrics, const HttpServerOptions& options);
  // Ends what still runs.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Accepts connections until stop() (then it succeeds) or until the listener fails. May run for
  // several listeners at once. `listener` must outlive the task.
  io::Task<> serve(io::Listener& listener);
  // Serves one connection that came some other way. False: the server is full or stops.
  bool adopt(std::unique_ptr<io::Stream> stream);

  // Drains: takes the connections that wait and no others, closes the idle ones, lets requests that
  // have begun finish (their responses say `connection: close`), ends tunnels at their next pause,
  // and at `deadline` whatever still runs.
  io::Task<> stop(io::Deadline deadline);
  // The same while another server takes what comes next, so that nobody waits for this one to end:
  // for `idle_grace` no connection is closed that its client may be about to use; each brings one
  // more request. Then it drains.
  io::Task<> hand_over(base::Duration idle_grace, base::Duration drain_time_max);

  // From the next request on.
  void set_access_log(bool access_log) noexcept;
  void set_trusted_proxies(TrustedProxies proxies) noexcept;

  std::size_t connection_count() const noexcept;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace selvedge::gateway
