// What a node consists of, in the order in which it is made.

#include <algorithm>

#include "io/descriptor_limit.h"
#include "node/cluster_secret.h"
#include "node/internal/node_process.h"
#include "node/metrics_endpoint.h"
#include "wasix/host_functions.h"

namespace selvedge::node {
namespace {

// Guests at once, on average of the shards.
constexpr std::size_t kInstancesPerShard = 1024;

}  // namespace

Result<> NodeProcess::open_engine() {
  engine::EngineOptions options;
  const std::size_t instances =
      options_.instances_max != 0 ? options_.instances_max : group_->size() * kInstancesPerShard;
  options.instances_max =
      static_cast<std::uint32_t>(std::min<std::size_t>(instances, engine::kInstancesMax));
  options.cache_folder = folder_.artifacts();
  options.cache_bytes_max = options_.artifact_cache_bytes_max;
  options.random = &random_;
  SELVEDGE_TRY(engine_, engine::Engine::create(std::move(options)));
  functions_ = std::make_unique<engine::HostFunctions>(*engine_);
  wasix::register_preview1(*functions_);
  wasix::register_snapshot0(*functions_);
  wasix::register_wasix(*functions_);
  return {};
}

Result<> NodeProcess::open(ListenSockets sockets, bool beside_another) {
  io::raise_descriptor_limit();
  SELVEDGE_TRY(memory_bytes_max_, memory_limit(options_.memory_bytes_max));
  SELVEDGE_TRY(group_, io::ShardGroup::create(clock_, {.shards = options_.shards}));
  sockets_ = std::move(sockets);
  SELVEDGE_TRY_VOID(sockets_.complete(listen_plan(options_), beside_another, group_->size()));
  SELVEDGE_TRY(shard_sockets_, sockets_.copies_for_shards(group_->size()));
  sharing_ = sockets_.http.size() < group_->size() ? io::KernelNetwork::Sharing::kShared
                                                   : io::KernelNetwork::Sharing::kAlone;
  address_ = {.domain = options_.domain, .port = sockets_.http_address().port()};
  SELVEDGE_TRY_VOID(open_engine());
  SELVEDGE_TRY(reactor_, io::KernelReactor::create(clock_));
  SELVEDGE_TRY(store_,
               NodeStore::open(
                   options_, folder_,
                   {.clock = clock_, .random = random_, .pause = pause_, .registry = registry_}));
  if (auto checked = store_->check_server();
      !checked.has_value() && !NodeStore::is_outage(checked.error())) {
    return fail(std::move(checked).error().with_context("the store cannot be used"));
  }
  apps_.emplace(store_->store(), clock_, &pause_);
  SELVEDGE_TRY(std::string id, node_id(options_.data_folder, random_));
  keeper_.emplace(StoreKeeper::Options{.reactor = *reactor_,
                                       .clock = clock_,
                                       .random = random_,
                                       .store = *store_,
                                       .node = std::move(id),
                                       .beside_another = beside_another,
                                       .interval = options_.collect_interval,
                                       .grace = options_.collect_grace,
                                       .versions_kept = options_.versions_kept});
  SELVEDGE_TRY(auto cluster_secret, open_cluster_secret({.file = options_.cluster_secret_file,
                                                         .data_folder = options_.data_folder,
                                                         .make = options_.make_cluster_secret},
                                                        random_));
  secrets_.emplace(store_->store(), random_, std::move(cluster_secret));
  packages_.emplace(*apps_, clock_, options_.publishers);
  loader_.emplace(app::VersionLoader::Options{.engine = *engine_,
                                              .functions = *functions_,
                                              .apps = *apps_,
                                              .blobs = store_->blobs(),
                                              .secrets = *secrets_,
                                              .packages = *packages_});
  catalog_.emplace(*reactor_, app::AppCatalogOptions{.store = *apps_,
                                                     .loader = *loader_,
                                                     .store_helpers = store_helpers_,
                                                     .compile_helpers = compile_helpers_});
  catalog_->set_listener([this](const auto& app) { forget(app); });
  questions_.emplace(*reactor_);
  changed_.emplace(*reactor_);
  routers_.resize(group_->size());
  servers_.resize(group_->size());
  for (std::size_t i = 0; i < group_->size(); ++i) {
    shard_questions_.push_back(std::make_unique<io::TaskScope>(group_->shard(i).reactor()));
  }
  job_actions_.emplace(NodeJobs::Options{.reactor = *reactor_,
                                         .loader = *loader_,
                                         .compile_helpers = compile_helpers_,
                                         .shards = shard_questions_,
                                         .routers = routers_,
                                         .domain = options_.domain});
  jobs_.emplace(*reactor_, app::JobSchedulerOptions{.apps = *apps_,
                                                    .store_helpers = store_helpers_,
                                                    .actions = *job_actions_,
                                                    .random = random_,
                                                    .node = node_name()});
  return open_logs_and_metrics(beside_another);
}

Result<> NodeProcess::open_logs_and_metrics(bool beside_another) {
  options_.log_limits.beside_another = beside_another;
  logs_.emplace(*reactor_, folder_.logs(), options_.log_limits, log_writer_, log_readers_);
  logs_->set_shards(shard_questions_);
  logs_->set_metrics(app_metrics_);
  if (options_.metrics_listen.has_value()) {
    SELVEDGE_TRY(metrics_address_, metrics_address(*options_.metrics_listen, beside_another));
  }
  return {};
}

}  // namespace selvedge::node
