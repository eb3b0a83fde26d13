#include "gateway/http_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "base/log.h"
#include "gateway/internal/http1_connection.h"
#include "gateway/internal/shard_context.h"
#include "io/task_scope.h"

namespace selvedge::gateway {

HttpMetrics::HttpMetrics(base::Registry& registry)
    : connections_total(
          registry.counter("selvedge_http_connections_total", "Connections accepted and served.")),
      connections_refused_total(
          registry.counter("selvedge_http_connections_refused_total",
                           "Connections refused or ended because the server was full.")),
      connections_active(registry.gauge("selvedge_http_connections_active", "Open connections.")),
      requests_total(registry.counter("selvedge_http_requests_total", "Valid request heads.")),
      requests_rejected_total(registry.counter("selvedge_http_requests_rejected_total",
                                               "Requests refused by the parser or its limits.")),
      responses_failed_total(registry.counter("selvedge_http_responses_failed_total",
                                              "Requests whose handler failed.")),
      requests_active(registry.gauge("selvedge_http_requests_active", "Handlers at work.")),
      bytes_received_total(
          registry.counter("selvedge_http_received_bytes_total", "Bytes read from connections.")),
      bytes_sent_total(
          registry.counter("selvedge_http_sent_bytes_total", "Bytes written to connections.")) {}

class HttpServer::Implementation {
 public:
  // Connections looked at when an idle one has to make room.
  static constexpr std::size_t kEvictionScanMax = 128;
  // Connections that were told to end or are being refused, on top of connections_max; beyond that
  // they are closed without a word.
  static constexpr std::size_t kEndingMax = 256;
  static constexpr base::Duration kRefusalMax = std::chrono::seconds(1);

  Implementation(io::Reactor& reactor, app::HttpHandler& handler, base::Random& random,
                 HttpMetrics& metrics, const HttpServerOptions& options)
      : context_(reactor, handler, random, metrics, options),
        emptied_(reactor),
        scope_(reactor, options.connections_max + kEndingMax) {}

  io::Task<> serve(io::Listener& listener) {
    listeners_.push_back(&listener);
    for (;;) {
      Result<std::unique_ptr<io::Stream>> accepted = co_await listener.accept();
      if (!accepted) {
        std::erase(listeners_, &listener);
        emptied_.notify();
        co_return context_.draining ? Result<>() : fail(std::move(accepted).error());
      }
      // While it drains these are the ones that had waited already.
      take(*std::move(accepted));
    }
  }

  bool adopt(std::unique_ptr<io::Stream> stream) {
    if (context_.draining) {
      reject(std::move(stream));
      return false;
    }
    return take(std::move(stream));
  }

  io::Task<> stop(io::Deadline deadline) {
    begin_drain(context_.reactor.now());
    drain_connections();
    co_return co_await scope_.close(deadline);
  }

  io::Task<> hand_over(base::Duration idle_grace, base::Duration drain_time_max) {
    begin_drain(context_.reactor.now() + idle_grace);
    const io::Deadline grace_end = context_.reactor.deadline_after(idle_grace);
    while (!connections_.empty() || !listeners_.empty()) {
      if (!co_await emptied_.wait(grace_end)) {
        break;
      }
    }
    drain_connections();
    co_return co_await scope_.close(context_.reactor.deadline_after(drain_time_max));
  }

  void set_access_log(bool access_log) noexcept { context_.options.access_log = access_log; }

  void set_trusted_proxies(TrustedProxies proxies) noexcept {
    context_.options.trusted_proxies = std::move(proxies);
  }

  std::size_t connection_count() const noexcept { return connections_.size(); }

 private:
  void begin_drain(base::MonotonicTime idle_until) {
    context_.draining = true;
    context_.idle_until = idle_until;
    for (io::Listener* listener : listeners_) {
      listener->finish();
    }
    log::info("http server drains connections={}", connections_.size());
  }

  void drain_connections() {
    for (internal::Http1Connection* connection : connections_) {
      connection->drain();
    }
  }

  bool take(std::unique_ptr<io::Stream> stream) {
    if (full() && !evict_idle()) {
      reject(std::move(stream));
      return false;
    }
    return scope_.spawn(serve_connection(*this, std::move(stream)));
  }

  void reject(std::unique_ptr<io::Stream> stream) {
    context_.metrics.connections_refused_total.add();
    scope_.spawn(refuse(*this, std::move(stream)));
  }

