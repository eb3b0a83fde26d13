#pragma once

// Signals as something to await, through signalfd(2).

#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/unique_fd.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/kernel_reactor.h"
#include "io/task.h"

namespace selvedge::io {

// Blocks the given signals on the calling thread. Call it in main before any thread starts, since
// threads inherit the mask, and a signal reaches a SignalSource only when every thread blocks it.
void block_signals(std::initializer_list<int> signals) noexcept;
// SIGPIPE kills a process that writes to a closed pipe; ignored, the write fails with EPIPE
// instead.
void ignore_broken_pipe_signal() noexcept;

// One reactor's thread.
class SignalSource final : private KernelReactor::Source {
 public:
  // `signals` must be blocked (block_signals).
  static Result<std::unique_ptr<SignalSource>> create(KernelReactor& reactor,
                                                      std::initializer_list<int> signals);
  ~SignalSource();

  // The next signal's number. Signals of one kind that come while one waits merge, as POSIX says.
  Task<int> next(Deadline deadline = Deadline::never());

 private:
  struct Private {
    explicit Private() = default;
  };

 public:
  // For create().
  SignalSource(Private, KernelReactor& reactor, base::UniqueFd fd) noexcept;

 private:
  void on_kernel_events(std::uint32_t events) noexcept override;

  KernelReactor& reactor_;
  base::UniqueFd fd_;
  Event readable_;
};

}  // namespace selvedge::io
