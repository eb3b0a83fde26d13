#pragma once

// Shards: one thread per core, each with its reactor and its network. What is made on a shard stays
// there; shards exchange owned messages through Reactor::try_post.

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/strong_id.h"
#include "io/event.h"
#include "io/kernel_network.h"
#include "io/kernel_reactor.h"
#include "io/task.h"

namespace selvedge::io {

using ShardId = base::StrongId<struct ShardIdTag, std::uint16_t>;

// A member of classes that belong to one thread: assert_here() in their entrances turns a call from
// another one into a crash instead of a data race. Bound to the thread of its construction.
class ShardAffinity {
 public:
  ShardAffinity() noexcept : thread_(std::this_thread::get_id()) {}
  bool is_here() const noexcept { return thread_ == std::this_thread::get_id(); }
  void assert_here() const noexcept { SELVEDGE_ASSERT(is_here()); }

 private:
  std::thread::id thread_;
};

class Shard {
 public:
  ShardId id() const noexcept { return id_; }
  // Any thread may post to it.
  KernelReactor& reactor() noexcept [[clang::lifetimebound]] { return *reactor_; }
  // The shard's thread only.
  KernelNetwork& network() noexcept [[clang::lifetimebound]] { return network_; }
  // Set when the group was asked to stop: whoever serves here drains and returns. The shard's
  // thread only.
  Event& stop_requested() noexcept [[clang::lifetimebound]] { return stop_requested_; }

 private:
  friend class ShardGroup;
  struct Private {
    explicit Private() = default;
  };

 public:
  // For ShardGroup.
  Shard(Private, ShardId id, std::unique_ptr<KernelReactor> reactor) noexcept
      : id_(id), reactor_(std::move(reactor)), network_(*reactor_), stop_requested_(*reactor_) {}

 private:
  ShardId id_;
  std::unique_ptr<KernelReactor> reactor_;
  KernelNetwork network_;
  Event stop_requested_;
};

struct ShardGroupOptions {
  // 0: one per core that the process may use.
  std::size_t shards = 0;
  // Binds shard i to the i-th core that the process may use.
  bool pin_threads = false;
};

// Starts and ends the shards' threads. Owner's thread, except where noted.
class ShardGroup {
 public:
  static constexpr std::size_t kShardsMax = 1024;

  // `clock` must outlive the group.
  static Result<std::unique_ptr<ShardGroup>> create(const base::Clock& clock
                                                    [[clang::lifetimebound]],
                                                    ShardGroupOptions options);
  // Requests the stop, and joins.
  ~ShardGroup();

  std::size_t size() const noexcept { return shards_.size(); }
  Shard& shard(std::size_t index) noexcept [[clang::lifetimebound]] { return *shards_[index]; }

  // Starts the threads; each runs the task that `main` makes for it (on its own thread) until the
  // task ends. `main` is called from several threads at once. Once only.
  void start(std::function<Task<>(Shard&)> main);
  // Sets stop_requested on every shard. Any thread; idempotent.
  void request_stop();
  // Waits until every shard's task has ended; the first error among them. A shard whose task ends
  // with an error requests the stop of all. Once only, after start().
  Result<> join();

 private:
  struct Private {
    explicit Private() = default;
  };

 public:
  // For create().
  explicit ShardGroup(Private) noexcept {}

 private:
  void run_shard(std::size_t index);

  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
  std::vector<Result<>> results_;
  std::vector<int> cores_;  // to pin to; empty: not pinned
  std::function<Task<>(Shard&)> main_;
};

}  // namespace selvedge::io
