#include "node/node.h"

#include <csignal>
#include <utility>

#include "base/log.h"
#include "io/signal_source.h"
#include "node/admin_service.h"
#include "node/engine_metrics.h"
#include "node/internal/node_process.h"
#include "node/memory_watch.h"
#include "node/metrics_endpoint.h"
#include "node/start_environment.h"
#include "node/successor.h"

namespace selvedge::node {
namespace {

// For jobs that were cut off to tell the store.
constexpr base::Duration kJobsDrainTimeMax = std::chrono::seconds(5);

}  // namespace

io::Task<> NodeProcess::serve_admin(io::Event& stop) {
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
  admin_ = &service;
  auto served = co_await service.serve(stop);
  admin_ = nullptr;
  co_return served;
}

std::string NodeProcess::expose_metrics() {
  return registry_.expose() + expose_engine_metrics(*engine_) + app_metrics_.expose();
}

io::Task<> NodeProcess::run_metrics(io::Event& stop) {
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
io::Task<> NodeProcess::run_admin(io::Event& stop) {
  auto served = co_await serve_admin(stop);
  group_->request_stop();
  co_return served;
}

// Until every shard's task has ended. A shard that fails stops the others.
io::Task<> NodeProcess::supervise(base::UniqueFd& channel) {
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
      tell_ready(std::exchange(channel, base::UniqueFd()));
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

Result<> NodeProcess::run(base::UniqueFd& channel) {
  service_.emplace(NodeService::Options{.reactor = *reactor_,
                                        .group = *group_,
                                        .options = options_,
                                        .hooks = hooks_,
                                        .manager = manager_,
                                        .sockets = sockets_,
                                        .lock = folder_.lock(),
                                        .drain = drain_,
                                        .apply =
                                            [this] {
                                              apply_options();
                                              if (admin_ != nullptr) {
                                                admin_->reload_certificate();
                                              }
                                            },
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
    NodeProcess node(options, hooks, manager, std::move(folder));
    SELVEDGE_TRY_VOID(node.open(std::move(passed.sockets), taking_over));
    return node.run(passed.channel);
  }();
  if (!ran.has_value()) {
    tell_failed(std::move(passed.channel), ran.error());
  }
  return ran;
}

}  // namespace selvedge::node
