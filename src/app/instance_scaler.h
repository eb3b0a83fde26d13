#pragma once

// Which of a version's instances on a node gets a request, when another one is started, and when
// one ends. Decides only: who runs instances tells what becomes of them, and does what this says.
//
// Instances have numbers from 0. The rules:
//   A request goes to the least busy instance that runs; of equally busy ones to one on the shard
//   of the request, then to the lowest number.
//   The stopped one of the lowest number is started when all that run, and those that are being
//   started, have `target` requests each and there are more. Starts follow need at once: for a
//   burst as many as it takes, and no other.
//   The running one of the highest number ends when it had no request for the idle time. Nothing
//   else ends one, so that what was started for a burst stays for the next one.
//   One that ended by itself or is unhealthy gets nothing until it listens again, and is not
//   counted on. When all are so, no further one is started: it would fare no better.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace selvedge::app {

struct ScalerOptions {
  std::size_t instances_min = 0;  // of those that are kept
  std::size_t instances_max = 1;  // at most InstanceScaler::kInstancesMax
  // Requests at once in an instance: with `target` in each another is started, and none gets more
  // than `limit`. From 1 to the other.
  std::size_t target = 1;
  std::size_t limit = 1;
};

// Any thread, without locks. The times that it is given come from one clock.
class InstanceScaler {
 public:
  static constexpr std::size_t kInstancesMax = 256;

  enum class State : std::uint8_t {
    kStopped,
    kStarting,
    kRunning,
    kIll,   // is being ended because it is unhealthy, and started again
    kDown,  // ended by itself, or did not start; is started again some time later
    kEnding,
  };

  explicit InstanceScaler(const ScalerOptions& options);

  const ScalerOptions& options() const noexcept [[clang::lifetimebound]] { return options_; }

  // ---- Requests ----

  // An instance that has fewer than `bound` requests and one more now. `near`: which are on this
  // shard. nullopt: none runs that has room.
  std::optional<std::size_t> take(const std::vector<bool>& near, std::size_t bound) noexcept;
  // The end of a request that was taken to it.
  void give_back(std::size_t instance, base::MonotonicTime now) noexcept;
  // The instance that is to be started now, because `waiting` requests are in none; it is kStarting
  // then. To be asked until it says nullopt.
  std::optional<std::size_t> claim_start(std::size_t waiting, base::MonotonicTime now) noexcept;
  // The first `instances_min` count as used now. One of them that is to be started, as above.
  std::optional<std::size_t> claim_kept(base::MonotonicTime now) noexcept;
  // That instance is kStarting if it was kStopped and starts are allowed. False: it was not.
  bool claim(std::size_t instance, base::MonotonicTime now) noexcept;
  // When memory is scarce: nothing is started.
  void allow_starts(bool allowed) noexcept { starts_allowed_ = allowed; }
  bool starts_allowed() const noexcept { return starts_allowed_; }

  // ---- What becomes of an instance ----

  // A run of the program begins.
  void starting(std::size_t instance) noexcept;
  void listening(std::size_t instance, base::MonotonicTime now) noexcept;
  void ill(std::size_t instance) noexcept;
  // A run ended.
  void down(std::size_t instance) noexcept;
  // It was to be started, and nobody tries any more.
  void unstarted(std::size_t instance) noexcept;
  // True, and kEnding: it has had no request for `idle_time_max`, and those above it have ended.
  bool end_if_idle(std::size_t instance, base::MonotonicTime now,
                   base::Duration idle_time_max) noexcept;
  // kEnding, whatever is in it.
  void end(std::size_t instance) noexcept;
  // It has ended.
  void stopped(std::size_t instance) noexcept;

  // ---- Looks ----

  State state(std::size_t instance) const noexcept;
  std::size_t busy(std::size_t instance) const noexcept;
  // In all instances.
  std::size_t busy() const noexcept;
  // Whether one serves, or will soon.
  bool serves() const noexcept;

 private:
  // On a cache line of its own.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> word = 0;  // the state, and how many requests are in it
    std::atomic<std::int64_t> used = 0;   // nanoseconds
  };

  // From one of the states of `from` (a bit each) to `to`.
  bool change(std::size_t instance, std::uint32_t from, State to) noexcept;
  void touch(std::size_t instance, base::MonotonicTime now) noexcept;

  ScalerOptions options_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<bool> starts_allowed_ = true;
};

}  // namespace selvedge::app
