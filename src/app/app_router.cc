#include "app/app_router.h"

#include <algorithm>

#include "app/internal/https_redirect.h"
#include "app/internal/plain_answer.h"
#include "app/internal/recorded_exchange.h"
#include "app/remote_instance.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::app {
namespace {

constexpr const char* kNoApp = "No app is served at this name.";
constexpr int kAttemptsMax = 4;

}  // namespace

AppRouter::AppRouter(GuestShard& shard, AppDirectory& directory, InstancePeers* peers,
                     base::Random& random, AppRouterOptions options)
    : shard_(shard),
      directory_(directory),
      peers_(peers),
      random_(random),
      options_(std::move(options)),
      apps_(shard.reactor(), options_.refresh_time, options_.names_max),
      domains_(shard.reactor(), options_.refresh_time, options_.names_max),
      routes_(options_.names_max / 2),
      starts_(shard.reactor()),
      scope_(shard.reactor()) {}

// Logs the request when it ends, in whatever way.
struct AppRouter::Visit {
  explicit Visit(const io::Reactor& its_reactor, HttpExchange& its_exchange) noexcept
      : reactor(its_reactor), exchange(its_exchange), start(its_reactor.now()) {}
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() {
    if (runner != nullptr) {
      runner->log().metrics()->requests_active.add(-1);
      tell(runner->log());
    } else if (failure_log.has_value()) {
      tell(*failure_log);
    }
  }
  void begin(RunnerPointer its_runner) noexcept {
    runner = std::move(its_runner);
    runner->log().metrics()->requests_active.add(1);
  }
  void tell(const VersionLog& log) const {
    log.request(exchange.request().target().path(),
                {.method = std::string(exchange.request().method().text()),
                 .status = exchange.status(),
                 .complete = exchange.complete(),
                 .cold_start = cold_start,
                 .bytes = exchange.bytes(),
                 .duration = reactor.now() - start},
                exchange.request_id());
  }

  const io::Reactor& reactor;
  internal::RecordedExchange exchange;
  base::MonotonicTime start;
  std::optional<SlotKey> key;  // once it is known that there is such an app
  RunnerPointer runner;
  std::optional<VersionLog> failure_log;
  bool version_named = false;  // by the host
  bool cold_start = false;
};

io::Task<> AppRouter::handle(HttpExchange& exchange) {
  ++metrics_.requests;
  Visit visit(shard_.reactor(), exchange);
  co_return co_await serve(visit.exchange, visit);
}

io::Task<> AppRouter::handle_version(HttpExchange& exchange, std::string app,
                                     VersionNumber version) {
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  Visit visit(shard_.reactor(), exchange);
  SELVEDGE_CO_TRY(auto runner, co_await runner_of({std::move(app), version}));
  visit.begin(std::move(runner));
  co_return co_await visit.runner->handle(visit.exchange);
}

io::Task<> AppRouter::check_health(std::string app, VersionNumber version) {
  SELVEDGE_CO_TRY(const RunnerPointer runner, co_await runner_of({std::move(app), version}));
  co_return co_await runner->check_health();
}

io::Task<> AppRouter::keep_started(std::string app, VersionNumber version) {
  SELVEDGE_CO_TRY(const RunnerPointer runner, co_await runner_of({std::move(app), version}));
  runner->keep();
  co_return {};
}

io::Task<> AppRouter::serve(HttpExchange& exchange, Visit& visit) {
  RunnerPointer known = known_runner(exchange.request());
  if (known == nullptr) {
    auto found = co_await find_runner(exchange.request(), visit);
    if (!found.has_value()) {
      co_return co_await answer_failure(exchange, std::move(found).error(), visit);
    }
    known = *std::move(found);
  }
  visit.begin(std::move(known));
  if (visit.runner->forces_https() && internal::wants_https(exchange)) {
    co_return co_await internal::redirect_to_https(exchange);
  }
  co_return co_await visit.runner->handle(exchange);
}

VersionLog AppRouter::log_of(const std::string& app, VersionNumber version) const {
  if (options_.log == nullptr || options_.metrics == nullptr) {
    return VersionLog(app);
  }
  return {*options_.log, app, version, options_.metrics->of(app, version)};
}

