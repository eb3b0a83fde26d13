#pragma once

#include "app/http_exchange.h"
#include "gateway/http_server.h"
#include "gateway/internal/block_pool.h"
#include "gateway/internal/health_response.h"
#include "gateway/internal/request_id.h"
#include "io/reactor.h"
#include "wire/http_date.h"

namespace selvedge::gateway::internal {

// What the connections of one server share. One thread.
struct ShardContext {
  ShardContext(io::Reactor& reactor_in, app::HttpHandler& handler_in, base::Random& random,
               HttpMetrics& metrics_in, const HttpServerOptions& options_in)
      : reactor(reactor_in),
        handler(handler_in),
        metrics(metrics_in),
        options(options_in),
        date(reactor_in.clock()),
        request_ids(random) {}

  io::Reactor& reactor;
  app::HttpHandler& handler;
  HttpMetrics& metrics;
  HttpServerOptions options;
  wire::CachedHttpDate date;
  HealthResponse health;
  RequestIds request_ids;
  BlockPool blocks;
  bool draining = false;
  base::MonotonicTime idle_until{};  // while it drains: when idle connections are closed
};

}  // namespace selvedge::gateway::internal
