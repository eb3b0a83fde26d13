#pragma once

// A guest program at work: its arguments, descriptors, limits and threads.
//
//   ProcessOptions options{.arguments = {"python", "-c", "print(1)"}, .clock = clock, .random =
//   random}; options.preopens.push_back({.guest_path = "/", .directory = file_system.open_root()});
//   options.standard_output = ...;
//   SELVEDGE_CO_TRY(auto process, Process::create(shard, linked, std::move(options)));
//   SELVEDGE_CO_TRY_VOID(process->start());
//   SELVEDGE_CO_TRY(const ExitStatus status, co_await process->wait());
//
// Everything that a guest can name hangs off its Process, and nothing is shared with another one
// but what the options gave to both. A process and its threads live on one shard.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "engine/instance.h"
#include "engine/scheduler.h"
#include "engine/shared_memory.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "wasix/checkpoints.h"
#include "wasix/dynamic_linker.h"
#include "wasix/epoll.h"
#include "wasix/file_system.h"
#include "wasix/futex.h"
#include "wasix/handle.h"
#include "wasix/handle_table.h"
#include "wasix/loopback_network.h"
#include "wasix/signal_timers.h"
#include "wasix/terminal.h"
#include "wasix/thread_group.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

// What a process needs of the shard it runs on. All of it outlives the process.
struct ProcessShard {
  io::Reactor& reactor;
  engine::Scheduler& scheduler;
  // What the guest's clocks show; not the reactor's, which stands still during a slice.
  const base::Clock& clock;
  base::Random& random;
  // Where reads and syncs that wait for a disk go; nullptr: they run on the shard.
  io::HelperPool* helpers = nullptr;
};

// A directory that the guest is given at start, by the path it is to know it under.
struct Preopen {
  std::string guest_path;
  std::shared_ptr<Directory> directory;
  Rights rights_base = Rights::kAll;
  Rights rights_inheriting = Rights::kAll;
};

// Memory, CPU time and output are those of all processes of a workload together; the others hold
// for each.
struct ProcessLimits {
  std::uint32_t open_handles_max = HandleTable::kHandlesMaxDefault;
  // With the main one, and with further contexts. Each takes an instance of the engine's pool.
  std::uint32_t threads_max = 256;
  // Bytes written to handles that count as output (terminals, pipes to the host, logs).
  std::optional<std::uint64_t> output_bytes_max = std::nullopt;
  // From start().
  std::optional<base::Duration> wall_time_max = std::nullopt;
  // Memory, tables and CPU time.
  engine::InstanceLimits instance = {};
};

struct ProcessOptions {
  // Bytes of all arguments, or of the whole environment, with their terminators.
  static constexpr std::size_t kArgumentBytesMax = std::size_t{1} << 20;
  // Arguments, or variables: each takes memory of the host beyond its bytes.
  static constexpr std::size_t kArgumentsMax = 16'384;
  static constexpr std::size_t kPreopensMax = 256;

  // The first one is the program's name.
  std::vector<std::string> arguments = {};
  // "KEY=value".
  std::vector<std::string> environment = {};
  // They become the descriptors 3, 4, ... in this order.
  std::vector<Preopen> preopens = {};
  // Where the guest begins: an absolute path of its own.
  std::string working_directory = "/";
  // The process table that it belongs to; nullptr: a table of its own, without a loader, so that it
  // cannot start others.
  std::shared_ptr<Workload> workload = nullptr;
  // What a child begins with instead of the directories above and the streams below.
  std::optional<HandleTable> handles = std::nullopt;
  // nullptr: an empty input, an output that swallows everything (NullHandle).
  std::shared_ptr<Handle> standard_input = nullptr;
  std::shared_ptr<Handle> standard_output = nullptr;
  std::shared_ptr<Handle> standard_error = nullptr;
  // Where its sockets live; shared by the processes of a workload, on one shard. nullptr: it can
  // open none.
  std::shared_ptr<LoopbackNetwork> network = nullptr;
  // The one behind those of them that are terminals; shared with whoever else uses it. nullptr: the
  // program has none (kNotty).
  std::shared_ptr<Terminal> terminal = nullptr;
  ProcessLimits limits = {};
  // Those of its workload: its children have the same.
  engine::TenantId tenant = {};
  std::uint32_t tenant_weight = engine::kTenantWeightDefault;
};