  // Keeps a connection in the list while it is served.
  class Listed {
   public:
    Listed(Implementation& server, internal::Http1Connection& connection)
        : server_(server), connection_(connection) {
      connection.set_list_index(server_.connections_.size());
      server_.connections_.push_back(&connection);
      server_.context_.metrics.connections_total.add();
      server_.context_.metrics.connections_active.add(1);
    }
    ~Listed() {
      std::vector<internal::Http1Connection*>& list = server_.connections_;
      list[connection_.list_index()] = list.back();
      list.back()->set_list_index(connection_.list_index());
      list.pop_back();
      if (list.empty()) {
        server_.emptied_.notify();
      }
      server_.context_.metrics.connections_active.add(-1);
    }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;

   private:
    Implementation& server_;
    internal::Http1Connection& connection_;
  };

  static io::Task<> serve_connection(Implementation& server, std::unique_ptr<io::Stream> stream) {
    internal::Http1Connection connection(server.context_, std::move(stream));
    const Listed listed(server, connection);
    if (const Result<> result = co_await connection.run(); !result) {
      log::debug("connection ended error={}", result.error().message());
    }
    co_return {};
  }

  bool full() const noexcept { return connections_.size() >= context_.options.connections_max; }

  // Ends the connection that has been idle longest among those looked at. The room it leaves is
  // there when its task has ended, so the count may be exceeded by those that are ending.
  bool evict_idle() {
    internal::Http1Connection* oldest = nullptr;
    const std::size_t count = std::min(connections_.size(), kEvictionScanMax);
    for (std::size_t i = 0; i < count; ++i) {
      internal::Http1Connection* candidate =
          connections_[(eviction_start_ + i) % connections_.size()];
      if (candidate->is_idle() &&
          (oldest == nullptr || candidate->idle_since() < oldest->idle_since())) {
        oldest = candidate;
      }
    }
    eviction_start_ += count;
    if (oldest == nullptr) {
      return false;
    }
    oldest->close_idle();
    return true;
  }

  // Says why, and lets the peer read it before the connection goes.
  static io::Task<> refuse(Implementation& server, std::unique_ptr<io::Stream> stream) {
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n"
        "connection: close\r\n\r\n";
    const io::Deadline deadline = server.context_.reactor.deadline_after(kRefusalMax);
    SELVEDGE_CO_TRY_VOID(co_await stream->write_all(base::as_bytes(kFull), deadline));
    SELVEDGE_CO_TRY_VOID(stream->shutdown_write());
    std::array<std::byte, 1024> dropped;
    for (;;) {
      const Result<std::size_t> count = co_await stream->read(dropped, deadline);
      if (!count || *count == 0) {
        co_return {};
      }
    }
  }

  internal::ShardContext context_;
  std::vector<io::Listener*> listeners_;
  std::vector<internal::Http1Connection*> connections_;
  std::size_t eviction_start_ = 0;
  io::Event emptied_;    // told when the last connection or a listener has gone
  io::TaskScope scope_;  // last: its tasks use the rest
};

HttpServer::HttpServer(io::Reactor& reactor, app::HttpHandler& handler, base::Random& random,
                       HttpMetrics& metrics, const HttpServerOptions& options)
    : implementation_(
          std::make_unique<Implementation>(reactor, handler, random, metrics, options)) {}
HttpServer::~HttpServer() = default;

io::Task<> HttpServer::serve(io::Listener& listener) { return implementation_->serve(listener); }
bool HttpServer::adopt(std::unique_ptr<io::Stream> stream) {
  return implementation_->adopt(std::move(stream));
}
io::Task<> HttpServer::stop(io::Deadline deadline) { return implementation_->stop(deadline); }
io::Task<> HttpServer::hand_over(base::Duration idle_grace, base::Duration drain_time_max) {
  return implementation_->hand_over(idle_grace, drain_time_max);
}
void HttpServer::set_access_log(bool access_log) noexcept {
  implementation_->set_access_log(access_log);
}

void HttpServer::set_trusted_proxies(TrustedProxies proxies) noexcept {
  implementation_->set_trusted_proxies(std::move(proxies));
}
std::size_t HttpServer::connection_count() const noexcept {
  return implementation_->connection_count();
}

}  // namespace selvedge::gateway
