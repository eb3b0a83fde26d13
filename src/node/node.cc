#include "node/node.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <vector>

#include "app/app_catalog.h"
#include "app/app_router.h"
#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/guest_shard.h"
#include "app/job_scheduler.h"
#include "base/format.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/system.h"
#include "engine/cpu_clock.h"
#include "engine/engine.h"
#include "gateway/http_server.h"
#include "io/descriptor_limit.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/kernel_network.h"
#include "io/kernel_reactor.h"
#include "io/shard.h"
#include "io/signal_source.h"
#include "io/task_scope.h"
#include "node/cluster_secret.h"
#include "node/data_folder.h"
#include "node/listen_address.h"
#include "node/memory_watch.h"
#include "node/node_jobs.h"
#include "node/node_store.h"
#include "node/shard_directory.h"
#include "node/shard_peers.h"
#include "node/store_keeper.h"
#include "store/pause.h"
#include "wasix/dns_resolver.h"
#include "wasix/host_functions.h"

namespace selvedge::node {
namespace {

// Guests at once, on average of the shards.
constexpr std::size_t kInstancesPerShard = 1024;
constexpr base::Duration kAdminDrainTimeMax = std::chrono::seconds(5);
// For jobs that were cut off to tell the store.
constexpr base::Duration kJobsDrainTimeMax = std::chrono::seconds(5);

// Everything that the shards share. Made and ended on the main thread.
class Node {
 public:
  Node(const NodeOptions& options, DataFolder folder) noexcept
      : options_(options), folder_(std::move(folder)) {}

  Result<> open();
  Result<> run(const std::function<void(const PublicAddress&)>& listening);

 private:
  Result<> open_engine();
  Result<std::optional<crypto::SecretKey>> open_cluster_secret();
  io::Task<> supervise(const std::function<void(const PublicAddress&)>& listening);
  io::Task<> serve_admin(io::Event& stop);
  io::Task<> run_admin(io::Event& stop);
  io::Task<> stop_on_signal(io::SignalSource& signals);
  io::Task<> serve_shard(io::Shard& shard);
  io::Task<> serve_http(io::Shard& shard, app::AppRouter& router);
  void forget(const std::optional<std::string>& app);
  void allow(const MemoryAllowance& allowance);