// How a process ended.
struct ExitStatus {
  enum class Kind : unsigned char {
    kExited,    // by itself, with `code`
    kSignaled,  // by proc_raise, or Process::kill with a signal: `signal`
    kTrapped,   // a Wasm trap, also an exhausted call stack; `message` says which
    kLimit,     // `message` says which
    kFailed,    // it could not be started
  };
  Kind kind = Kind::kExited;
  std::uint32_t code = 0;
  Signal signal = Signal::kNone;
  // With kLimit: it was CPU or wall time.
  bool timed_out = false;
  // One sentence for people. May contain names from the guest: escape before logging.
  std::string message = {};

  bool success() const noexcept { return kind == Kind::kExited && code == 0; }
  // What a shell would show: the code (its low 8 bits), 128 + signal, 134 for traps, 124 for time
  // limits and 137 for others.
  int shell_code() const noexcept;
};

// A program that a process is to become (proc_exec).
struct ProgramImage {
  std::shared_ptr<const engine::LinkedModule> module;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

// Who deals with a process's signals.
enum class SignalDelivery : unsigned char {
  kDefault,   // the host, by each signal's default action: the program has said nothing
  kHandlers,  // the program's runtime, after its host calls (callback_signal)
  kBlocked,   // nobody for now: they stay pending
};

// One shard's thread.
class Process final {
  // Only create() can name it.
  struct Key {};
  // Changes of the terminal's size become signals.
  class ResizeObserver final : public io::EventObserver {
   public:
    explicit ResizeObserver(Process& process) noexcept
        : EventObserver(&ResizeObserver::resized), process_(process) {}

   private:
    static void resized(io::EventObserver& observer) noexcept;
    Process& process_;
  };

 public:
  Process(Key key, const ProcessShard& shard, std::shared_ptr<const engine::LinkedModule> module,
          ProcessOptions options, Process* parent);
  // Invalid: an argument, variable or path with a NUL in it; more or longer ones than the maxima
  // above; a working directory that is not absolute.
  static Result<std::unique_ptr<Process>> create(const ProcessShard& shard,
                                                 std::shared_ptr<const engine::LinkedModule> module,
                                                 ProcessOptions options);
  // A process of this one's workload, with its limits and working directory, which the
  // workload owns. It does not run yet. kAgain: the process table is full; kTooBig, kInval: as
  // create().
  ErrnoResult<Process*> create_child(ProgramImage image, HandleTable handles,
                                     std::string working_directory);
  // Ends the guest if it still runs. Not from inside one of its host calls.
  ~Process();

  // Makes the main thread call the exported function `entry` ("_start": a command). Once only.
  // Invalid: there is no such function, or it takes or returns values.
  Result<> start(std::string_view entry = "_start");
  // Completes when the process has ended; at once if it has. Any number of waiters; the process
  // outlives them.
  io::Task<ExitStatus> wait();
  // Ends the process: with kSignaled, soon. No effect before start() and when it has ended.
  void kill(Signal signal = Signal::kKill) noexcept;

  // As kill(2): a program that handles signals gets it, after its present host call, which is
  // interrupted when it waits; for others the default action is taken. kNotsup: that is stopping.
  Errno signal(Signal signal) noexcept;
  // The same for one thread; kSrch.
  Errno signal_thread(ThreadId id, Signal signal) noexcept;
  // Whether it handles signals and has yet to take this one.
  bool has_pending(Signal signal) const noexcept;
  // Whether a signal waits for the thread that is not ignored unless a program says otherwise, as
  // SIGCHLD is.
  bool wakes_sleepers(const Thread& thread) const noexcept;
  bool handles_signals() const noexcept { return signal_delivery_ != SignalDelivery::kDefault; }
  // Signals, a bit for each, that whoever started the program has told it to ignore. Before
  // start().
  void ignore_signals(std::uint32_t signals) noexcept { ignored_signals_ = signals; }
  std::uint32_t ignored_signals() const noexcept { return ignored_signals_; }

