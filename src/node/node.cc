#include "node/node.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <vector>

#include "app/app_catalog.h"
#include "app/app_metrics.h"
#include "app/app_router.h"
#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/guest_shard.h"
#include "app/job_scheduler.h"
#include "app/package_registry.h"
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
#include "logs/shard_log.h"
#include "node/admin_service.h"
#include "node/cluster_secret.h"
#include "node/data_folder.h"
#include "node/listen_sockets.h"
#include "node/memory_watch.h"
#include "node/metrics_endpoint.h"
#include "node/node_jobs.h"
#include "node/node_logs.h"
#include "node/node_service.h"
#include "node/node_store.h"
#include "node/service_manager.h"
#include "node/shard_directory.h"
#include "node/shard_peers.h"
#include "node/start_environment.h"
#include "node/store_keeper.h"
#include "node/successor.h"
#include "store/pause.h"
#include "wasix/dns_resolver.h"
#include "wasix/host_functions.h"

namespace selvedge::node {
namespace {

// Guests at once, on average of the shards.
constexpr std::size_t kInstancesPerShard = 1024;
// For jobs that were cut off to tell the store.
constexpr base::Duration kJobsDrainTimeMax = std::chrono::seconds(5);
// For what shards have said of their apps, at their end.
constexpr base::Duration kLogFlushTimeMax = std::chrono::seconds(5);

// Everything that the shards share. Made and ended on the main thread.
class Node {
 public:
  Node(const NodeOptions& options, const NodeHooks& hooks, const ServiceManager& manager,
       DataFolder folder)
      : options_(options), hooks_(hooks), manager_(manager), folder_(std::move(folder)) {}

  // Takes connections from `sockets`, and from what it adds to them.
  Result<> open(ListenSockets sockets, bool beside_another);
  // `channel`: where to tell that it serves; may be absent.
  Result<> run(base::UniqueFd& channel);

 private:
  Result<> open_engine();
  Result<> open_logs_and_metrics(bool beside_another);
  std::string expose_metrics();
  io::Task<> run_metrics(io::Event& stop);
  io::Task<> supervise(base::UniqueFd& channel);
  io::Task<> serve_admin(io::Event& stop);
  io::Task<> run_admin(io::Event& stop);
  io::Task<> serve_shard(io::Shard& shard);
  io::Task<> serve_http(io::Shard& shard, app::AppRouter& router);
  void apply_options();
  void forget(const std::optional<std::string>& app);
  void allow(const MemoryAllowance& allowance);