io::Task<> AppRouter::answer_failure(HttpExchange& exchange, Error error, Visit& visit) {
  // Anybody can ask for versions that do not exist: that is no business of the app's.
  if (visit.key.has_value() && !(visit.version_named && error.kind() == ErrorKind::kNotFound)) {
    visit.failure_log = log_of(visit.key->first, visit.key->second);
    visit.failure_log->remark(fmt::format("cannot be started: {}", error.message()),
                              exchange.request_id());
  }
  const std::string_view host = exchange.request().host();
  switch (error.kind()) {
    case ErrorKind::kNotFound:
      ++metrics_.not_found;
      co_return co_await internal::answer_plainly(exchange, wire::StatusCode(404), error.message());
    case ErrorKind::kOverloaded:
    case ErrorKind::kTimeout:
    case ErrorKind::kDisconnected:
      ++metrics_.failed;
      log::warning("request={} host={}: {}", exchange.request_id(), host, error.message());
      co_return co_await internal::answer_plainly(exchange, wire::StatusCode(503),
                                                  "The app cannot be started now.");
    default:
      ++metrics_.failed;
      log::error("request={} host={}: {}", exchange.request_id(), host, error.message());
      co_return co_await internal::answer_plainly(exchange, wire::StatusCode(502),
                                                  "The app cannot be started.");
  }
}

AppRouter::RunnerPointer AppRouter::known_runner(const wire::RequestHead& request) const {
  RunnerPointer known = stopping_ ? nullptr : routes_.find(request.host(), shard_.reactor().now());
  if (known != nullptr) {
    known->prefetch();
  }
  return known;
}

io::Task<AppRouter::RunnerPointer> AppRouter::find_runner(const wire::RequestHead& request,
                                                          Visit& visit) {
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  const auto epoch = routes_.epoch();
  SELVEDGE_CO_TRY(AppHost host, co_await find_host(request.host()));
  SELVEDGE_CO_TRY(const auto active, co_await apps_.get(host.app, [this, app = host.app] {
    return directory_.find_app(app);
  }));
  if (!active.has_value() && !host.version.has_value()) {
    co_return fail(ErrorKind::kNotFound, kNoApp);
  }
  SlotKey key{std::move(host.app),
              host.version.has_value() ? *host.version : choose_version(*active, random_)};
  if (active.has_value()) {
    visit.key = key;  // else the name may be anything that somebody has thought of
  }
  visit.version_named = host.version.has_value();
  visit.cold_start = !slots_.contains(key);
  const bool only_one = active.has_value() && (visit.version_named || active->versions.size() == 1);
  const base::MonotonicTime until = known_until(request.host(), key.first);
  auto runner = co_await runner_of(std::move(key));
  if (runner.has_value() && only_one) {
    routes_.put(request.host(), *runner, until, epoch);
  }
  co_return runner;
}

base::MonotonicTime AppRouter::known_until(std::string_view host, const std::string& app) const {
  const base::MonotonicTime until = apps_.fresh_until(app);
  if (parse_app_host(host, options_.domain).has_value()) {
    return until;
  }
  const auto domain = parse_domain_name(host);
  return domain.has_value() ? std::min(until, domains_.fresh_until(*domain)) : until;
}

io::Task<AppRouter::RunnerPointer> AppRouter::runner_of(SlotKey key) {
  if (const auto slot = slots_.find(key); slot != slots_.end() && slot->second.verified) {
    co_return slot->second.runner;
  }
  if (const auto failure = failures_.find(key); failure != failures_.end()) {
    if (shard_.reactor().now() < failure->second.until) {
      co_return fail(failure->second.error.clone());
    }
    failures_.erase(failure);
  }
  if (!starts_allowed_ && !slots_.contains(key)) {
    co_return fail(ErrorKind::kOverloaded, "all memory of the node is used: nothing is started");
  }
  co_return co_await starts_.run(key, [this, key] { return try_start(key); });
}

std::unique_ptr<UpstreamInstance> AppRouter::instance_elsewhere(const SlotKey& key) {
  const auto home = peers_ == nullptr ? std::nullopt : peers_->home_of(key.first, key.second, 0);
  if (!home.has_value()) {
    return nullptr;
  }
  return std::make_unique<RemoteInstance>(shard_.reactor(), [peers = peers_, home = *home, key] {
    return peers->connect(home, key.first, key.second, 0);
  });
}

io::Task<std::unique_ptr<io::Stream>> AppRouter::connect_for(io::Reactor& peer, std::string app,
                                                             VersionNumber version,
                                                             std::size_t instance) {
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  SELVEDGE_CO_TRY(const RunnerPointer runner, co_await runner_of({std::move(app), version}));
  co_return co_await runner->connect_for(peer, instance);
}

io::Task<> AppRouter::start_instance(std::string app, VersionNumber version, std::size_t instance) {
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  SELVEDGE_CO_TRY(const RunnerPointer runner, co_await runner_of({std::move(app), version}));
  co_return runner->start_instance(instance);
}

io::Task<AppHost> AppRouter::find_host(std::string_view host) {
  if (auto own = parse_app_host(host, options_.domain)) {
    co_return *std::move(own);
  }
  auto domain = parse_domain_name(host);
  if (!domain.has_value() || domain->ends_with("." + options_.domain)) {
    co_return fail(ErrorKind::kNotFound, kNoApp);
  }
  SELVEDGE_CO_TRY(auto app, co_await domains_.get(*domain, [this, name = *domain] {
    return directory_.find_domain(name);
  }));
  if (!app.has_value()) {
    co_return fail(ErrorKind::kNotFound, kNoApp);
  }
  co_return AppHost{.app = *std::move(app), .version = std::nullopt};
}

