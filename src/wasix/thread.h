#pragma once

#include <cstdint>

#include "engine/host_context.h"
#include "wasix/abi.h"

namespace selvedge::wasix {

class Process;

// Within a process; never used again in its life. Below 2^29, as wasi-threads wants.
using ThreadId = std::uint32_t;
inline constexpr ThreadId kMainThread = 1;

// What the host call that saved a thread's stack answers when the stack is back.
struct Resumption {
  enum class Call : unsigned char { kFork, kCheckpoint };

  Call call = Call::kFork;
  Errno result = Errno::kSuccess;
  // Where `value` goes, on success.
  std::uint32_t address = 0;
  std::uint64_t value = 0;
};

// One guest thread: the context that every host function receives. Owned by its process.
class Thread final : public engine::HostContext {
 public:
  explicit Thread(Process& process, ThreadId id = kMainThread) noexcept
      : process_(process), id_(id) {}

  Process& process() const noexcept [[clang::lifetimebound]] { return process_; }
  ThreadId id() const noexcept { return id_; }

  // Ends this thread, and not its process, when the host function returns.
  void exit_thread() {
    exits_alone_ = true;
    end({.reason = engine::EndReason::kFinished});
  }
  // Signals for this thread that it has not handled yet, a bit for each.
  std::uint32_t pending_signals() const noexcept { return pending_signals_; }
  void add_pending_signals(std::uint32_t signals) noexcept { pending_signals_ |= signals; }
  void remove_pending_signals(std::uint32_t signals) noexcept { pending_signals_ &= ~signals; }
  // Ends a wait of its host call, if it is in one that can be interrupted.
  void interrupt() noexcept;

  // It runs a handler of a signal, perhaps one inside another.
  bool in_handler() const noexcept { return handlers_ != 0; }
  void enter_handler() noexcept { ++handlers_; }
  void leave_handler() noexcept { handlers_ -= handlers_ != 0 ? 1 : 0; }
  void leave_all_handlers() noexcept { handlers_ = 0; }

  const Resumption& resumption() const noexcept [[clang::lifetimebound]] { return resumption_; }
  void set_resumption(const Resumption& resumption) noexcept { resumption_ = resumption; }

  bool exits_alone() const noexcept { return exits_alone_; }

 private:
  Process& process_;
  ThreadId id_;
  std::uint32_t pending_signals_ = 0;
  std::uint32_t handlers_ = 0;
  Resumption resumption_;
  bool exits_alone_ = false;
};

}  // namespace selvedge::wasix
