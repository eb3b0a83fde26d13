#include "app/version_runner.h"

#include <algorithm>

namespace selvedge::app {
namespace {

WcgiLimits wcgi_limits(const AppConfig& config) {
  WcgiLimits limits;
  limits.concurrency_max = config.scaling.concurrency_max.value_or(limits.concurrency_max);
  if (config.request_time_max.has_value()) {
    limits.head_time_max = std::min(limits.head_time_max, *config.request_time_max);
    limits.request_time_max = *config.request_time_max;
  }
  return limits;
}

ProxyLimits proxy_limits(const AppConfig& config) {
  ProxyLimits limits;
  limits.concurrency_max = config.scaling.single_concurrency
                               ? 1
                               : config.scaling.concurrency_max.value_or(limits.concurrency_max);
  limits.stop_time_max = config.scaling.stop_time_max;
  if (config.request_time_max.has_value()) {
    limits.head_time_max = std::min(limits.head_time_max, *config.request_time_max);
    limits.request_time_max = *config.request_time_max;
  }
  return limits;
}

}  // namespace

// Counts a request for as long as it lives.
class VersionRunner::ActiveRequest {
 public:
  explicit ActiveRequest(VersionRunner& runner) noexcept : runner_(runner) { ++runner_.active_; }
  ActiveRequest(const ActiveRequest&) = delete;
  ActiveRequest& operator=(const ActiveRequest&) = delete;
  ~ActiveRequest() {
    runner_.last_used_ = runner_.shard_.reactor().now();
    if (--runner_.active_ == 0) {
      runner_.became_idle_.notify();
    }
  }

 private:
  VersionRunner& runner_;
};

VersionRunner::VersionRunner(GuestShard& shard, std::shared_ptr<const AppVersion> version) noexcept
    : shard_(shard),
      version_(std::move(version)),
      last_used_(shard.reactor().now()),
      became_idle_(shard.reactor()) {}

Result<std::unique_ptr<VersionRunner>> VersionRunner::create(
    GuestShard& shard, base::Random& random, std::shared_ptr<const AppVersion> version) {
  std::unique_ptr<VersionRunner> runner(new VersionRunner(shard, std::move(version)));
  const AppVersion& made = *runner->version_;
  SELVEDGE_TRY(runner->program_, ShardProgram::create(shard, made.program));
  if (made.program->listens()) {
    runner->instance_ = std::make_unique<ListeningProgram>(*runner->program_);
    runner->proxy_ = std::make_unique<ProxyRunner>(shard.reactor(), *runner->instance_, random,
                                                   proxy_limits(made.config));
    runner->proxy_->start();
  } else {
    runner->wcgi_ = std::make_unique<WcgiRunner>(*runner->program_, wcgi_limits(made.config));
  }
  return runner;
}

io::Task<> VersionRunner::handle(HttpExchange& exchange) {
  const ActiveRequest active(*this);
  if (wcgi_ != nullptr) {
    co_return co_await wcgi_->handle(exchange);
  }
  co_return co_await proxy_->handle(exchange);
}

io::Task<> VersionRunner::stop(io::Deadline grace) {
  if (proxy_ != nullptr) {
    [[maybe_unused]] const auto stopped = co_await proxy_->stop(grace);
    co_return co_await instance_->close();
  }
  while (active_ > 0 && !grace.passed()) {
    [[maybe_unused]] const auto idle = co_await became_idle_.wait(grace);
  }
  co_return {};
}

}  // namespace selvedge::app
