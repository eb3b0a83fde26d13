#include "app/internal/health_monitor.h"

#include <algorithm>
#include <utility>

#include "app/internal/proxy_request.h"
#include "app/internal/upstream_supervisor.h"
#include "app/internal_exchange.h"
#include "base/format.h"
#include "io/deadline.h"

namespace selvedge::app::internal {

HealthMonitor::HealthMonitor(io::Reactor& reactor, UpstreamSupervisor& supervisor,
                             const ProxyLimits& limits, const ProxyHealth& health,
                             const VersionLog& log)
    : reactor_(reactor), supervisor_(supervisor), limits_(limits), health_(health), log_(log) {}

io::Task<std::string> HealthMonitor::watch(io::Event& ended) {
  const base::MonotonicTime began = reactor_.now();
  std::vector<State> states(health_.checks.size(), State{.next = began});
  while (!ended.is_set()) {
    const auto state = std::ranges::min_element(states, {}, &State::next);
    const HealthCheckConfig& check =
        health_.checks[static_cast<std::size_t>(state - states.begin())];
    if (co_await ended.wait(reactor_.deadline_at(state->next))) {
      break;
    }
    const Result<> passed = co_await probe(check);
    if (ended.is_set()) {
      break;
    }
    const bool starts = !state->healthy && reactor_.now() - began < limits_.init_time_max;
    if (passed.has_value()) {
      state->failed = 0;
      ++state->passed;
      if (!state->healthy && state->passed >= check.healthy_threshold) {
        state->healthy = true;
        if (std::ranges::all_of(states, &State::healthy)) {
          supervisor_.set_healthy();
        }
      }
    } else if (passed.error().kind() != ErrorKind::kOverloaded) {
      state->passed = 0;
      supervisor_.set_complaint(passed.error().message());
      if (!starts && ++state->failed >= check.unhealthy_threshold) {
        co_return passed.error().message();
      }
      log_.remark(fmt::format("health check failed: {}", passed.error().message()), {});
    }
    state->next =
        reactor_.now() + (state->healthy ? check.interval : std::min(check.interval, kStartPause));
  }
  co_return std::string();
}

io::Task<> HealthMonitor::probe(const HealthCheckConfig& check) {
  std::optional<Admission::Permit> turn;
  if (health_.turns != nullptr) {
    auto entered = co_await health_.turns->enter(reactor_.deadline_after(*check.http.timeout));
    if (!entered.has_value()) {
      co_return fail(ErrorKind::kOverloaded, "the program is busy");
    }
    turn.emplace(*std::move(entered));
  }
  auto passed = co_await perform_check(reactor_, check.http, health_.host,
                                       fmt::format("health-{}", ++probes_), *check.http.timeout,
                                       [this](HttpExchange& exchange) { return ask(exchange); });
  if (!passed.has_value() && passed.error().kind() != ErrorKind::kTimeout) {
    co_return fail(ErrorKind::kInvalid, passed.error().message());
  }
  co_return passed;
}

io::Task<> HealthMonitor::ask(HttpExchange& exchange) {
  ProxyRequest request(exchange, reactor_, supervisor_, limits_, metrics_, log_);
  co_return co_await request.run();
}

}  // namespace selvedge::app::internal