  bool running() const noexcept { return started_ && !status_.has_value(); }
  const std::optional<ExitStatus>& status() const noexcept [[clang::lifetimebound]] {
    return status_;
  }
  base::Duration cpu_time() const noexcept { return threads_.cpu_time(); }
  std::size_t memory_bytes() const noexcept;

  // ---- For host functions ----
  const std::vector<std::string>& arguments() const noexcept [[clang::lifetimebound]] {
    return options_.arguments;
  }
  const std::vector<std::string>& environment() const noexcept [[clang::lifetimebound]] {
    return options_.environment;
  }
  ProcessId id() const noexcept { return id_; }
  // Who made it; it may be gone.
  ProcessId original_parent() const noexcept { return original_parent_; }
  Workload& workload() const noexcept [[clang::lifetimebound]] { return workload_; }
  // The process becomes another program, with its descriptors (but those marked close-on-exec),
  // when the host call of `thread` returns. A child that has its thread from its parent becomes it
  // at once, and the thread goes on as the parent. kTooBig: the arguments; kNomem: it cannot be
  // made.
  Errno exec(Thread& thread, ProgramImage image);
  // It has become another program.
  bool executed() const noexcept { return executed_; }
  // Whether fork() may be tried. kNotsup: the module does not unwind, its memory cannot be copied,
  // or it has loaded libraries; kAgain: the process table is full.
  ErrnoResult<> check_fork();
  // Makes a child that goes on where `thread` is, whose stack is in `stack`, with a copy of
  // everything: memory, descriptors, working directory, signal delivery. Its one thread answers
  // `resumption` (0). It runs. As check_fork(); kNomem: it cannot be made.
  ErrnoResult<ProcessId> fork(const Thread& thread, const Resumption& resumption,
                              std::shared_ptr<const engine::SavedStack> stack);
  // Makes a child that `thread` goes on as, on the same stack in the same memory, with copies of
  // the descriptors, the working directory and the signal delivery. That ends with the child's
  // exec() or end_in_place(), or with the thread, which kills the child. A signal that kills the
  // child ends it only then. kNotsup: the thread goes on as a child already; kAgain: the process
  // table is full.
  ErrnoResult<ProcessId> fork_in_place(Thread& thread);
  // For such a child: it ends, and its thread goes on as its parent.
  void end_in_place(ExitStatus status);
  // The stacks that its threads have saved.
  CheckpointTable& checkpoints() noexcept [[clang::lifetimebound]] { return checkpoints_; }
  void set_signal_delivery(SignalDelivery delivery) noexcept;
  // `thread` has written to what nobody reads any more: SIGPIPE, for programs that say what to do
  // with it. Others have the errno only, as preview 1 has no signals.
  void raise_broken_pipe(Thread& thread) noexcept;
  SignalTimers& signal_timers() noexcept [[clang::lifetimebound]] { return signal_timers_; }
  // It is built for WASIX: its module imports functions that preview 1 does not have.
  bool imports_wasix();
  // The next signal for `thread` to handle; kNone: there is none.
  Signal take_signal(Thread& thread) noexcept;
  HandleTable& handles() noexcept [[clang::lifetimebound]] { return handles_; }
  ThreadGroup& threads() noexcept [[clang::lifetimebound]] { return threads_; }
  FutexTable& futexes() noexcept [[clang::lifetimebound]] { return futexes_; }
  // Its threads can save and restore their stacks (engine/call_stack.h).
  bool unwinds() const noexcept { return module_->unwinds(); }
  // nullptr: the program can load no libraries.
  DynamicLinker* linker() noexcept [[clang::lifetimebound]] { return linker_.get(); }
  // nullptr: the module has a memory of its own, and its process one thread with one context.
  const engine::SharedMemory* shared_memory() const noexcept [[clang::lifetimebound]] {
    return shared_memory_.get();
  }
  // nullptr: none.
  Terminal* terminal() noexcept [[clang::lifetimebound]] { return options_.terminal.get(); }
  // Absolute, without empty components, `.` and `..`.
  const std::string& working_directory() const noexcept [[clang::lifetimebound]] {
    return options_.working_directory;
  }
  void set_working_directory(std::string path) noexcept {
    options_.working_directory = std::move(path);
  }
  // Shared with the epolls of the process; made by the first one.
  const std::shared_ptr<EpollUsage>& epoll_usage() [[clang::lifetimebound]] {
    if (epoll_usage_ == nullptr) {
      epoll_usage_ = std::make_shared<EpollUsage>();
    }
    return epoll_usage_;
  }
  // nullptr: none.
  LoopbackNetwork* network() noexcept [[clang::lifetimebound]] { return options_.network.get(); }
  const ProcessShard& shard() const noexcept [[clang::lifetimebound]] { return shard_; }
  // The zero of the guest's monotonic clock.
  base::MonotonicTime start_time() const noexcept { return start_time_; }
  // memory.grow of the shared memory: the pages it had; nullopt: that passes a limit.
  std::optional<std::uint32_t> grow_shared_memory(Thread& thread, std::uint32_t pages);
  // For Workload: destroys its threads, before any process that they go on as.
  void drop_threads() noexcept { threads_.clear(); }
  // For Workload: ends it with this status, soon.
  void end_by_limit(const ExitStatus& status);
  // Counts output; false: the limit is passed, and `thread` ends.
  bool account_output(Thread& thread, std::size_t bytes);
  // A thread asked for the end of the process by a signal whose default action is that.
  void end_by_signal(Thread& thread, Signal signal);

