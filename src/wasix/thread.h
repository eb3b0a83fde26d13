#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/host_context.h"
#include "wasix/abi.h"

namespace selvedge::wasix {

class Process;

// Within a process; never used again in its life. Below 2^29, as wasi-threads wants.
using ThreadId = std::uint32_t;
inline constexpr ThreadId kMainThread = 1;

// A call stack of a guest thread (context_create). Within a process; never used again in its life,
// but that each thread calls the one it began with kMainContext.
using ContextId = std::uint64_t;
inline constexpr ContextId kMainContext = 0;

// A handler of a signal that a saved stack leads through: it was called after a host call, whose
// result the caller has not seen yet.
struct InterruptedHandler {
  Signal signal = Signal::kNone;
  std::uint32_t result = 0;
};
// From the innermost to the outermost.
using InterruptedHandlers = std::vector<InterruptedHandler>;

// What the host call that saved a thread's stack answers when the stack is back.
struct Resumption {
  enum class Call : unsigned char { kFork, kCheckpoint };

  Call call = Call::kFork;
  Errno result = Errno::kSuccess;
  // Where `value` goes, on success.
  std::uint32_t address = 0;
  std::uint64_t value = 0;
  // Those that the stack leads through.
  std::shared_ptr<const InterruptedHandlers> handlers = nullptr;
};

// dl_handle: 0 stands for all that every module sees, 1 for the program.
using LibraryHandle = std::uint32_t;

// A library on its way into a process, for one thread (dynamic_linker.h).
struct LibraryOpening {
  LibraryHandle handle = 0;
  // Places in the linker's list: what is needed comes first.
  std::vector<std::size_t> order;
  std::size_t next = 0;
  enum class Stage : unsigned char { kLink, kConstruct };
  Stage stage = Stage::kLink;
  // The constructor of the next one has been called.
  bool constructing = false;
  // It sees its own symbols before those of the program.
  bool deep = false;
  // The program needs these, and is given their symbols when all are linked.
  bool binds_program = false;
  std::vector<std::size_t> roots;
  // Libraries of the program that lacked a symbol since one was linked, which may come later; how
  // many, and in all; what the first one lacked.
  std::size_t postponed = 0;
  std::size_t postponements = 0;
  std::string first_error;
  // Why it failed.
  std::string error;
};

// A host call dlopen between its parts, and where its answers go.
struct LibraryLoad {
  LibraryOpening opening;
  std::uint32_t handle_address = 0;
  std::uint32_t error_address = 0;
  std::uint32_t error_size = 0;
  // The program cannot start without it.
  bool at_start = false;
};

// One guest thread: what every host function receives. A thread with several contexts has one of
// these for each, and what is said of the thread is said of the one that runs. Owned by its
// process.
class Thread final : public engine::HostContext {
 public:
  explicit Thread(Process& process, ThreadId id = kMainThread,
                  ContextId context = kMainContext) noexcept
      : owner_(process), id_(id), context_(context) {}
  // A child that it goes on as ends.
  ~Thread() override;

  // Whose descriptors, identifiers and signals its calls are about.
  Process& process() const noexcept [[clang::lifetimebound]] {
    return child_ != nullptr ? *child_ : owner_;
  }
  // Whose memory and threads it is part of: another one while it goes on as a child
  // (Process::fork_in_place).
  Process& owner() const noexcept [[clang::lifetimebound]] { return owner_; }
  bool is_child() const noexcept { return child_ != nullptr; }
  // nullptr: it goes on as its owner. For Process.
  void go_on_as(Process* child) noexcept { child_ = child; }
  ThreadId id() const noexcept { return id_; }
  ContextId context() const noexcept { return context_; }

  // Ends this thread, and not its process, when the host function returns.
  void exit_thread() {
    exits_alone_ = true;
    end({.reason = engine::EndReason::kFinished});
  }
  // Signals for this thread that it has not handled yet, a bit for each.
  std::uint32_t pending_signals() const noexcept { return pending_signals_; }
  void add_pending_signals(std::uint32_t signals) noexcept { pending_signals_ |= signals; }
  void remove_pending_signals(std::uint32_t signals) noexcept { pending_signals_ &= ~signals; }
  std::uint32_t next_signal() noexcept override;
  // Ends a wait of its host call, if it is in one that can be interrupted.
  void interrupt() noexcept;

  // Handlers that one stack may lead through, to be saved.
  static constexpr std::size_t kInterruptedHandlersMax = 256;
  // While the stack is unwound: a handler has returned for that.
  void add_interrupted_handler(const InterruptedHandler& handler) {
    interrupted_handlers_.push_back(handler);
  }
  std::size_t interrupted_handler_count() const noexcept { return interrupted_handlers_.size(); }
  // The stack is out: all of them.
  std::shared_ptr<const InterruptedHandlers> take_interrupted_handlers();

  // What it is loading; a library's constructor may load another one.
  std::vector<LibraryLoad>& library_loads() noexcept [[clang::lifetimebound]] {
    return library_loads_;
  }
  // The call that its runtime is to make: a table element, 0 for none, and its arguments.
  static constexpr std::size_t kCallWords = 6;
  std::array<std::uint32_t, kCallWords>& dynamic_call() noexcept [[clang::lifetimebound]] {
    return dynamic_call_;
  }

  const Resumption& resumption() const noexcept [[clang::lifetimebound]] { return resumption_; }
  void set_resumption(const Resumption& resumption) noexcept {
    resumption_ = resumption;
    handlers_to_resume_ = resumption.handlers != nullptr ? resumption.handlers->size() : 0;
  }
  // While the stack is rewound, which leads from the outermost handler to the innermost: the next
  // one, then kNone.
  Signal resume_handler() noexcept;
  bool all_handlers_resumed() const noexcept { return handlers_to_resume_ == 0; }
  // What the host call before the handler that was resumed last answered.
  std::uint32_t resumed_result() const noexcept;

  bool exits_alone() const noexcept { return exits_alone_; }

 private:
  Process& owner_;
  Process* child_ = nullptr;
  ThreadId id_;
  ContextId context_;
  std::uint32_t pending_signals_ = 0;
  InterruptedHandlers interrupted_handlers_;
  std::vector<LibraryLoad> library_loads_;
  std::array<std::uint32_t, kCallWords> dynamic_call_{};
  Resumption resumption_;
  std::size_t handlers_to_resume_ = 0;
  bool exits_alone_ = false;
};

}  // namespace selvedge::wasix