  const NodeOptions& options_;
  DataFolder folder_;
  base::SystemClock clock_;
  engine::SystemCpuClock cpu_clock_;
  base::SystemRandom random_;
  base::Registry registry_;
  gateway::HttpMetrics metrics_{registry_};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::HostFunctions> functions_;
  std::unique_ptr<io::KernelReactor> reactor_;
  store::ThreadPause pause_;
  std::optional<NodeStore> store_;
  std::optional<StoreKeeper> keeper_;
  std::optional<app::AppStore> apps_;
  std::optional<app::AppSecrets> secrets_;
  std::optional<app::VersionLoader> loader_;
  std::unique_ptr<io::ShardGroup> group_;
  // The threads end before what they use, and before the reactors that they answer to.
  io::ThreadHelperPool store_helpers_;
  io::ThreadHelperPool compile_helpers_;
  std::uint64_t memory_bytes_max_ = 0;
  PublicAddress address_;
  io::SocketAddress http_;
  std::optional<app::AppCatalog> catalog_;
  // Of what shards ask.
  std::optional<io::TaskScope> questions_;
  // Each set and read on its shard's thread only.
  std::vector<app::AppRouter*> routers_;
  // Of what other shards ask of each.
  std::vector<std::unique_ptr<io::TaskScope>> shard_questions_;
  // Counted on the main thread.
  std::size_t listening_ = 0;
  std::size_t ended_ = 0;
  std::optional<io::Event> changed_;
  std::optional<NodeJobs> job_actions_;
  std::optional<app::JobScheduler> jobs_;
};

Result<> Node::open_engine() {
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

Result<std::optional<crypto::SecretKey>> Node::open_cluster_secret() {
  if (options_.cluster_secret_file.has_value()) {
    SELVEDGE_TRY(auto secret, read_cluster_secret(*options_.cluster_secret_file));
    if (!secret.has_value()) {
      return fail_format(ErrorKind::kNotFound,
                         "there is no file {}: copy it from another node of the cluster, or make "
                         "the first one with `selvedge cluster init --cluster-secret {}`",
                         options_.cluster_secret_file->string(),
                         options_.cluster_secret_file->string());
    }
    return secret;
  }
  const std::filesystem::path path = cluster_secret_of(options_.data_folder);
  SELVEDGE_TRY(auto secret, read_cluster_secret(path));
  if (!secret.has_value() && options_.make_cluster_secret) {
    SELVEDGE_TRY_VOID(create_cluster_secret(path, random_));
    return read_cluster_secret(path);
  }
  return secret;
}

Result<> Node::open() {
  io::raise_descriptor_limit();
  SELVEDGE_TRY(http_, check_address({.address = options_.http,
                                     .every_interface = options_.http_every_interface}));
  address_ = {.domain = options_.domain, .port = http_.port()};
  SELVEDGE_TRY(memory_bytes_max_, memory_limit(options_.memory_bytes_max));
  SELVEDGE_TRY(group_, io::ShardGroup::create(clock_, {.shards = options_.shards}));
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
                                       .holder = std::move(id),
                                       .interval = options_.collect_interval,
                                       .grace = options_.collect_grace,
                                       .versions_kept = options_.versions_kept});
  SELVEDGE_TRY(auto cluster_secret, open_cluster_secret());
  secrets_.emplace(store_->store(), random_, std::move(cluster_secret));
  loader_.emplace(app::VersionLoader::Options{.engine = *engine_,
                                              .functions = *functions_,
                                              .apps = *apps_,
                                              .blobs = store_->blobs(),
                                              .secrets = *secrets_});
  catalog_.emplace(*reactor_, app::AppCatalogOptions{.store = *apps_,
                                                     .loader = *loader_,
                                                     .store_helpers = store_helpers_,
                                                     .compile_helpers = compile_helpers_});
  catalog_->set_listener([this](const auto& app) { forget(app); });
  questions_.emplace(*reactor_);
  changed_.emplace(*reactor_);
  routers_.resize(group_->size());
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
  return {};
}

void Node::forget(const std::optional<std::string>& app) {
  jobs_->changed(app);
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post([this, i, app] {
      if (app::AppRouter* const router = routers_[i]; router == nullptr) {
        return;
      } else if (app.has_value()) {
        router->forget(*app);
      } else {
        router->forget_everything();
      }
    });
  }
}

void Node::allow(const MemoryAllowance& allowance) {
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post([this, i, allowance] {
      if (app::AppRouter* const router = routers_[i]; router != nullptr) {
        router->set_allowance(allowance.idle_time_max, allowance.starts);
      }
    });
  }
}

