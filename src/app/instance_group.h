#pragma once

// The instances of a version of a program that listens, when a node may run several: as one shard
// sees them. Those that live here it starts, watches and ends; to those of other shards it
// forwards. InstancePlaces, which all shards share, says where a request goes and what is started.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "app/app_version.h"
#include "app/http_exchange.h"
#include "app/instance_peers.h"
#include "app/instance_places.h"
#include "app/proxy_runner.h"
#include "app/upstream_instance.h"
#include "app/version_log.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/deadline.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::app {

namespace internal {
class LocalInstance;
}

// One shard's thread.
class InstanceGroup final : public HttpHandler, private InstanceStarter {
 public:
  struct Options {
    std::shared_ptr<const AppVersion> version;  // with places
    InstancePeers* peers = nullptr;             // nullptr: there is no other shard
    ProxyLimits limits;
    VersionLog log;
    // A program that has not been started.
    std::function<std::unique_ptr<OwnedInstance>()> make;
  };
  // The references and `peers` outlive this.
  InstanceGroup(io::Reactor& reactor [[clang::lifetimebound]],
                base::Random& random [[clang::lifetimebound]], Options options);
  // stop() has completed before.
  ~InstanceGroup() override;

  io::Task<> handle(HttpExchange& exchange) override;
  // For the shard of `peer`: a connection to the instance of that number, which lives here; the
  // stream is that shard's. It is started if it does not run. kDisconnected, kOverloaded, kTimeout.
  io::Task<std::unique_ptr<io::Stream>> connect_for(io::Reactor& peer, std::size_t instance);
  // Begins to start it. Whoever asks has claimed it.
  Result<> start_here(std::size_t instance);
  // Of the first instance, which lives here: as ProxyRunner::wait_until_healthy.
  io::Task<> check_health(io::Deadline deadline);
  // Starts scaling.min_instances, and keeps them for the idle time.
  void keep();
  // Once in a while: ends instances that nobody uses, starts what is needed.
  void tend(base::Duration idle_time_max);
  void sample() noexcept;
  // Instances here, and what is being done about others.
  std::size_t active() const noexcept { return locals_.size() + scope_.size(); }
  // Ends those that live here: requests in any of them go on until `grace`. Once.
  io::Task<> stop(io::Deadline grace);

 private:
  using LocalPointer = std::shared_ptr<internal::LocalInstance>;
  struct Remote;

  void start(std::size_t instance) override;
  io::Task<> ask_to_start(std::size_t instance);
  // Starts it if it does not run.
  io::Task<LocalPointer> local(std::size_t instance);
  Remote& remote(std::size_t instance);
  io::Task<> refuse(HttpExchange& exchange, const Error& error);
  io::Task<> end(LocalPointer instance, io::Deadline grace);

  io::Reactor& reactor_;
  base::Random& random_;
  Options options_;
  InstancePlaces& places_;
  std::vector<std::size_t> homes_;  // by instance; of those that live elsewhere
  std::vector<bool> near_;          // by instance: it lives here
  std::map<std::size_t, LocalPointer> locals_;
  std::map<std::size_t, std::unique_ptr<Remote>> remotes_;
  bool stopping_ = false;
  io::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::app