  NodeOptions options_;
  const NodeHooks& hooks_;
  const ServiceManager& manager_;
  DataFolder folder_;
  base::SystemClock clock_;
  engine::SystemCpuClock cpu_clock_;
  base::SystemRandom random_;
  base::Registry registry_;
  gateway::HttpMetrics metrics_{registry_};
  app::AppMetrics app_metrics_{clock_, {.apps_max = options_.metrics_apps_max}};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::HostFunctions> functions_;
  std::unique_ptr<io::KernelReactor> reactor_;
  store::ThreadPause pause_;
  std::optional<NodeStore> store_;
  std::optional<StoreKeeper> keeper_;
  std::optional<app::AppStore> apps_;
  std::optional<app::AppSecrets> secrets_;
  std::optional<app::PackageRegistry> packages_;
  std::optional<app::VersionLoader> loader_;
  std::unique_ptr<io::ShardGroup> group_;
  // The threads end before what they use, and before the reactors that they answer to.
  io::ThreadHelperPool store_helpers_;
  io::ThreadHelperPool compile_helpers_;
  std::uint64_t memory_bytes_max_ = 0;
  std::optional<NodeLogs> logs_;
  io::ThreadHelperPool log_writer_{{.threads = 1}};
  io::ThreadHelperPool log_readers_{{.threads = 2}};
  PublicAddress address_;
  // Kept open, so that a successor can have them; shards have copies.
  ListenSockets sockets_;
  std::vector<std::vector<base::UniqueFd>> shard_sockets_;
  io::KernelNetwork::Sharing sharing_ = io::KernelNetwork::Sharing::kAlone;
  DrainSettings drain_;
  std::optional<io::SocketAddress> metrics_address_;
  std::optional<NodeService> service_;
  std::optional<app::AppCatalog> catalog_;
  // Of what shards ask.
  std::optional<io::TaskScope> questions_;
  // Each set and read on its shard's thread only.
  std::vector<app::AppRouter*> routers_;
  std::vector<gateway::HttpServer*> servers_;
  // Of what other shards ask of each.
  std::vector<std::unique_ptr<io::TaskScope>> shard_questions_;
  // Counted on the main thread.
  std::size_t listening_ = 0;
  std::size_t ended_ = 0;
  bool admin_listening_ = false;
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

Result<> Node::open(ListenSockets sockets, bool beside_another) {
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

Result<> Node::open_logs_and_metrics(bool beside_another) {
  options_.log_limits.beside_another = beside_another;
  logs_.emplace(*reactor_, folder_.logs(), options_.log_limits, log_writer_, log_readers_);
  logs_->set_shards(shard_questions_);
  logs_->set_metrics(app_metrics_);
  if (options_.metrics_listen.has_value()) {
    SELVEDGE_TRY(metrics_address_, metrics_address(*options_.metrics_listen, beside_another));
  }
  return {};
}

void Node::forget(const std::optional<std::string>& app) {
  jobs_->changed(app);
  questions_->spawn(logs_->remove_if_gone(app, *apps_, store_helpers_));
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
  std::vector<std::unique_ptr<io::Listener>> listeners;
  for (base::UniqueFd& socket : shard_sockets_[shard.id().value()]) {
    SELVEDGE_CO_TRY(auto listener, shard.network().adopt(std::move(socket), sharing_));
    listeners.push_back(std::move(listener));
  }
  gateway::HttpServer server(shard.reactor(), router, random_, metrics_,
                             {.access_log = options_.access_log});
  io::TaskScope scope(shard.reactor());
  for (const auto& listener : listeners) {
    scope.spawn(server.serve(*listener));
  }
  gateway::HttpServer*& published = servers_[shard.id().value()];
  published = &server;
  reactor_->post([this] {
    ++listening_;
    changed_->set();
  });
  co_await shard.stop_requested().wait();
  published = nullptr;
  const base::Duration time_max = drain_.time_max.load();
  if (drain_.handed_over) {
    SELVEDGE_CO_TRY_VOID(co_await server.hand_over(time_max, time_max));
    co_return co_await scope.close(shard.reactor().deadline_after(time_max));
  }
  const io::Deadline deadline = shard.reactor().deadline_after(time_max);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

io::Task<> Node::serve_shard(io::Shard& shard) {
  SELVEDGE_CO_TRY(const auto resolver,
                  wasix::DnsResolver::create(shard.reactor(), shard.network(), {}));
  logs::ShardLog log(shard.reactor(), logs_->logs(), clock_,
                     static_cast<std::uint16_t>(shard.id().value()));
  io::TaskScope log_scope(shard.reactor());
  log_scope.spawn(log.run());
  app::GuestShard guests(shard.reactor(), *engine_, clock_, random_, &compile_helpers_, &cpu_clock_,
                         {.network = &shard.network(), .resolver = resolver.get()});
  ShardDirectory directory(shard.reactor(), *questions_, *catalog_);
  ShardPeers peers(shard, *group_, shard_questions_, routers_);
  app::AppRouter router(guests, directory, &peers, random_,
                        {.domain = options_.domain, .log = &log, .metrics = &app_metrics_});
  logs_->attach(shard.id().value(), &log);
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
      co_await router.stop(shard.reactor().deadline_after(drain_.time_max.load()));
  logs_->attach(shard.id().value(), nullptr);
  log.stop();
  [[maybe_unused]] const auto logged =
      co_await log_scope.close(shard.reactor().deadline_after(kLogFlushTimeMax));
  if (!served.has_value()) {
    co_return fail(served.error().clone());
  }
  co_return {};
}

io::Task<> Node::serve_admin(io::Event& stop) {
  SELVEDGE_CO_TRY(auto socket, copy_of(sockets_.admin));
  base::UniqueFd network_socket;
  if (sockets_.admin_network) {
    SELVEDGE_CO_TRY(network_socket, copy_of(sockets_.admin_network));
  }
  AdminService service({.reactor = *reactor_,
                        .folder = folder_,
                        .node = options_,
                        .store = store_->store(),
                        .random = random_,
                        .clock = clock_,
                        .metrics = metrics_,
                        .drain = drain_,
                        .socket = std::move(socket),
                        .network_socket = std::move(network_socket),
                        .api = {.reactor = *reactor_,
                                .store = *apps_,
                                .secrets = *secrets_,
                                .packages = *packages_,
                                .blobs = store_->blobs(),
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
                                .keeper = &*keeper_,
                                .logs = &*logs_,
                                .expose_metrics = [this] { return expose_metrics(); }}});
  SELVEDGE_CO_TRY(auto network, service.listen());
  address_.admin_url = std::move(network.url);
  address_.admin_fingerprint = std::move(network.fingerprint);
  admin_listening_ = true;
  changed_->set();
  co_return co_await service.serve(stop);
}

std::string Node::expose_metrics() { return registry_.expose() + app_metrics_.expose(); }

io::Task<> Node::run_metrics(io::Event& stop) {
  if (!metrics_address_.has_value()) {
    co_return {};
  }
  io::KernelNetwork network(*reactor_);
  // Shared with a successor for as long as both are there.
  SELVEDGE_CO_TRY(const auto listener,
                  network.listen(*metrics_address_, {.reuse_port = true, .ipv6_only = false}));
  co_return co_await serve_metrics(
      *reactor_, *listener, [this] { return expose_metrics(); }, random_, metrics_, stop);
}

// Without it nobody can administer the node: its failure ends the node.
io::Task<> Node::run_admin(io::Event& stop) {
  auto served = co_await serve_admin(stop);
  group_->request_stop();
  co_return served;
}

// At the start, and when the configuration was read anew.
void Node::apply_options() {
  drain_.time_max = options_.drain_time_max;
  log::set_level(options_.log_level);
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post([this, i, access_log = options_.access_log] {
      if (gateway::HttpServer* const server = servers_[i]; server != nullptr) {
        server->set_access_log(access_log);
      }
    });
  }
}

// Until every shard's task has ended. A shard that fails stops the others.
io::Task<> Node::supervise(base::UniqueFd& channel) {
  SELVEDGE_CO_TRY(const auto signals,
                  io::SignalSource::create(*reactor_, {SIGINT, SIGTERM, SIGHUP, SIGUSR2}));
  io::Event& stop_admin = service_->admin_stop();
  io::TaskScope admin(*reactor_);
  io::TaskScope beside(*reactor_);
  admin.spawn(run_admin(stop_admin));
  admin.spawn(run_metrics(stop_admin));
  beside.spawn(service_->obey_signals(*signals));
  beside.spawn(service_->watch());
  beside.spawn(catalog_->follow());
  beside.spawn(keeper_->run());
  beside.spawn(watch_memory(*reactor_, memory_bytes_max_,
                            [this](const MemoryAllowance& allowance) { allow(allowance); }));
  bool announced = false;
  while (ended_ < group_->size()) {
    if (!announced && admin_listening_ && listening_ == group_->size()) {
      announced = true;
      beside.spawn(jobs_->run());
      service_->listening(address_);
      tell_ready(std::move(channel));
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
  if (!drain_.handed_over && !sockets_.admin_passed) {
    std::error_code error;
    std::filesystem::remove(folder_.admin_socket(), error);
  }
  co_return served;
}

Result<> Node::run(base::UniqueFd& channel) {
  service_.emplace(NodeService::Options{.reactor = *reactor_,
                                        .group = *group_,
                                        .options = options_,
                                        .hooks = hooks_,
                                        .manager = manager_,
                                        .sockets = sockets_,
                                        .lock = folder_.lock(),
                                        .drain = drain_,
                                        .apply = [this] { apply_options(); },
                                        .drain_jobs = [this] { jobs_->drain(); }});
  apply_options();
  group_->start([this](this auto /*self*/, io::Shard& shard) -> io::Task<> {
    auto served = co_await serve_shard(shard);
    reactor_->post([this] {
      ++ended_;
      changed_->set();
    });
    co_return served;
  });
  auto supervised = reactor_->run(supervise(channel));
  group_->request_stop();
  auto joined = group_->join();
  pause_.stop();
  SELVEDGE_TRY_VOID(std::move(joined));
  return supervised;
}

}  // namespace

Result<> run_node(const NodeOptions& options, const NodeHooks& hooks) {
  const StartEnvironment environment = StartEnvironment::read();
  auto connected = ServiceManager::connect(environment.notify_socket, environment.watchdog_usec);
  if (!connected.has_value()) {
    log::warning("the service manager hears nothing: {}", connected.error().message());
  }
  const ServiceManager manager = connected.has_value() ? *std::move(connected) : ServiceManager();
  const bool taking_over = !environment.passed_names.empty();
  SELVEDGE_TRY(auto passed,
               taking_over ? PassedDescriptors::from_predecessor(environment.passed_names)
                           : PassedDescriptors::from_service_manager(environment.listen_count));
  passed.sockets.keep_configured(listen_plan(options), environment.passed_plan);
  auto ran = [&]() -> Result<> {
    SELVEDGE_TRY(auto folder, DataFolder::open(options.data_folder, std::move(passed.lock)));
    Node node(options, hooks, manager, std::move(folder));
    SELVEDGE_TRY_VOID(node.open(std::move(passed.sockets), taking_over));
    return node.run(passed.channel);
  }();
  if (!ran.has_value()) {
    tell_failed(std::move(passed.channel), ran.error());
  }
  return ran;
}

}  // namespace selvedge::node