io::Task<> Node::serve_http(io::Shard& shard, app::AppRouter& router) {
  SELVEDGE_CO_TRY(const auto listener,
                  shard.network().listen(http_, {.reuse_port = true, .ipv6_only = false}));
  gateway::HttpServer server(shard.reactor(), router, random_, metrics_,
                             {.access_log = options_.access_log});
  io::TaskScope scope(shard.reactor());
  scope.spawn(server.serve(*listener));
  reactor_->post([this] {
    ++listening_;
    changed_->set();
  });
  co_await shard.stop_requested().wait();
  const io::Deadline deadline = shard.reactor().deadline_after(options_.drain_time_max);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

io::Task<> Node::serve_shard(io::Shard& shard) {
  SELVEDGE_CO_TRY(const auto resolver,
                  wasix::DnsResolver::create(shard.reactor(), shard.network(), {}));
  app::GuestShard guests(shard.reactor(), *engine_, clock_, random_, &compile_helpers_, &cpu_clock_,
                         {.network = &shard.network(), .resolver = resolver.get()});
  ShardDirectory directory(shard.reactor(), *questions_, *catalog_);
  ShardPeers peers(shard, *group_, shard_questions_, routers_);
  app::AppRouter router(guests, directory, &peers, random_, {.domain = options_.domain});
  io::TaskScope beside(shard.reactor());
  beside.spawn(router.reap());
  app::AppRouter*& published = routers_[shard.id().value()];
  published = &router;
  const Result<> served = co_await serve_http(shard, router);
  published = nullptr;
  io::TaskScope& questions = *shard_questions_[shard.id().value()];
  questions.cancel();
  [[maybe_unused]] const auto answered = co_await questions.close();
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  [[maybe_unused]] const auto stopped =
      co_await router.stop(shard.reactor().deadline_after(options_.drain_time_max));
  if (!served.has_value()) {
    co_return fail(served.error().clone());
  }
  co_return {};
}

io::Task<> Node::serve_admin(io::Event& stop) {
  io::KernelNetwork network(*reactor_);
  SELVEDGE_CO_TRY(const auto address,
                  io::SocketAddress::unix_path(folder_.admin_socket().string()));
  SELVEDGE_CO_TRY(const auto listener, network.listen(address));
  AdminApi api({.reactor = *reactor_,
                .store = *apps_,
                .secrets = *secrets_,
                .loader = *loader_,
                .catalog = *catalog_,
                .store_helpers = store_helpers_,
                .compile_helpers = compile_helpers_,
                .upload_folder = folder_.uploads(),
                .address = address_,
                .jobs = &*jobs_,
                .check_health =
                    [this](std::string app, app::VersionNumber version) {
                      return job_actions_->check_health(std::move(app), version);
                    },
                .keeper = &*keeper_});
  gateway::HttpServer server(*reactor_, api, random_, metrics_, {});
  io::TaskScope scope(*reactor_);
  scope.spawn(server.serve(*listener));
  co_await stop.wait();
  const io::Deadline deadline = reactor_->deadline_after(kAdminDrainTimeMax);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

// Without it nobody can administer the node: its failure ends the node.
io::Task<> Node::run_admin(io::Event& stop) {
  auto served = co_await serve_admin(stop);
  group_->request_stop();
  co_return served;
}

io::Task<> Node::stop_on_signal(io::SignalSource& signals) {
  SELVEDGE_CO_TRY(const int first, co_await signals.next());
  log::info("signal={} draining seconds_max={}", first,
            std::chrono::duration_cast<std::chrono::seconds>(options_.drain_time_max).count());
  jobs_->drain();
  group_->request_stop();
  SELVEDGE_CO_TRY(const int second, co_await signals.next());
  std::_Exit(128 + second);
}

// Until every shard's task has ended. A shard that fails stops the others.
io::Task<> Node::supervise(const std::function<void(const PublicAddress&)>& listening) {
  SELVEDGE_CO_TRY(const auto signals, io::SignalSource::create(*reactor_, {SIGINT, SIGTERM}));
  io::Event stop_admin(*reactor_);
  io::TaskScope admin(*reactor_);
  io::TaskScope beside(*reactor_);
  admin.spawn(run_admin(stop_admin));
  beside.spawn(stop_on_signal(*signals));
  beside.spawn(catalog_->follow());
  beside.spawn(keeper_->run());
  beside.spawn(watch_memory(*reactor_, memory_bytes_max_,
                            [this](const MemoryAllowance& allowance) { allow(allowance); }));
  bool announced = false;
  while (ended_ < group_->size()) {
    if (!announced && listening_ == group_->size()) {
      announced = true;
      beside.spawn(jobs_->run());
      listening(address_);
    }
    changed_->reset();
    co_await changed_->wait();
  }
  keeper_->stop();
  [[maybe_unused]] const auto jobs_ended =
      co_await jobs_->stop(reactor_->deadline_after(kJobsDrainTimeMax));
  stop_admin.set();
  auto served = co_await admin.close();
  catalog_->cancel();
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  questions_->cancel();
  [[maybe_unused]] const auto answered = co_await questions_->close();
  co_return served;
}

Result<> Node::run(const std::function<void(const PublicAddress&)>& listening) {
  group_->start([this](this auto /*self*/, io::Shard& shard) -> io::Task<> {
    auto served = co_await serve_shard(shard);
    reactor_->post([this] {
      ++ended_;
      changed_->set();
    });
    co_return served;
  });
  auto supervised = reactor_->run(supervise(listening));
  group_->request_stop();
  auto joined = group_->join();
  pause_.stop();
  SELVEDGE_TRY_VOID(std::move(joined));
  return supervised;
}

}  // namespace

Result<> run_node(const NodeOptions& options,
                  const std::function<void(const PublicAddress& address)>& listening) {
  SELVEDGE_TRY(auto folder, DataFolder::open(options.data_folder));
  Node node(options, std::move(folder));
  SELVEDGE_TRY_VOID(node.open());
  return node.run(listening);
}

}  // namespace selvedge::node