 private:
  Result<> open_descriptors();
  Result<> make_main_thread();
  Result<> make_shared_memory();
  Result<> copy_memory_of(engine::SharedMemory& parent);
  // After the threads, whose module keeps it too.
  void drop_shared_memory() noexcept;
  // The module with the process's memory, which is made if the module wants one from outside.
  Result<std::shared_ptr<const engine::LinkedModule>> bind_memory();
  ThreadGroup::Options thread_options() const;
  Result<> continue_from(Process& parent, const Thread& thread,
                         std::shared_ptr<const engine::SavedStack> stack);
  ProcessOptions forked_options() const;
  void continue_like(const Process& parent) noexcept;
  Errno exec_in_place(ProgramImage image);
  void interrupt_any() noexcept;
  std::optional<base::MonotonicTime> deadline() const noexcept;
  void main_ended(const engine::Outcome& outcome);
  Result<> become(ProgramImage image);
  // The rest of it, when the main thread is made.
  Result<> start_image(ProgramImage image);
  std::string workload_cpu_limit() const;
  ExitStatus status_of(const engine::Outcome& outcome) const;
  void finish(ExitStatus status);

  ProcessShard shard_;
  // Of the first process; its children must not keep alive what owns them.
  std::shared_ptr<Workload> owned_workload_;
  Workload& workload_;
  ProcessId id_;
  ProcessId original_parent_;
  // What the workload's fibers share: turns are the workload's, not each process's.
  std::shared_ptr<engine::RunQueue::Group> run_group_;
  std::shared_ptr<const engine::LinkedModule> module_;
  ProcessOptions options_;
  HandleTable handles_;
  std::shared_ptr<EpollUsage> epoll_usage_;
  base::MonotonicTime start_time_;
  bool started_ = false;
  std::optional<Signal> ending_signal_;
  std::optional<ExitStatus> limit_status_;
  SignalDelivery signal_delivery_ = SignalDelivery::kDefault;
  std::uint32_t pending_signals_ = 0;  // a bit for each
  std::uint32_t ignored_signals_ = 0;
  SignalTimers signal_timers_;
  ResizeObserver resize_observer_;
  std::optional<bool> imports_wasix_;  // found out when it is asked for
  std::unique_ptr<ProgramImage> next_image_;
  // Its parent's, which goes on as this process; nullptr: it has threads of its own.
  Thread* borrowed_ = nullptr;
  bool executed_ = false;
  CheckpointTable checkpoints_;
  std::optional<ExitStatus> status_;
  io::Event ended_;
  std::unique_ptr<engine::SharedMemory> shared_memory_;
  FutexTable futexes_;
  std::unique_ptr<DynamicLinker> linker_;
  // Last: what its threads wait for is in the members above.
  ThreadGroup threads_;
};

}  // namespace selvedge::wasix
