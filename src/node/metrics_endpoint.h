#pragma once

// A node's metrics in the Prometheus text format: GET /metrics on an address of its own, where
// whoever can connect may read.

#include <functional>
#include <string>

#include "app/http_exchange.h"
#include "base/random.h"
#include "gateway/http_server.h"
#include "io/event.h"
#include "io/network.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/task.h"
#include "node/listen_address.h"

namespace selvedge::node {

// Where to listen, which others may do too once this process does. Checked to be free, unless
// `beside_another`, the process that is taken over from. Errors as check_address.
Result<io::SocketAddress> metrics_address(const ListenAddress& address, bool beside_another);

using ExposeMetrics = std::function<std::string()>;

io::Task<> answer_metrics(app::HttpExchange& exchange, std::string text);

// Answers GET and HEAD of /metrics, and nothing else.
class MetricsHandler final : public app::HttpHandler {
 public:
  explicit MetricsHandler(ExposeMetrics expose) : expose_(std::move(expose)) {}
  io::Task<> handle(app::HttpExchange& exchange) override;

 private:
  ExposeMetrics expose_;
};

// Until `stop` is set. Everything outlives the task.
io::Task<> serve_metrics(io::Reactor& reactor, io::Listener& listener, ExposeMetrics expose,
                         base::Random& random, gateway::HttpMetrics& metrics, io::Event& stop);

}  // namespace selvedge::node
