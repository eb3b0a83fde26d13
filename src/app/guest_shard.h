#pragma once

// What a shard needs to run guests: a scheduler, bound to its event loop. One for each shard, made
// and used on the shard's thread.

#include <cstddef>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/module.h"
#include "engine/scheduler.h"
#include "io/helper_pool.h"
#include "io/network.h"
#include "io/reactor.h"
#include "wasix/dns_resolver.h"
#include "wasix/file_system.h"
#include "wasix/guest_background.h"
#include "wasix/process.h"

namespace selvedge::app {

// The network of the host, for programs with a policy (ProgramOptions::egress).
struct HostNetwork {
  // nullptr: no program gets out. Outlives the shard's processes.
  io::Network* network = nullptr;
  // nullptr: no names but numeric ones and localhost.
  wasix::DnsResolver* resolver = nullptr;
};

class GuestShard {
 public:
  // Everything outlives this. `clock` is what guests see. `helpers` may be null: disk waits then
  // happen on the shard. `cpu_clock` may be null: guests are then charged by `clock`.
  GuestShard(io::Reactor& reactor [[clang::lifetimebound]],
             engine::Engine& engine [[clang::lifetimebound]],
             const base::Clock& clock [[clang::lifetimebound]],
             base::Random& random [[clang::lifetimebound]], io::HelperPool* helpers,
             const engine::CpuClock* cpu_clock = nullptr, HostNetwork host_network = {});

  io::Reactor& reactor() noexcept [[clang::lifetimebound]] { return reactor_; }
  engine::Engine& engine() noexcept [[clang::lifetimebound]] { return engine_; }
  const HostNetwork& host_network() const noexcept [[clang::lifetimebound]] {
    return host_network_;
  }
  const wasix::ProcessShard& process_shard() const noexcept [[clang::lifetimebound]] {
    return process_shard_;
  }
  // /dev of all its guests (wasix/fs_devices.h).
  wasix::FileSystem& device_files() const noexcept [[clang::lifetimebound]] {
    return *device_files_;
  }
  // The same with /dev/shm, for below a layer that takes the changes.
  wasix::FileSystem& layered_device_files() const noexcept [[clang::lifetimebound]] {
    return *layered_device_files_;
  }
  // The same module, with owners counted on this shard: programs of one module share it, and each
  // process counts, which would keep shards waiting for each other.
  std::shared_ptr<const engine::LinkedModule> counted_here(
      std::shared_ptr<const engine::LinkedModule> module);

 private:
  static constexpr std::size_t kSweepModulesMin = 64;

  io::Reactor& reactor_;
  engine::Engine& engine_;
  engine::Scheduler scheduler_;
  wasix::GuestBackground background_;
  wasix::ProcessShard process_shard_;
  HostNetwork host_network_;
  std::shared_ptr<wasix::FileSystem> device_files_;
  std::shared_ptr<wasix::FileSystem> layered_device_files_;
  // Some of them gone.
  std::map<const engine::LinkedModule*, std::weak_ptr<const engine::LinkedModule>> modules_;
  std::size_t sweep_modules_at_ = kSweepModulesMin;
};

}  // namespace selvedge::app
