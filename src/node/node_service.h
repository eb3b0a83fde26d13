#pragma once

// A node as a service: what signals, the service manager and its own successor make it do.
//
//   SIGTERM, SIGINT  drain and end; a second one ends at once
//   SIGHUP           read the configuration anew (without one: as SIGTERM)
//   SIGUSR2          start the program anew, from its file, and leave it the place

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/event.h"
#include "io/kernel_reactor.h"
#include "io/shard.h"
#include "io/signal_source.h"
#include "io/task.h"
#include "node/listen_sockets.h"
#include "node/node.h"
#include "node/service_manager.h"
#include "node/successor.h"

namespace selvedge::node {

// What the shards look at when they stop. Any thread.
struct DrainSettings {
  std::atomic<base::Duration> time_max{};
  // Another process takes what comes: nobody waits for this one.
  std::atomic<bool> handed_over = false;
};

ListenPlan listen_plan(const NodeOptions& options);

// The main thread's.
class NodeService {
 public:
  static constexpr base::Duration kSuccessorStartMax = std::chrono::minutes(2);

  struct Options {
    io::KernelReactor& reactor;
    io::ShardGroup& group;
    NodeOptions& options;  // as they are now
    const NodeHooks& hooks;
    const ServiceManager& manager;
    ListenSockets& sockets;
    int lock;  // of the data folder
    DrainSettings& drain;
    // Puts into effect what options now say and can change while running.
    std::function<void()> apply;
    // No job begins any more.
    std::function<void()> drain_jobs;
  };
  explicit NodeService(Options options);

  // Until the node stops; then it must be cancelled.
  io::Task<> obey_signals(io::SignalSource& signals);
  // Tells the service manager that all shards take their turns, as often as it wants to hear it.
  io::Task<> watch();
  void listening(const PublicAddress& address);
  // Ends the admin API: set when the shards have ended, and at once when a successor has its place.
  io::Event& admin_stop() noexcept [[clang::lifetimebound]] { return admin_stop_; }

 private:
  void stop(int signal);
  void reload();
  io::Task<> hand_over();
  io::Task<> await_shards();

  Options options_;
  Result<ProgramCommand> program_;
  std::string status_;
  bool restarting_ = false;
  bool stopping_ = false;
  std::size_t answers_ = 0;
  std::uint64_t round_ = 0;
  io::Event answered_;
  io::Event admin_stop_;
  std::unique_ptr<Successor> successor_;
};

}  // namespace selvedge::node
