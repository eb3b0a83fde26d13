#pragma once

// The guest threads of one process: each an instance of the same module on the same memory, and a
// fiber. The process ends with its main thread's return, with the first thread that exits the
// process or fails, or when no thread is left.
//
// A thread may have further contexts (WASIX's name for coroutines): call stacks that it switches
// between. Each is an instance and a fiber too, and only one of a thread runs at a time; the thread
// waits when that one waits. They see the same memory, table and, since the values go from one
// to the other at each switch, mutable globals. They end with their thread.

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
  // Another thread, in the module's `wasi_thread_start(id, start_argument)`, for one of them.
  // kAgain: the maximum is reached, or there is no memory; kNotsup: the module has no such function
  // or no shared memory.
  ErrnoResult<ThreadId> spawn(Thread& parent, std::uint32_t start_argument);
  // ---- Contexts of a thread; from its host calls ----
  // Whether `thread` can have another one that begins in the function at element `entry` of its
  // table. kNotsup: the program can have none; kInval: there is no function without parameters and
  // results; kAgain: there are as many contexts and threads as there may be threads.
  ErrnoResult<> check_context(Thread& thread, std::uint32_t entry) const;
  // Makes it; it runs when it is switched to. Only from a PendingCall::poll(). As above; kAgain
  // also when there is no instance left.
  ErrnoResult<ContextId> create_context(const Thread& thread, std::uint32_t entry);
  // `thread` stops, in the host call that it is in and when that waits, and `next` goes on. kInval:
  // it has no such context; kNotsup: it cannot switch now.
  Errno switch_context(Thread& thread, ContextId next);
  bool has_context(const Thread& thread, ContextId id) const noexcept;
  // The context runs, and not another one of its thread.
  bool runs(const Thread& context) const noexcept;
  // Destroys one that does not run; no effect when there is none of that name. Only from a
  // PendingCall::poll().
  void destroy_context(const Thread& thread, ContextId id) noexcept;

  // Destroys them all, so that another program can begin with create_main(). From `ended`, or
  // before they have run.
  void reset() noexcept;
  // Ends all of them soon, through `ended` with kKilled. No effect before start_main().
  void kill() noexcept;
  // Destroys them now. Not from inside one of their host calls.
  void clear() noexcept;

  // The context of it that runs. nullptr: it does not exist any more, or never did.
  Thread* find(ThreadId id) noexcept;
  // Interrupts the wait of one thread, so that it takes a signal of the process. Not of one that
  // goes on as a child.
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
  struct Context;
  struct GuestThread;

  void fiber_done(engine::Fiber& fiber) override;
  Result<std::unique_ptr<engine::Instance>> make_instance(Thread& thread);
  Result<std::unique_ptr<GuestThread>> make(ThreadId id);
  // Makes the fiber that begins in `entry`.
  Result<> prepare(GuestThread& thread, std::string_view entry,
                   std::vector<std::uint64_t> arguments);
  void run(engine::Fiber& fiber);
  // There is room for one more.
  bool has_room() const noexcept;
  // The thread that `thread` is a context of; nullptr: none of this group.
  GuestThread* owner_of(const Thread& thread) const noexcept;
  static engine::Outcome end_of_context(const Thread& context, const engine::Outcome& outcome);

  Process& process_;
  engine::Scheduler& scheduler_;
  Ended ended_;
  io::Event thread_ended_;
  std::shared_ptr<const engine::LinkedModule> module_;
  Options options_;
  engine::CpuTimeSum cpu_time_;
  ThreadId next_id_ = kMainThread;
  ContextId next_context_ = kMainContext + 1;
  // Beside the main ones.
  std::size_t contexts_ = 0;
  bool over_ = false;
  std::map<ThreadId, std::unique_ptr<GuestThread>> threads_;
};

}  // namespace selvedge::wasix
