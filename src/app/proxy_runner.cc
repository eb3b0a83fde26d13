#include "app/proxy_runner.h"

#include <utility>

#include "app/internal/health_monitor.h"
#include "app/internal/plain_answer.h"
#include "app/internal/proxy_request.h"
#include "app/internal/upstream_supervisor.h"
#include "base/format.h"

namespace selvedge::app {

// Counts a request for as long as it runs, so that stop() can wait for it.
class ProxyRunner::ActiveRequest {
 public:
  explicit ActiveRequest(ProxyRunner& runner) noexcept : runner_(runner) { ++runner_.active_; }
  ActiveRequest(const ActiveRequest&) = delete;
  ActiveRequest& operator=(const ActiveRequest&) = delete;
  ~ActiveRequest() {
    --runner_.active_;
    runner_.request_ended_.notify();
  }

 private:
  ProxyRunner& runner_;
};

ProxyRunner::ProxyRunner(io::Reactor& reactor, UpstreamInstance& instance, base::Random& random,
                         const ProxyLimits& limits, ProxyHealth health, VersionLog log)
    : reactor_(reactor),
      limits_(limits),
      log_(std::move(log)),
      admission_(reactor, limits.concurrency_max, limits.queue_max),
      health_(std::move(health)),
      supervisor_(std::make_unique<internal::UpstreamSupervisor>(reactor, instance, random, limits_,
                                                                 metrics_, log_)),
      request_ended_(reactor),
      scope_(reactor, 1) {
  if (!health_.checks.empty()) {
    monitor_ =
        std::make_unique<internal::HealthMonitor>(reactor, *supervisor_, limits_, health_, log_);
    supervisor_->set_monitor(*monitor_);
  }
}

ProxyRunner::~ProxyRunner() = default;

void ProxyRunner::start() { scope_.spawn(supervisor_->run()); }

io::Task<> ProxyRunner::handle(HttpExchange& exchange) {
  ++metrics_.requests;
  if (stopping_) {
    ++metrics_.unavailable;
    co_return co_await internal::answer_plainly(exchange, wire::StatusCode(503),
                                                "The application is being stopped.");
  }
  const ActiveRequest active(*this);
  const auto permit = co_await admission_.enter(reactor_.deadline_after(limits_.queue_time_max));
  if (!permit.has_value()) {
    ++metrics_.overloaded;
    log_.metrics()->count_limit(Limit::kQueue);
    log_.remark(fmt::format("answers 503: {}", permit.error().message()), exchange.request_id());
    co_return co_await internal::answer_plainly(exchange, wire::StatusCode(503),
                                                "Too many requests are in flight.");
  }
  internal::ProxyRequest request(exchange, reactor_, *supervisor_, limits_, metrics_, log_);
  co_return co_await request.run();
}

io::Task<> ProxyRunner::wait_until_ready(io::Deadline deadline) {
  return supervisor_->wait_until_ready(deadline);
}

io::Task<> ProxyRunner::wait_until_healthy(io::Deadline deadline) {
  return supervisor_->wait_until_healthy(deadline);
}

io::Task<> ProxyRunner::stop(io::Deadline grace) {
  stopping_ = true;
  while (active_ > 0 && !grace.passed()) {
    [[maybe_unused]] const Result<> woken = co_await request_ended_.wait(grace);
  }
  SELVEDGE_CO_TRY_VOID(co_await supervisor_->stop());
  co_return co_await scope_.close();
}

}  // namespace selvedge::app
