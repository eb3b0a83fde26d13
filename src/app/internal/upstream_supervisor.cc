#include "app/internal/upstream_supervisor.h"

#include <algorithm>
#include <utility>

#include "app/internal/health_monitor.h"
#include "base/format.h"

namespace selvedge::app::internal {

UpstreamSupervisor::UpstreamSupervisor(io::Reactor& reactor, UpstreamInstance& instance,
                                       base::Random& random, const ProxyLimits& limits,
                                       ProxyMetrics& metrics, const VersionLog& log)
    : reactor_(reactor),
      instance_(instance),
      random_(random),
      limits_(limits),
      metrics_(metrics),
      log_(log),
      pool_(reactor, limits.idle_connections_max, limits.idle_connection_time_max),
      retry_at_(reactor.now()),
      state_changed_(reactor),
      stopping_(reactor) {}

void UpstreamSupervisor::set_state(State state) noexcept {
  state_ = state;
  state_changed_.notify();
}

io::Task<> UpstreamSupervisor::run() {
  while (!stopping_.is_set()) {
    const Result<std::string> reason = co_await run_once();
    pool_.clear();
    const base::Duration delay = next_delay();
    retry_at_ = reactor_.now() + delay;
    ++ended_runs_;
    const std::string why = reason ? *reason : reason.error().message();
    if (!was_unhealthy_) {
      complaint_ = "the program " + why;
    }
    set_state(was_unhealthy_ && delay <= kWaitedDelayMax ? State::kStarting : State::kDown);
    if (stopping_.is_set()) {
      break;
    }
    log_.platform(
        fmt::format("the application {}; it is started again in {} ms", why,
                    std::chrono::duration_cast<std::chrono::milliseconds>(delay).count()));
    [[maybe_unused]] const Result<> woken =
        co_await stopping_.wait(reactor_.deadline_at(retry_at_));
  }
  co_return {};
}

io::Task<std::string> UpstreamSupervisor::run_once() {
  co_await instance_.ended().wait();  // of a run that did not end when it was killed
  ready_since_.reset();
  was_unhealthy_ = false;
  ++run_;
  ++metrics_.starts;
  set_state(State::kStarting);
  if (const Result<> started = instance_.start(); !started) {
    co_return "cannot start: " + started.error().message();
  }
  if (const Result<> listens = co_await wait_until_it_listens(); !listens) {
    SELVEDGE_CO_TRY_VOID(co_await kill());
    co_return listens.error().message();
  }
  ready_since_ = reactor_.now();
  set_state(State::kReady);
  if (monitor_ == nullptr) {
    co_await instance_.ended().wait();
    co_return instance_.end_reason();
  }
  SELVEDGE_CO_TRY(const std::string complaint, co_await monitor_->watch(instance_.ended()));
  if (instance_.ended().is_set() || stopping_.is_set()) {
    co_await instance_.ended().wait();
    co_return instance_.end_reason();
  }
  ++metrics_.unhealthy;
  was_unhealthy_ = true;
  pool_.clear();
  set_state(State::kStarting);
  SELVEDGE_CO_TRY_VOID(co_await end_run());
  co_return "is unhealthy: " + complaint;
}

void UpstreamSupervisor::set_healthy() noexcept {
  healthy_run_ = run_;
  state_changed_.notify();
}

io::Task<> UpstreamSupervisor::wait_until_ready(io::Deadline deadline) {
  while (state_ == State::kStarting && !stopping_.is_set()) {
    SELVEDGE_CO_TRY_VOID(co_await state_changed_.wait(deadline));
  }
  if (state_ != State::kReady || stopping_.is_set()) {
    co_return fail(ErrorKind::kOverloaded, "the application does not run");
  }
  co_return {};
}

io::Task<> UpstreamSupervisor::wait_until_healthy(io::Deadline deadline) {
  const std::uint64_t ended_runs = ended_runs_;
  for (;;) {
    if (state_ == State::kReady && (monitor_ == nullptr || healthy_run_ == run_)) {
      co_return {};
    }
    if (state_ == State::kDown || ended_runs_ != ended_runs || stopping_.is_set() ||
        deadline.passed()) {
      co_return fail(ErrorKind::kInvalid, complaint_.empty() ? "it is being stopped" : complaint_);
    }
    [[maybe_unused]] const Result<> changed = co_await state_changed_.wait(deadline);
  }
}

// The connection that proves it is kept for the first request: a simple server may serve no other
// before that one has ended.
io::Task<> UpstreamSupervisor::wait_until_it_listens() {
  const io::Deadline deadline = reactor_.deadline_after(limits_.init_time_max);
  base::Duration pause = kProbePauseMin;
  for (;;) {
    auto stream = co_await instance_.connect(deadline);
    if (stream) {
      ++metrics_.connections;
      pool_.put(*std::move(stream));
      co_return {};
    }
    if (instance_.ended().is_set()) {
      co_return fail(ErrorKind::kDisconnected, instance_.end_reason() + " before it listened");
    }
    if (deadline.passed()) {
      co_return fail(ErrorKind::kTimeout, "did not listen in time: " + stream.error().message());
    }
    [[maybe_unused]] const Result<> ended =
        co_await instance_.ended().wait(reactor_.deadline_after(pause).or_sooner(deadline));
    pause = std::min(pause * 2, kProbePauseMax);
  }
}

io::Task<> UpstreamSupervisor::kill() {
  if (!instance_.ended().is_set()) {
    instance_.kill();
    SELVEDGE_CO_TRY_VOID(co_await instance_.ended().wait(reactor_.deadline_after(kKillTimeMax)));
  }
  co_return {};
}

io::Task<> UpstreamSupervisor::stop() {
  stopping_.set();
  pool_.clear();
  return end_run();
}

io::Task<> UpstreamSupervisor::end_run() {
  if (!instance_.ended().is_set()) {
    instance_.request_stop();
    const io::Deadline deadline = reactor_.deadline_after(limits_.stop_time_max);
    if (!co_await instance_.ended().wait(deadline)) {
      log_.platform("the application did not end when asked to, and is killed");
    }
  }
  co_return co_await kill();
}

base::Duration UpstreamSupervisor::next_delay() {
  constexpr std::uint32_t kDoublingsMax = 30;
  if (ready_since_ && reactor_.now() - *ready_since_ >= limits_.stable_time) {
    failures_ = 0;
  }
  base::Duration delay = limits_.restart_delay_min;
  for (std::uint32_t i = 0; i < failures_ && delay < limits_.restart_delay_max; ++i) {
    delay *= 2;
  }
  delay = std::min(delay, limits_.restart_delay_max);
  failures_ = std::min(failures_ + 1, kDoublingsMax);
  // Programs on all shards that ended for one reason do not come back at one moment.
  const auto half = static_cast<std::uint64_t>(delay.count() / 2);
  return delay - base::Duration(static_cast<std::int64_t>(random_.below(half + 1)));
}

io::Task<UpstreamConnection> UpstreamSupervisor::acquire(Reuse reuse) {
  if (auto kept = take_kept(reuse)) {
    return io::Task<UpstreamConnection>::ready(*std::move(kept));
  }
  return acquire_slowly(reuse);
}

std::optional<UpstreamConnection> UpstreamSupervisor::take_kept(Reuse reuse) {
  if (state_ != State::kReady || stopping_.is_set() || instance_.ended().is_set() ||
      reuse == Reuse::kNone) {
    return std::nullopt;
  }
  auto stream = pool_.take(reuse == Reuse::kAny ? limits_.idle_connection_time_max : kBriefIdle);
  if (stream == nullptr) {
    return std::nullopt;
  }
  return UpstreamConnection{.stream = std::move(stream), .is_reused = true, .run = run_};
}

io::Task<UpstreamConnection> UpstreamSupervisor::acquire_slowly(Reuse reuse) {
  auto connection = co_await try_acquire(reuse);
  // Ended under our hands because it was ill: the next run is waited for.
  if (!connection && connection.error().kind() == ErrorKind::kOverloaded &&
      state_ == State::kStarting && !stopping_.is_set()) {
    co_return co_await try_acquire(reuse);
  }
  co_return connection;
}

io::Task<UpstreamConnection> UpstreamSupervisor::try_acquire(Reuse reuse) {
  while (state_ == State::kStarting && !stopping_.is_set()) {
    co_await state_changed_.wait();  // wait_until_it_listens() has a deadline
  }
  if (state_ != State::kReady || stopping_.is_set() || instance_.ended().is_set()) {
    co_return fail(ErrorKind::kOverloaded, "the application does not run");
  }
  if (auto kept = take_kept(reuse)) {
    co_return *std::move(kept);
  }
  const std::uint64_t run = run_;
  auto stream = co_await instance_.connect(reactor_.deadline_after(limits_.connect_time_max));
  if (!stream) {
    if (run != run_ || instance_.ended().is_set()) {
      co_return fail(ErrorKind::kOverloaded, "the application has ended");
    }
    co_return fail(std::move(stream).error().with_context("the application cannot be reached"));
  }
  ++metrics_.connections;
  co_return UpstreamConnection{.stream = *std::move(stream), .is_reused = false, .run = run};
}

void UpstreamSupervisor::release(UpstreamConnection connection) {
  if (runs(connection) && !stopping_.is_set()) {
    pool_.put(std::move(connection.stream));
  }
}

bool UpstreamSupervisor::runs(const UpstreamConnection& connection) const noexcept {
  return connection.run == run_ && state_ == State::kReady && !instance_.ended().is_set();
}

std::chrono::seconds UpstreamSupervisor::retry_after() const noexcept {
  const base::Duration left = retry_at_ - reactor_.now();
  return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds(1));
}

}  // namespace selvedge::app::internal