io::Task<std::shared_ptr<const AppVersion>> AppRouter::find_version(SlotKey key,
                                                                    std::uint64_t& generation) {
  for (int attempt = 1;; ++attempt) {
    generation = generation_;
    auto version = co_await directory_.find_version(key.first, key.second);
    if (generation == generation_ || attempt == kAttemptsMax) {
      co_return version;
    }
  }
}

io::Task<AppRouter::RunnerPointer> AppRouter::try_start(SlotKey key) {
  const std::uint64_t generation = generation_;
  auto started = co_await start(key);
  if (!started.has_value() && generation == generation_ && !stopping_) {
    if (failures_.size() >= options_.names_max) {
      failures_.clear();
    }
    failures_.insert_or_assign(std::move(key),
                               Failure{.error = started.error().clone(),
                                       .until = shard_.reactor().now() + options_.failure_time});
  }
  co_return started;
}

io::Task<AppRouter::RunnerPointer> AppRouter::start(SlotKey key) {
  std::uint64_t generation = 0;
  const base::MonotonicTime begun = shard_.reactor().now();
  SELVEDGE_CO_TRY(auto version, co_await find_version(key, generation));
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  const auto known = slots_.find(key);
  if (known != slots_.end() && &known->second.runner->version() == version.get()) {
    known->second.verified = generation == generation_;
    co_return known->second.runner;
  }
  auto elsewhere = version->places == nullptr ? instance_elsewhere(key) : nullptr;
  SELVEDGE_CO_TRY(RunnerPointer made,
                  VersionRunner::create(shard_, random_, std::move(version), std::move(elsewhere),
                                        log_of(key.first, key.second), peers_));
  made->allow_starts(starts_allowed_);
  if (known != slots_.end()) {
    end(std::move(known->second.runner));
  }
  ++metrics_.starts;
  if (!made->version().program->listens()) {
    made->log().metrics()->observe_start(shard_.reactor().now() - begun);
  }
  slots_.insert_or_assign(std::move(key),
                          Slot{.runner = made, .verified = generation == generation_});
  co_return made;
}

void AppRouter::forget(std::string_view app) {
  ++generation_;
  routes_.forget_everything();
  apps_.forget(app);
  domains_.forget_everything();
  failures_.clear();
  for (auto slot = slots_.lower_bound({std::string(app), 0});
       slot != slots_.end() && slot->first.first == app; ++slot) {
    slot->second.verified = false;
  }
}

void AppRouter::forget_everything() {
  ++generation_;
  routes_.forget_everything();
  apps_.forget_everything();
  domains_.forget_everything();
  failures_.clear();
  for (auto& [key, slot] : slots_) {
    slot.verified = false;
  }
}

void AppRouter::set_allowance(base::Duration idle_time_max, bool starts) noexcept {
  idle_time_max_ = idle_time_max;
  starts_allowed_ = starts;
  for (const auto& [key, slot] : slots_) {
    slot.runner->allow_starts(starts);
  }
}

io::Task<> AppRouter::reap() {
  for (;;) {
    co_await shard_.reactor().sleep(options_.reap_interval);
    std::erase_if(slots_, [this](const auto& entry) {
      const RunnerPointer& runner = entry.second.runner;
      runner->sample();
      const base::Duration unused = shard_.reactor().now() - runner->last_used();
      const base::Duration idle_time_max =
          std::min(runner->version().config.scaling.idle_time_max, idle_time_max_);
      runner->tend(idle_time_max);
      if (runner->active() > 0 || unused < idle_time_max) {
        return false;
      }
      end(runner);
      return true;
    });
  }
}

void AppRouter::end(RunnerPointer runner) {
  routes_.forget_everything();
  const base::Duration grace = runner->version().config.scaling.stop_time_max;
  scope_.spawn(end_runner(std::move(runner), shard_.reactor().deadline_after(grace)));
}

io::Task<> AppRouter::end_runner(RunnerPointer runner, io::Deadline grace) {
  ++metrics_.ends;
  const auto stopped = co_await runner->stop(grace);
  if (!stopped.has_value()) {
    log::warning("app={} version={}: {}", runner->version().app, runner->version().record.number,
                 stopped.error().message());
  }
  co_return {};
}

io::Task<> AppRouter::stop(io::Deadline grace) {
  stopping_ = true;
  apps_.cancel();
  domains_.cancel();
  starts_.cancel();
  for (auto& [key, slot] : slots_) {
    scope_.spawn(end_runner(std::move(slot.runner), grace));
  }
  slots_.clear();
  co_return co_await scope_.close();
}

}  // namespace selvedge::app
