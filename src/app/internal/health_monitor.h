#pragma once

// Asks a program that listens whether it serves, as health_checks of app.yaml say.

#include <cstdint>
#include <string>
#include <vector>

#include "app/http_exchange.h"
#include "app/proxy_runner.h"
#include "app/version_log.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::app::internal {

class UpstreamSupervisor;

// One reactor's thread.
class HealthMonitor {
 public:
  // Between questions to a program that has not been healthy yet.
  static constexpr base::Duration kStartPause = std::chrono::milliseconds(250);

  // All outlive this. `health` has checks.
  HealthMonitor(io::Reactor& reactor, UpstreamSupervisor& supervisor, const ProxyLimits& limits,
                const ProxyHealth& health, const VersionLog& log);

  // Watches one run of the program, until it ends or is unhealthy; yields why it is, nothing when
  // it ended. A run is healthy once every check has passed healthy_threshold times in a row, which
  // the supervisor is told. Before that, failures within the limits' init_time_max do not count.
  io::Task<std::string> watch(io::Event& ended);

 private:
  struct State {
    base::MonotonicTime next;
    std::uint32_t passed = 0;  // in a row
    std::uint32_t failed = 0;
    bool healthy = false;
  };
  // kOverloaded: the program is at the only request that it serves at a time.
  io::Task<> probe(const HealthCheckConfig& check);
  io::Task<> ask(HttpExchange& exchange);

  io::Reactor& reactor_;
  UpstreamSupervisor& supervisor_;
  const ProxyLimits& limits_;
  const ProxyHealth& health_;
  const VersionLog& log_;
  ProxyMetrics metrics_;  // those of requests are the runner's
  std::uint64_t probes_ = 0;
};

}  // namespace selvedge::app::internal
