#pragma once

// Serves HTTP with a program that listens: requests are forwarded over connections to it, which are
// kept for further requests. The program runs from start() to stop(); when it ends by itself it is
// started again, later each time.
//
// How a request can end:
//   a complete, valid head       sent at once; the content follows as it comes. When the program
//                                breaks off or sends a malformed piece, the client's connection is
//                                aborted, so that half cannot pass for a whole
//   101 to an offer of WebSocket the connection becomes a tunnel (HttpExchange::tunnel)
//   no valid head                502 with the request's id
//   no head in time              504
//   the program does not listen  503 with Retry-After: while it is started again, after it did not
//                                listen in time, while it is being stopped
//   too many requests            503 with Retry-After
//   client gone                  the connection to the program is closed
//
// A connection that was kept may have been closed by the program at the moment of its use. If it
// breaks before the first byte of a response, a request that may be repeated (GET, HEAD, OPTIONS,
// PUT, DELETE without content) is sent once more over a new one. Other requests use only
// connections that were at work a moment ago.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/health_check_config.h"
#include "app/http_exchange.h"
#include "app/internal/admission.h"
#include "app/upstream_instance.h"
#include "app/version_log.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "wire/http1_response_parser.h"

namespace selvedge::app {

namespace internal {
class HealthMonitor;
class UpstreamSupervisor;
}  // namespace internal

// On one shard.
struct ProxyLimits {
  std::size_t concurrency_max = 1024;  // tunnels included
  std::size_t queue_max = 4096;
  base::Duration queue_time_max = std::chrono::seconds(30);
  // From a start of the program to its first connection; beyond, it is ended and started again.
  base::Duration init_time_max = std::chrono::seconds(30);
  // For a connection once it has listened.
  base::Duration connect_time_max = std::chrono::seconds(5);
  // From the last byte of the request to the complete head. Also for the program to take more
  // content.
  base::Duration head_time_max = std::chrono::seconds(60);
  // From the request's arrival to the end of the response.
  base::Duration request_time_max = std::chrono::hours(1);
  // Connections that wait for another request. Short, because servers close theirs after seconds.
  std::size_t idle_connections_max = 64;
  base::Duration idle_connection_time_max = std::chrono::seconds(4);
  // The wait before the first new start, doubled at each further one, and shortened by up to half
  // at random. A run counts as good again when it has listened for stable_time.
  base::Duration restart_delay_min = std::chrono::milliseconds(100);
  base::Duration restart_delay_max = std::chrono::seconds(30);
  base::Duration stable_time = std::chrono::seconds(10);
  // Between asking the program to end and ending it.
  base::Duration stop_time_max = std::chrono::seconds(10);
  wire::Http1ResponseLimits response;
};

// How the program is asked whether it serves. When it does not, it is ended as stop() does and
// started again; requests wait meanwhile, as at its start.
struct ProxyHealth {
  std::vector<HealthCheckConfig> checks;  // empty: it serves as long as it runs
  std::string host;                       // that the requests name
  // Of a program that serves one request at a time: it is asked in between. Outlives the runner.
  internal::Admission* turns = nullptr;
};

// Of one shard's runner. The shard's thread.
struct ProxyMetrics {
  std::uint64_t requests = 0;
  std::uint64_t failed_before_head = 0;
  std::uint64_t failed_after_head = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t overloaded = 0;   // too many requests
  std::uint64_t unavailable = 0;  // the program did not listen
  std::uint64_t abandoned = 0;    // the client left
  std::uint64_t retried = 0;
  std::uint64_t tunnels = 0;
  std::uint64_t connections = 0;  // made to the program
  std::uint64_t starts = 0;
  std::uint64_t unhealthy = 0;  // ends because of a health check
};

// One shard's thread.
class ProxyRunner final : public HttpHandler {
 public:
  // Everything outlives this. `log`: that of the version, or of this process.
  ProxyRunner(io::Reactor& reactor [[clang::lifetimebound]],
              UpstreamInstance& instance [[clang::lifetimebound]],
              base::Random& random [[clang::lifetimebound]], const ProxyLimits& limits,
              ProxyHealth health = {}, VersionLog log = VersionLog());
  // Does not end the program: stop() does.
  ~ProxyRunner() override;

  // Starts the program, and again whenever it ends. Once, before the first request.
  void start();
  // Requests that arrive while the program starts wait for it.
  io::Task<> handle(HttpExchange& exchange) override;
  // Completes when the program listens. kOverloaded: it is down, until it is started again;
  // kTimeout.
  io::Task<> wait_until_ready(io::Deadline deadline);
  // Completes when the program has passed its health checks. kInvalid: why it has not, when its run
  // ended or the deadline has passed.
  io::Task<> wait_until_healthy(io::Deadline deadline);
  // Answers new requests with 503, lets running ones finish until `grace`, asks the program to end,
  // and ends it if it does not within stop_time_max: what still runs then is cut.
  io::Task<> stop(io::Deadline grace);

  const ProxyMetrics& metrics() const noexcept [[clang::lifetimebound]] { return metrics_; }

 private:
  class ActiveRequest;

  io::Reactor& reactor_;
  ProxyLimits limits_;
  VersionLog log_;
  ProxyMetrics metrics_;
  internal::Admission admission_;
  ProxyHealth health_;
  std::unique_ptr<internal::UpstreamSupervisor> supervisor_;
  std::unique_ptr<internal::HealthMonitor> monitor_;  // null without checks
  std::size_t active_ = 0;
  bool stopping_ = false;
  io::Event request_ended_;  // notified
  io::TaskScope scope_;      // last: its task uses the rest
};

}  // namespace selvedge::app
