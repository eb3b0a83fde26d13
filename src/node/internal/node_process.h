#pragma once

// A node while it runs: everything that its threads share. node_open.cc makes it, node_shards.cc is
// what happens on shards, node.cc what happens on the main thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
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
#include "base/metrics.h"
#include "base/system.h"
#include "engine/cpu_clock.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "gateway/http_server.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/kernel_network.h"
#include "io/kernel_reactor.h"
#include "io/shard.h"
#include "io/task_scope.h"
#include "node/data_folder.h"
#include "node/listen_sockets.h"
#include "node/memory_watch.h"
#include "node/node.h"
#include "node/node_jobs.h"
#include "node/node_logs.h"
#include "node/node_service.h"
#include "node/node_store.h"
#include "node/service_manager.h"
#include "node/store_keeper.h"
#include "store/pause.h"

namespace selvedge::node {

class AdminService;

// Made and ended on the main thread.
class NodeProcess {
 public:
  NodeProcess(const NodeOptions& options, const NodeHooks& hooks, const ServiceManager& manager,
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
  AdminService* admin_ = nullptr;  // while it answers
  std::optional<io::Event> changed_;
  std::optional<NodeJobs> job_actions_;
  std::optional<app::JobScheduler> jobs_;
};

}  // namespace selvedge::node
