#pragma once

#include <cstdint>

#include "engine/host_context.h"

namespace selvedge::wasix {

class Process;

// Within a process; never used again in its life. Below 2^29, as wasi-threads wants.
using ThreadId = std::uint32_t;
inline constexpr ThreadId kMainThread = 1;

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
  bool exits_alone() const noexcept { return exits_alone_; }

 private:
  Process& process_;
  ThreadId id_;
  bool exits_alone_ = false;
};

}  // namespace selvedge::wasix
