#pragma once

// The handler behind one shard's gateway: finds the app and version that a request's host names,
// and the runner of it. Runners are made at their first request and ended when nobody uses them.
//
// Answers of its own: 404 for a host that names no app or a version that does not exist, 503 with
// Retry-After when the store cannot be asked, 502 when a version cannot be started; the log says
// why.

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "app/app_directory.h"
#include "app/app_records.h"
#include "app/guest_shard.h"
#include "app/http_exchange.h"
#include "app/instance_peers.h"
#include "app/internal/record_cache.h"
#include "app/internal/route_cache.h"
#include "app/version_runner.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "io/deadline.h"
#include "io/reactor.h"
#include "io/single_flight.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::app {

struct AppRouterOptions {
  // Apps are at <name>.<domain>. Lower case.
  std::string domain;
  // What is known of an app is asked anew after so long, should a change have gone unnoticed.
  base::Duration refresh_time = std::chrono::minutes(1);
  // Apps, and domains, that are remembered, with those that do not exist.
  std::size_t names_max = 65'536;
  base::Duration reap_interval = std::chrono::seconds(1);
  // A version that could not be started is not tried again for so long, however many ask.
  base::Duration failure_time = std::chrono::seconds(1);
  // Takes requests, and what programs and Selvedge say; nullptr: the log of this process. Outlives
  // the router.
  logs::ShardLog* log = nullptr;
  // With `log`: counts; outlives the router.
  AppMetrics* metrics = nullptr;
};

// Of one shard's router. The shard's thread.
struct AppRouterMetrics {
  std::uint64_t requests = 0;
  std::uint64_t not_found = 0;
  std::uint64_t failed = 0;  // to start, or to ask the store
  std::uint64_t starts = 0;  // of runners
  std::uint64_t ends = 0;
};

// One shard's thread.
class AppRouter final : public HttpHandler {
 public:
  // All outlive this. `peers`: nullptr when there is no other shard.
  AppRouter(GuestShard& shard [[clang::lifetimebound]],
            AppDirectory& directory [[clang::lifetimebound]], InstancePeers* peers,
            base::Random& random [[clang::lifetimebound]], AppRouterOptions options);

  io::Task<> handle(HttpExchange& exchange) override;
  void expect(const wire::RequestHead& request) noexcept override {
    routes_.prefetch(request.host());
  }

  // The same for one version, whatever the host is; what a start fails with is an error.
  io::Task<> handle_version(HttpExchange& exchange, std::string app, VersionNumber version);

  // Starts the version, which is home here if its program listens, and waits until its health
  // checks have passed. kInvalid: what did not pass; what a start fails with.
  io::Task<> check_health(std::string app, VersionNumber version);

  // Starts the version if it does not run here, and keeps it from ending for its idle time.
  io::Task<> keep_started(std::string app, VersionNumber version);

  GuestShard& shard() noexcept [[clang::lifetimebound]] { return shard_; }

  // For another shard: a connection to the instance of that number of a version that listens, which
  // this shard is home of. The stream is that of `peer`'s shard.
  io::Task<std::unique_ptr<io::Stream>> connect_for(io::Reactor& peer, std::string app,
                                                    VersionNumber version, std::size_t instance);
  // For another shard: begins to start that instance.
  io::Task<> start_instance(std::string app, VersionNumber version, std::size_t instance);

  // Something of the app has changed: asked anew at its next request.
  void forget(std::string_view app);
  void forget_everything();

  // When memory is scarce: what nobody has used for `idle_time_max` ends, whatever its own idle
  // time; without `starts` a version that does not run is answered with 503. Until the next call.
  void set_allowance(base::Duration idle_time_max, bool starts) noexcept;

  // Ends runners that nobody uses, until it is cancelled.
  io::Task<> reap();
  // Ends all runners; requests at work may go on until `grace`. New ones get 503.
  io::Task<> stop(io::Deadline grace);

  // Where what is said of a version goes.
  VersionLog log_of(const std::string& app, VersionNumber version) const;

  std::size_t runner_count() const noexcept { return slots_.size(); }
  const AppRouterMetrics& metrics() const noexcept [[clang::lifetimebound]] { return metrics_; }

 private:
  using RunnerPointer = std::shared_ptr<VersionRunner>;
  using SlotKey = std::pair<std::string, VersionNumber>;
  struct Slot {
    RunnerPointer runner;
    // False: the app has changed since, perhaps into another one of the same name.
    bool verified = true;
  };
  struct Failure {
    Error error;
    base::MonotonicTime until;
  };

  // What becomes known of a request on its way.
  struct Visit;
  io::Task<> serve(HttpExchange& exchange, Visit& visit);
  // What is known; nullptr: it has to be found out.
  RunnerPointer known_runner(const wire::RequestHead& request) const;
  io::Task<RunnerPointer> find_runner(const wire::RequestHead& request, Visit& visit);
  // Until when the host leads to the app.
  base::MonotonicTime known_until(std::string_view host, const std::string& app) const;
  io::Task<RunnerPointer> runner_of(SlotKey key);
  std::unique_ptr<UpstreamInstance> instance_elsewhere(const SlotKey& key);
  io::Task<AppHost> find_host(std::string_view host);
  io::Task<RunnerPointer> start(SlotKey key);
  // Starts, and remembers when that failed.
  io::Task<RunnerPointer> try_start(SlotKey key);
  // As AppDirectory has it, also when something changes meanwhile; `generation` is then that of the
  // answer.
  io::Task<std::shared_ptr<const AppVersion>> find_version(SlotKey key, std::uint64_t& generation);
  io::Task<> answer_failure(HttpExchange& exchange, Error error, Visit& visit);
  void end(RunnerPointer runner);
  io::Task<> end_runner(RunnerPointer runner, io::Deadline grace);

  GuestShard& shard_;
  AppDirectory& directory_;
  InstancePeers* peers_;
  base::Random& random_;
  AppRouterOptions options_;
  AppRouterMetrics metrics_;
  bool stopping_ = false;
  base::Duration idle_time_max_ = base::Duration::max();
  bool starts_allowed_ = true;
  std::uint64_t generation_ = 0;  // raised by whatever is forgotten
  std::map<SlotKey, Slot> slots_;
  std::map<SlotKey, Failure> failures_;  // at most names_max
  internal::RecordCache<std::optional<ActiveRecord>> apps_;
  internal::RecordCache<std::optional<std::string>> domains_;
  internal::RouteCache<VersionRunner> routes_;  // where there is no choice of versions
  io::SingleFlight<SlotKey, RunnerPointer> starts_;
  io::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::app
