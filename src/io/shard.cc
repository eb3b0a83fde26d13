#include "io/shard.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/format.h"

namespace selvedge::io {
namespace {

// The cores that the process may use.
std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(static_cast<std::size_t>(core), &set)) {
        cores.push_back(core);
      }
    }
  }
  if (cores.empty()) {
    cores.push_back(0);
  }
  return cores;
}

void pin_to(std::thread& thread, int core) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  // An optimisation: a core that was taken offline meanwhile leaves the thread unpinned.
  ::pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
}

}  // namespace

Result<std::unique_ptr<ShardGroup>> ShardGroup::create(const base::Clock& clock,
                                                       ShardGroupOptions options) {
  std::vector<int> cores = usable_cores();
  const std::size_t count = options.shards == 0 ? cores.size() : options.shards;
  if (count > kShardsMax) {
    return fail_format(ErrorKind::kInvalid, "{} shards are more than the most, {}", count,
                       kShardsMax);
  }
  auto group = std::make_unique<ShardGroup>(Private());
  for (std::size_t i = 0; i < count; ++i) {
    SELVEDGE_TRY(std::unique_ptr<KernelReactor> reactor, KernelReactor::create(clock));
    group->shards_.push_back(std::make_unique<Shard>(
        Shard::Private(), ShardId(static_cast<std::uint16_t>(i)), std::move(reactor)));
    group->results_.emplace_back();
  }
  if (options.pin_threads) {
    group->cores_ = std::move(cores);
  }
  return group;
}

ShardGroup::~ShardGroup() {
  if (!threads_.empty()) {
    request_stop();
    static_cast<void>(join());
  }
}

void ShardGroup::start(std::function<Task<>(Shard&)> main) {
  SELVEDGE_ASSERT(threads_.empty() && !main_);
  main_ = std::move(main);
  threads_.reserve(shards_.size());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    threads_.emplace_back([this, i] { run_shard(i); });
    ::pthread_setname_np(threads_.back().native_handle(), fmt::format("shard-{}", i).c_str());
    if (!cores_.empty()) {
      pin_to(threads_.back(), cores_[i % cores_.size()]);
    }
  }
}

void ShardGroup::run_shard(std::size_t index) {
  Shard& shard = *shards_[index];
  results_[index] = shard.reactor().run(main_(shard));
  if (!results_[index]) {
    request_stop();
  }
}

void ShardGroup::request_stop() {
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->reactor().post([&event = shard->stop_requested_] { event.set(); });
  }
}

Result<> ShardGroup::join() {
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
  const auto failed = std::ranges::find_if(results_, [](const Result<>& r) { return !r; });
  return failed == results_.end() ? Result<>() : std::exchange(*failed, Result<>());
}

}  // namespace selvedge::io
