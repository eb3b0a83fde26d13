#include "node/node_jobs.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "app/internal_exchange.h"
#include "app/job_process.h"
#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"
#include "io/remote_task.h"
#include "node/shard_peers.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kHostNameBytesMax = 64;

// On the shard's thread.
io::Task<app::JobOutcome> ask_app(app::AppRouter& router, app::ScheduledJob job,
                                  app::HttpCheck check, std::string host) {
  const base::Duration timeout =
      std::min(check.timeout.value_or(job.config.timeout), job.config.timeout);
  std::string id = fmt::format("job-{}", job.config.name);
  auto asked = co_await app::perform_check(
      router.shard().reactor(), std::move(check), std::move(host), std::move(id), timeout,
      [&router, app = job.app, version = job.version](app::HttpExchange& exchange) {
        return router.handle_version(exchange, app, version);
      });
  if (asked.has_value()) {
    co_return app::JobOutcome();
  }
  if (asked.error().kind() == ErrorKind::kDisconnected) {
    co_return fail(std::move(asked).error());
  }
  co_return app::JobOutcome{.result = asked.error().kind() == ErrorKind::kTimeout
                                          ? app::JobResult::kTimedOut
                                          : app::JobResult::kFailed,
                            .message = asked.error().message()};
}

std::unexpected<Error> no_shard() {
  return fail(ErrorKind::kDisconnected, "the node is shutting down");
}

}  // namespace

io::Task<app::JobOutcome> NodeJobs::perform(app::ScheduledJob job) {
  const crypto::Blake3Hash hash =
      crypto::blake3(base::as_bytes(fmt::format("{}/{}", job.app, job.config.name)));
  const std::size_t shard = std::to_integer<std::size_t>(hash.bytes()[0]) % options_.shards.size();
  if (const auto* const check = std::get_if<app::HttpCheck>(&job.config.action)) {
    return fetch(job, *check, shard);
  }
  return execute(job, std::get<app::JobExecute>(job.config.action), shard);
}

io::Task<app::JobOutcome> NodeJobs::fetch(app::ScheduledJob job, app::HttpCheck check,
                                          std::size_t shard) {
  std::string host = app::app_host(job.app, std::nullopt, options_.domain);
  return io::run_on(
      *options_.shards[shard], options_.reactor,
      [&routers = options_.routers, shard, job = std::move(job), check = std::move(check),
       host = std::move(host)]() -> io::Task<app::JobOutcome> {
        app::AppRouter* const router = routers[shard];
        return router == nullptr ? io::Task<app::JobOutcome>::ready(no_shard())
                                 : ask_app(*router, job, check, host);
      });
}

io::Task<app::JobOutcome> NodeJobs::execute(app::ScheduledJob job, app::JobExecute command,
                                            std::size_t shard) {
  SELVEDGE_CO_TRY(const auto program,
                  co_await options_.compile_helpers.run(
                      options_.reactor, [&loader = options_.loader, app = job.app,
                                         version = job.version, command = std::move(command)] {
                        return loader.load_job(app, version, command);
                      }));
  co_return co_await io::run_on(
      *options_.shards[shard], options_.reactor,
      [&routers = options_.routers, shard, program, app = job.app, version = job.version,
       id = fmt::format("job-{}", job.config.name),
       timeout = job.config.timeout]() -> io::Task<app::JobOutcome> {
        app::AppRouter* const router = routers[shard];
        return router == nullptr ? io::Task<app::JobOutcome>::ready(no_shard())
                                 : app::run_job_process(router->shard(), program,
                                                        router->log_of(app, version), id, timeout);
      });
}

io::Task<> NodeJobs::check_health(std::string app, app::VersionNumber version) {
  return on_home(std::move(app), version, &app::AppRouter::check_health);
}

io::Task<> NodeJobs::keep_started(std::string app, app::VersionNumber version) {
  return on_home(std::move(app), version, &app::AppRouter::keep_started);
}

io::Task<> NodeJobs::on_home(std::string app, app::VersionNumber version, Ask ask) {
  const std::size_t shard = home_shard(app, version, options_.shards.size());
  return io::run_on(
      *options_.shards[shard], options_.reactor,
      [&routers = options_.routers, shard, app = std::move(app), version, ask]() -> io::Task<> {
        app::AppRouter* const router = routers[shard];
        return router == nullptr ? io::Task<>::ready(no_shard()) : (router->*ask)(app, version);
      });
}

std::string node_name() {
  std::array<char, kHostNameBytesMax + 1> name{};
  return ::gethostname(name.data(), kHostNameBytesMax) == 0 ? std::string(name.data())
                                                            : std::string("node");
}

}  // namespace selvedge::node
