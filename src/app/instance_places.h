#pragma once

// Places for requests in the instances of a version, on all shards of a node together. A request
// that finds none waits in one queue, first come first served, for whichever instance has room
// first: one that runs, or one that is started for it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "app/app_config.h"
#include "app/instance_scaler.h"
#include "base/clock.h"
#include "base/result.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::app {

// Of a program that listens.
ScalerOptions scaler_options(const AppScaling& scaling);

// Sees to it that an instance is started, on whatever shard that is. Called on the thread of who
// found the need.
class InstanceStarter {
 public:
  virtual ~InstanceStarter() = default;
  // It is kStarting. When nobody starts it after all, unstarted() is called.
  virtual void start(std::size_t instance) = 0;
};

// Any thread; takes a lock only while requests wait. Places and those who wait keep it alive.
class InstancePlaces : public std::enable_shared_from_this<InstancePlaces> {
 public:
  static constexpr std::size_t kWaitingMax = 4096;

  static std::shared_ptr<InstancePlaces> create(const ScalerOptions& options);

  // Of a request; given back when it dies. One shard's thread.
  class [[nodiscard]] Place {
   public:
    Place(std::shared_ptr<InstancePlaces> owner, const io::Reactor& here,
          std::size_t instance) noexcept
        : owner_(std::move(owner)), here_(&here), instance_(instance) {}
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (owner_ != nullptr) {
        owner_->leave(instance_, here_->now());
      }
    }
    std::size_t instance() const noexcept { return instance_; }

   private:
    std::shared_ptr<InstancePlaces> owner_;
    const io::Reactor* here_;
    std::size_t instance_;
  };

  // A place in an instance that runs and has fewer requests than the target, when nobody waits.
  // nullopt: enter() has to be asked. As there.
  std::optional<Place> try_enter(const io::Reactor& here [[clang::lifetimebound]],
                                 const std::vector<bool>& near);
  // A place in an instance that runs. All outlive the task; `here` is the calling thread's. `near`:
  // which instances are on this shard. kOverloaded: too many wait; kTimeout; kDisconnected: no
  // instance runs, and none is being started.
  io::Task<Place> enter(io::Reactor& here, const std::vector<bool>& near, io::Deadline deadline,
                        InstanceStarter& starter);
  // Starts what waiting requests need: for needs that nothing announces.
  void start_needed(base::MonotonicTime now, InstanceStarter& starter);
  // Starts what is kept of the version (instances_min), and counts it as used now.
  void keep(base::MonotonicTime now, InstanceStarter& starter);

  // For what becomes of instances, as InstanceScaler has it; these also let requests go on.
  void listening(std::size_t instance, base::MonotonicTime now);
  void down(std::size_t instance);
  void unstarted(std::size_t instance);
  void stopped(std::size_t instance, base::MonotonicTime now, InstanceStarter& starter);
  InstanceScaler& scaler() noexcept [[clang::lifetimebound]] { return scaler_; }

  // Completes when no request is in an instance and none waits, or at the deadline. `here` as
  // above.
  io::Task<> wait_until_unused(io::Reactor& here, io::Deadline deadline);
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  struct Waiter {
    Waiter(io::Reactor& its_reactor, const std::vector<bool>* its_near)
        : reactor(its_reactor), near(its_near), woken(its_reactor) {}
    io::Reactor& reactor;
    const std::vector<bool>* near;  // null: waits for nothing to be in use
    io::Event woken;
    std::optional<std::size_t> instance;  // granted; under the mutex, as the next
    bool hopeless = false;
  };
  using WaiterPointer = std::shared_ptr<Waiter>;
  class Stay;
  // What comes of asking under the mutex.
  struct Joined {
    std::optional<std::size_t> taken;
    std::optional<std::size_t> to_start;
    WaiterPointer waiter;
    std::optional<Error> refusal;
  };

  explicit InstancePlaces(const ScalerOptions& options) : scaler_(options) {}
  Joined join(io::Reactor& here, const std::vector<bool>& near);
  void leave(std::size_t instance, base::MonotonicTime now);
  // Under the mutex.
  void hand_out();
  void give_up_if_hopeless();
  void tell_if_unused();
  static void wake(WaiterPointer waiter);

  InstanceScaler scaler_;
  std::mutex mutex_;
  std::vector<WaiterPointer> queue_;       // at most kWaitingMax; first come first
  std::vector<WaiterPointer> watchers_;    // of wait_until_unused(): a shard each
  std::atomic<std::size_t> waiting_ = 0;   // those in queue_
  std::atomic<std::size_t> watching_ = 0;  // those in watchers_
};

}  // namespace selvedge::app
