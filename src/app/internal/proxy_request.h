#pragma once

#include <cstddef>
#include <optional>

#include "app/internal/receive_buffer.h"
#include "app/internal/upstream_supervisor.h"
#include "app/proxy_runner.h"
#include "io/task_scope.h"
#include "wire/http1_request_writer.h"
#include "wire/http1_response_parser.h"

namespace selvedge::app::internal {

// One request on its way to the program and back. Lives in the frame of ProxyRunner::handle;
// destroying it at any point closes the connection to the program.
class ProxyRequest {
 public:
  ProxyRequest(HttpExchange& exchange, io::Reactor& reactor, UpstreamSupervisor& supervisor,
               const ProxyLimits& limits, ProxyMetrics& metrics, const VersionLog& log);
  ~ProxyRequest();
  ProxyRequest(const ProxyRequest&) = delete;
  ProxyRequest& operator=(const ProxyRequest&) = delete;

  io::Task<> run();

 private:
  // Sends the request and receives the head of the final response. Errors: Overloaded (the program
  // does not listen), Timeout, Disconnected (broke off), Internal (malformed), Invalid (the request
  // cannot be passed on).
  io::Task<> fetch_head();
  Result<std::string> serialize_head();
  // Content -> program, until either side ends.
  io::Task<> send_content();
  io::Task<> write(const wire::ContentFrame& frame);
  // The next event of the response that is not kNeedMore.
  io::Task<wire::Http1Event> next_event();
  io::Task<wire::Http1Event> receive_event();
  // The next event of what was received.
  Result<wire::Http1Event> parse();
  io::Deadline receive_deadline() const noexcept;
  bool may_retry(const Error& error) const noexcept;
  io::Task<> relay_content();
  io::Task<> switch_protocol();
  io::Task<> answer_failure(Error error);
  io::Task<> answer_input_error();
  io::Task<> cut(Error error);

  HttpExchange& exchange_;
  io::Reactor& reactor_;
  UpstreamSupervisor& supervisor_;
  const ProxyLimits& limits_;
  ProxyMetrics& metrics_;
  const VersionLog& log_;
  const io::Deadline deadline_;  // of the whole request
  const bool offers_websocket_;
  UpstreamConnection connection_;
  wire::Http1RequestWriter writer_;
  wire::Http1ResponseParser parser_;
  ReceiveBuffer received_;
  base::MonotonicTime sent_at_;  // the last byte of the request so far
  bool request_complete_ = false;
  bool head_complete_ = false;
  bool has_received_ = false;  // anything of the response
  bool upstream_ended_ = false;
  bool is_retry_ = false;
  bool client_gone_ = false;
  std::optional<Error> input_error_;  // of the client's content
  // Last: its task uses the rest.
  io::TaskScope tasks_;
};

}  // namespace selvedge::app::internal
