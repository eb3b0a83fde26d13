#pragma once

// What jobs of apps do on a node: a request to the app through a shard's router, or a command of
// its package as a process on a shard.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "app/app_router.h"
#include "app/app_version.h"
#include "app/job_scheduler.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::node {

// The main thread's.
class NodeJobs final : public app::JobActions {
 public:
  struct Options {
    io::Reactor& reactor;
    const app::VersionLoader& loader;
    io::HelperPool& compile_helpers;
    // By shard: the scope in which its questions run, and the router, which is null while the shard
    // does not serve and read on its thread only.
    const std::vector<std::unique_ptr<io::TaskScope>>& shards;
    const std::vector<app::AppRouter*>& routers;
    std::string domain;
  };
  // Everything that `options` refers to outlives this.
  explicit NodeJobs(Options options) noexcept : options_(std::move(options)) {}

  io::Task<app::JobOutcome> perform(app::ScheduledJob job) override;
  io::Task<> keep_started(std::string app, app::VersionNumber version) override;
  // app::AppRouter::check_health on the version's shard.
  io::Task<> check_health(std::string app, app::VersionNumber version);

 private:
  using Ask = io::Task<> (app::AppRouter::*)(std::string app, app::VersionNumber version);

  // Asks the router of the version's shard.
  io::Task<> on_home(std::string app, app::VersionNumber version, Ask ask);
  io::Task<app::JobOutcome> fetch(app::ScheduledJob job, app::HttpCheck check, std::size_t shard);
  io::Task<app::JobOutcome> execute(app::ScheduledJob job, app::JobExecute command,
                                    std::size_t shard);

  Options options_;
};

// The host's name, for records of what which node did.
std::string node_name();

}  // namespace selvedge::node
