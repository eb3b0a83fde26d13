#include "app/version_runner.h"

#include <algorithm>

#include "app/internal/plain_answer.h"
#include "app/internal/relay.h"
#include "app/internal_exchange.h"
#include "io/shard_stream.h"

namespace selvedge::app {
namespace {

// For a connection from another shard, with the program's start.
constexpr base::Duration kConnectTimeMax = std::chrono::seconds(30);
constexpr std::size_t kTurnsWaitingMax = 4096;
// From a start to passed health checks.
constexpr base::Duration kHealthyTimeMax = std::chrono::seconds(60);

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
  if (config.scaling.single_concurrency) {
    limits.idle_connections_max = 0;  // one that is kept would keep the others out
  }
  limits.stop_time_max = config.scaling.stop_time_max;
  if (config.request_time_max.has_value()) {
    limits.head_time_max = std::min(limits.head_time_max, *config.request_time_max);
    limits.request_time_max = *config.request_time_max;
  }
  return limits;
}

}  // namespace

// Counts a request or connection for as long as it lives.
class VersionRunner::ActiveUse {
 public:
  explicit ActiveUse(VersionRunner& runner) noexcept : runner_(runner) { ++runner_.active_; }
  ActiveUse(const ActiveUse&) = delete;
  ActiveUse& operator=(const ActiveUse&) = delete;
  ~ActiveUse() {
    runner_.last_used_ = runner_.shard_.reactor().now();
    if (--runner_.active_ == 0) {
      runner_.became_idle_.notify();
    }
  }

 private:
  VersionRunner& runner_;
};

VersionRunner::VersionRunner(Key, GuestShard& shard, std::shared_ptr<const AppVersion> version,
                             VersionLog log) noexcept
    : shard_(shard),
      version_(std::move(version)),
      last_used_(shard.reactor().now()),
      force_https_(version_->config.force_https),
      became_idle_(shard.reactor()),
      log_(std::move(log)),
      scope_(shard.reactor()) {}

Result<std::shared_ptr<VersionRunner>> VersionRunner::create(
    GuestShard& shard, base::Random& random, std::shared_ptr<const AppVersion> version,
    std::unique_ptr<UpstreamInstance> elsewhere, VersionLog log, InstancePeers* peers) {
  auto runner = std::make_shared<VersionRunner>(Key(), shard, std::move(version), std::move(log));
  const AppVersion& made = *runner->version_;
  if (made.program->listens() && elsewhere != nullptr) {
    runner->elsewhere_ = std::move(elsewhere);
    runner->proxy_ =
        std::make_unique<ProxyRunner>(shard.reactor(), *runner->elsewhere_, random,
                                      proxy_limits(made.config), ProxyHealth(), runner->log_);
    runner->proxy_->start();
    return runner;
  }
  SELVEDGE_TRY(ShardProgram opened, ShardProgram::open(shard, made.program));
  ShardProgram& program = runner->program_.emplace(std::move(opened));
  if (made.places != nullptr) {
    runner->group_ = std::make_unique<InstanceGroup>(
        shard.reactor(), random,
        InstanceGroup::Options{.version = runner->version_,
                               .peers = peers,
                               .limits = proxy_limits(made.config),
                               .log = runner->log_,
                               .make = [&program, log = runner->log_] {
                                 return std::make_unique<ListeningProgram>(program, log);
                               }});
    return runner;
  }
  if (made.program->listens()) {
    if (made.config.scaling.single_concurrency) {
      runner->turns_.emplace(shard.reactor(), 1, kTurnsWaitingMax);
    }
    runner->instance_ = std::make_unique<ListeningProgram>(program, runner->log_);
    ProxyHealth health{.checks = made.config.health_checks,
                       .host = made.app,
                       .turns = runner->turns_.has_value() ? &*runner->turns_ : nullptr};
    runner->proxy_ =
        std::make_unique<ProxyRunner>(shard.reactor(), *runner->instance_, random,
                                      proxy_limits(made.config), std::move(health), runner->log_);
    runner->proxy_->start();
  } else {
    runner->wcgi_.emplace(program, wcgi_limits(made.config), made.permits, &runner->log_);
  }
  return runner;
}

void VersionRunner::prefetch() const noexcept {
  log_.prefetch();
  if (wcgi_.has_value()) {
    program_->prefetch();
  }
}

io::Task<> VersionRunner::handle(HttpExchange& exchange) {
  const ActiveUse active(*this);
  if (wcgi_.has_value()) {
    co_return co_await wcgi_->handle(exchange);
  }
  if (group_ != nullptr) {
    co_return co_await group_->handle(exchange);
  }
  const auto turn = co_await take_turn();
  if (!turn.has_value()) {
    log_.metrics()->count_limit(Limit::kQueue);
    log_.remark("answers 503: the app is busy, and takes one request at a time",
                exchange.request_id());
    co_return co_await internal::answer_plainly(exchange, wire::StatusCode(503),
                                                "The app is busy.");
  }
  co_return co_await proxy_->handle(exchange);
}

