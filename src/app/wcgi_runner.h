#pragma once

// Serves HTTP with a program that speaks CGI (RFC 3875): a fresh instance for every request, the
// content streamed into its standard input, its standard output parsed and streamed back as it
// comes, its standard error to the log of the version.
//
// How a request can end, by what the guest did first:
//   a complete, valid head     sent at once; the content follows as it comes. When the guest later
//                              traps or hits a limit, the connection is aborted, so that the client
//                              cannot take half for a whole. A non-zero exit code is only logged:
//                              php-cgi ends so after every fatal error that it has reported.
//   output closed after that   the answer is complete; the program may go on within its limits,
//                              and counts as a request until it ends
//   exit, trap, malformed head or closed output before a complete head: 502 with the request's id
//   no head in time            504; a CPU or wall time limit likewise
//   client gone                the guest is ended
// Beside these: 503 with Retry-After when too many requests are in flight or no instance is free,
// 411 for content of unknown length above buffered_content_bytes_max (CGI programs are told the
// length, and php-cgi reads nothing without it), 400 for a path that has no meaning as PATH_INFO.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "app/cgi_environment.h"
#include "app/http_exchange.h"
#include "app/instance_meter.h"
#include "app/internal/admission.h"
#include "app/program.h"
#include "app/shared_permits.h"
#include "app/version_log.h"
#include "base/clock.h"
#include "io/deadline.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "wire/cgi_response_parser.h"

namespace selvedge::app {

struct WcgiLimits {
  // On one shard.
  std::size_t concurrency_max = 256;  // those that wait for a permit of the node included
  std::size_t queue_max = 4096;
  base::Duration queue_time_max = std::chrono::seconds(30);
  // From the start of the instance to the complete head.
  base::Duration head_time_max = std::chrono::seconds(60);
  // From the start of the instance to its end.
  base::Duration request_time_max = std::chrono::hours(1);
  std::size_t buffered_content_bytes_max = std::size_t{1} << 20;
  // Of standard error, per request; the rest is counted and dropped.
  std::size_t log_bytes_max = std::size_t{64} << 10;
  wire::CgiLimits head;
};

// Of one shard's runner. The shard's thread.
struct WcgiMetrics {
  std::uint64_t requests = 0;
  std::uint64_t failed_before_head = 0;
  std::uint64_t failed_after_head = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t overloaded = 0;
  std::uint64_t abandoned = 0;  // the client left
};

// One shard's thread.
class WcgiRunner final : public HttpHandler {
 public:
  // `program` and `log` outlive this.
  // `permits`: of the instances on all shards of the node; null: no such limit.
  // `log`: nullptr: that of this process.
  WcgiRunner(const ShardProgram& program [[clang::lifetimebound]], WcgiLimits limits,
             std::shared_ptr<SharedPermits> permits = nullptr, const VersionLog* log = nullptr);

  io::Task<> handle(HttpExchange& exchange) override;

  // Programs that go on though their answers are complete.
  std::size_t outliving() const noexcept { return outliving_.size(); }
  // Ends them; they may go on until `grace`. Called once, when nothing is in handle().
  io::Task<> stop(io::Deadline grace);

  const WcgiMetrics& metrics() const noexcept [[clang::lifetimebound]] { return metrics_; }

 private:
  io::Task<> answer_overload(HttpExchange& exchange, const Error& error);

  // When it was given none.
  const std::optional<VersionLog> own_log_;
  // What a request needs.
  const VersionLog& log_;
  const ShardProgram& program_;
  WcgiMetrics metrics_;
  internal::Admission admission_;
  std::shared_ptr<SharedPermits> permits_;
  WcgiLimits limits_;
  MemoryMeter memory_;
  CgiScript script_;
  // Last: its tasks use the rest.
  io::TaskScope outliving_;
};

}  // namespace selvedge::app
