#pragma once

// The guest threads of one process: each an instance of the same module on the same memory, and a
// fiber. The process ends with its main thread's return, with the first thread that exits the
// process or fails, or when no thread is left.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/instance.h"
#include "engine/scheduler.h"
#include "io/event.h"
#include "io/reactor.h"
#include "wasix/errno_result.h"
#include "wasix/thread.h"

namespace selvedge::wasix {

// One shard's thread. Owned by its process.
class ThreadGroup final : private engine::FiberOwner {
 public:
  // Called once, when the process is over; `outcome` is that of the thread that ended it. The group
  // may be cleared or destroyed inside.
  using Ended = std::move_only_function<void(const engine::Outcome& outcome)>;

  struct Options {
    std::uint32_t threads_max = 1;
    engine::FiberOptions fiber = {};
    engine::InstanceLimits instance = {};
  };

  ThreadGroup(Process& process, io::Reactor& reactor, engine::Scheduler& scheduler, Ended ended);
  ~ThreadGroup() override;

  // Makes the main thread, which does not run yet. Once.
  Result<> create_main(std::shared_ptr<const engine::LinkedModule> module, Options options);
  // Starts it in the exported function `entry`. Invalid when there is no such function.
  Result<> start_main(std::string_view entry, std::optional<base::MonotonicTime> deadline);
  // As create_main(), for a process that goes on where a thread of another one is: `thread` of
  // `parent`, whose stack is `stack`. Makes the instance, which writes the module's initial data
  // into its memory.
  Result<> create_forked(std::shared_ptr<const engine::LinkedModule> module, Options options,
                         const ThreadGroup& parent, ThreadId thread,
                         std::shared_ptr<const engine::SavedStack> stack);
  // Starts what create_forked() has made.
  void start_forked(std::optional<base::MonotonicTime> deadline);
  // Another thread, in the module's `wasi_thread_start(id, start_argument)`. kAgain: the maximum is
  // reached; kNotsup: the module has no such function or no shared memory.
  ErrnoResult<ThreadId> spawn(std::uint32_t start_argument);
  // Destroys them all, so that another program can begin with create_main(). From `ended` only.
  void reset() noexcept;
  // Ends all of them soon, through `ended` with kKilled. No effect before start_main().
  void kill() noexcept;
  // Destroys them now. Not from inside one of their host calls.
  void clear() noexcept;

  // nullptr: it does not exist any more, or never did.
  Thread* find(ThreadId id) noexcept;
  // Interrupts the wait of one thread, so that it takes a signal of the process.
  void interrupt_any() noexcept;

  bool running(ThreadId id) const noexcept { return threads_.contains(id); }
  // The thread exists or existed.
  bool known(ThreadId id) const noexcept { return id >= kMainThread && id < next_id_; }
  std::size_t count() const noexcept { return threads_.size(); }
  // Notified when a thread has ended.
  io::Event& thread_ended() noexcept [[clang::lifetimebound]] { return thread_ended_; }
  // Of all threads so far.
  base::Duration cpu_time() const noexcept { return cpu_time_.total; }
  // Of the main thread's own memory.
  std::size_t memory_bytes() const noexcept;

 private:
  struct GuestThread;

  void fiber_done(engine::Fiber& fiber) override;
  Result<std::unique_ptr<GuestThread>> make(ThreadId id);
  // Makes the fiber that begins in `entry`.
  Result<> prepare(GuestThread& thread, std::string_view entry,
                   std::vector<std::uint64_t> arguments);
  void run(GuestThread& thread);

  Process& process_;
  engine::Scheduler& scheduler_;
  Ended ended_;
  io::Event thread_ended_;
  std::shared_ptr<const engine::LinkedModule> module_;
  Options options_;
  engine::CpuTimeSum cpu_time_;
  ThreadId next_id_ = kMainThread;
  bool over_ = false;
  std::map<ThreadId, std::unique_ptr<GuestThread>> threads_;
};

}  // namespace selvedge::wasix