io::Task<std::unique_ptr<io::Stream>> VersionRunner::connect_for(io::Reactor& peer,
                                                                 std::size_t instance) {
  if (group_ != nullptr) {
    const ActiveUse active(*this);
    co_return co_await group_->connect_for(peer, instance);
  }
  if (instance_ == nullptr) {
    co_return fail(ErrorKind::kInvalid, "the program does not listen on this shard");
  }
  const ActiveUse active(*this);
  SELVEDGE_CO_TRY(auto turn, co_await take_turn());
  const io::Deadline deadline = shard_.reactor().deadline_after(kConnectTimeMax);
  SELVEDGE_CO_TRY_VOID(co_await proxy_->wait_until_ready(deadline));
  SELVEDGE_CO_TRY(auto stream, co_await instance_->connect(deadline));
  auto ends = io::make_shard_stream_pair(shard_.reactor(), peer);
  if (!scope_.spawn(carry(std::move(stream), std::move(ends.first), std::move(turn)))) {
    co_return fail(ErrorKind::kDisconnected, "the app is being stopped");
  }
  co_return std::move(ends.second);
}

Result<> VersionRunner::start_instance(std::size_t instance) {
  return group_ != nullptr ? group_->start_here(instance)
                           : fail(ErrorKind::kInvalid, "the program has one instance");
}

void VersionRunner::keep() {
  last_used_ = shard_.reactor().now();
  if (group_ != nullptr) {
    group_->keep();
  }
}

void VersionRunner::tend(base::Duration idle_time_max) {
  if (group_ != nullptr) {
    group_->tend(idle_time_max);
  }
}

void VersionRunner::allow_starts(bool allowed) noexcept {
  if (group_ != nullptr) {
    version_->places->scaler().allow_starts(allowed);
  }
}

io::Task<> VersionRunner::check_health() {
  const ActiveUse active(*this);
  if (group_ != nullptr) {
    co_return co_await group_->check_health(shard_.reactor().deadline_after(kHealthyTimeMax));
  }
  if (instance_ != nullptr) {
    co_return co_await proxy_->wait_until_healthy(shard_.reactor().deadline_after(kHealthyTimeMax));
  }
  for (const HealthCheckConfig& check : version_->config.health_checks) {
    Result<> passed;
    for (std::uint32_t attempt = 0; attempt < check.unhealthy_threshold; ++attempt) {
      passed = co_await perform_check(shard_.reactor(), check.http, version_->app, "health",
                                      *check.http.timeout,
                                      [this](HttpExchange& exchange) { return handle(exchange); });
      if (passed.has_value()) {
        break;
      }
    }
    if (!passed.has_value()) {
      co_return fail(ErrorKind::kInvalid, passed.error().message());
    }
  }
  co_return {};
}

io::Task<std::optional<internal::Admission::Permit>> VersionRunner::take_turn() {
  if (!turns_.has_value()) {
    co_return std::optional<internal::Admission::Permit>();
  }
  SELVEDGE_CO_TRY(auto permit,
                  co_await turns_->enter(shard_.reactor().deadline_after(kConnectTimeMax)));
  co_return std::optional(std::move(permit));
}

// `turn` is held for as long as the connection lasts.
io::Task<> VersionRunner::carry(std::unique_ptr<io::Stream> instance,
                                std::unique_ptr<io::Stream> peer,
                                [[maybe_unused]] std::optional<internal::Admission::Permit> turn) {
  const ActiveUse active(*this);
  co_return co_await internal::relay(shard_.reactor(), std::move(instance), std::move(peer));
}

void VersionRunner::sample() noexcept {
  if (instance_ != nullptr) {
    instance_->sample();
  }
  if (group_ != nullptr) {
    group_->sample();
  }
}

io::Task<> VersionRunner::stop(io::Deadline grace) {
  if (instance_ == nullptr && proxy_ != nullptr) {
    co_return co_await proxy_->stop(grace);
  }
  while (active_ > 0 && !grace.passed()) {
    [[maybe_unused]] const auto idle = co_await became_idle_.wait(grace);
  }
  scope_.cancel();
  [[maybe_unused]] const auto carried = co_await scope_.close();
  if (group_ != nullptr) {
    co_return co_await group_->stop(grace);
  }
  if (wcgi_.has_value()) {
    co_return co_await wcgi_->stop(grace);
  }
  if (proxy_ != nullptr) {
    [[maybe_unused]] const auto stopped = co_await proxy_->stop(grace);
    co_return co_await instance_->close();
  }
  co_return {};
}

}  // namespace selvedge::app
