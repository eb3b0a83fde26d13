#include "node/metrics_endpoint.h"

#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "io/task_scope.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

constexpr base::Duration kDrainTimeMax = std::chrono::seconds(1);
constexpr std::size_t kConnectionsMax = 64;

}  // namespace

Result<io::SocketAddress> metrics_address(const ListenAddress& address, bool beside_another) {
  if (beside_another) {
    return address.every_interface
               ? io::SocketAddress(io::IpAddress::any_v6(), address.address.port())
               : address.address;
  }
  return check_address(address, "metrics.listen");
}

io::Task<> answer_metrics(app::HttpExchange& exchange, std::string text) {
  wire::ResponseHead head{.status = wire::StatusCode(200), .headers = {}};
  head.headers.add("content-type", "text/plain; version=0.0.4; charset=utf-8");
  head.headers.add_number("content-length", text.size());
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(text)));
  co_return co_await exchange.finish();
}

io::Task<> MetricsHandler::handle(app::HttpExchange& exchange) {
  const auto kind = exchange.request().method().kind();
  if (exchange.request().target().path() != "/metrics" ||
      (kind != wire::Method::Kind::kGet && kind != wire::Method::Kind::kHead)) {
    co_return co_await answer_error(exchange,
                                    Error(ErrorKind::kNotFound, "only GET /metrics is here"));
  }
  co_return co_await answer_metrics(exchange, expose_());
}

io::Task<> serve_metrics(io::Reactor& reactor, io::Listener& listener, ExposeMetrics expose,
                         base::Random& random, gateway::HttpMetrics& metrics, io::Event& stop) {
  MetricsHandler handler(std::move(expose));
  gateway::HttpServer server(reactor, handler, random, metrics,
                             {.connections_max = kConnectionsMax});
  io::TaskScope scope(reactor);
  scope.spawn(server.serve(listener));
  co_await stop.wait();
  const io::Deadline deadline = reactor.deadline_after(kDrainTimeMax);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

}  // namespace selvedge::node
