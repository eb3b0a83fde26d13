// Signals to a process: what arrives, and which thread takes it.

#include <algorithm>
#include <bit>

#include "wasix/host_functions.h"
#include "wasix/internal/process_calls.h"
#include "wasix/process.h"

namespace selvedge::wasix {

namespace {

constexpr std::uint32_t bit_of(Signal signal) noexcept {
  return std::uint32_t{1} << static_cast<std::uint32_t>(signal);
}

constexpr std::uint32_t kIgnoredByDefault =
    bit_of(Signal::kChld) | bit_of(Signal::kCont) | bit_of(Signal::kUrg) | bit_of(Signal::kWinch);

// What no program can handle.
bool is_forced(Signal signal) noexcept {
  return signal == Signal::kKill || signal == Signal::kStop;
}

}  // namespace

Errno Process::signal(Signal signal) noexcept {
  if (signal == Signal::kNone || !running()) {
    return Errno::kSuccess;
  }
  if (signal_delivery_ != SignalDelivery::kDefault && !is_forced(signal)) {
    pending_signals_ |= bit_of(signal);
    if (signal_delivery_ == SignalDelivery::kHandlers) {
      interrupt_any();
    }
    return Errno::kSuccess;
  }
  if ((ignored_signals_ & bit_of(signal)) != 0 && !is_forced(signal)) {
    return Errno::kSuccess;
  }
  switch (internal::default_action(signal)) {
    case internal::SignalAction::kIgnore:
      return Errno::kSuccess;
    case internal::SignalAction::kStop:
      return Errno::kNotsup;
    case internal::SignalAction::kTerminate:
      kill(signal);
      return Errno::kSuccess;
  }
  return Errno::kInval;
}

void Process::interrupt_any() noexcept {
  if (borrowed_ != nullptr) {
    borrowed_->interrupt();
  } else {
    threads_.interrupt_any();
  }
}

bool Process::has_pending(Signal signal) const noexcept {
  return (pending_signals_ & bit_of(signal)) != 0;
}

bool Process::wakes_sleepers(const Thread& thread) const noexcept {
  return ((pending_signals_ | thread.pending_signals()) & ~kIgnoredByDefault) != 0;
}

Errno Process::signal_thread(ThreadId id, Signal signal) noexcept {
  if (borrowed_ != nullptr && borrowed_->id() == id) {
    return this->signal(signal);
  }
  Thread* const thread = threads_.find(id);
  if (thread == nullptr) {
    return Errno::kSrch;
  }
  if (signal == Signal::kNone) {
    return Errno::kSuccess;
  }
  if (signal_delivery_ == SignalDelivery::kDefault || is_forced(signal)) {
    return this->signal(signal);
  }
  thread->add_pending_signals(bit_of(signal));
  if (signal_delivery_ == SignalDelivery::kHandlers && !thread->is_child()) {
    thread->interrupt();
  }
  return Errno::kSuccess;
}

void Process::raise_broken_pipe(Thread& thread) noexcept {
  if (borrowed_ != nullptr && handles_signals()) {
    pending_signals_ |= bit_of(Signal::kPipe);
  } else if (handles_signals()) {
    // It is in a host call, after which it takes its signals.
    thread.add_pending_signals(bit_of(Signal::kPipe));
  }
}

void Process::ResizeObserver::resized(io::EventObserver& observer) noexcept {
  static_cast<void>(static_cast<ResizeObserver&>(observer).process_.signal(Signal::kWinch));
}

bool Process::imports_wasix() {
  if (!imports_wasix_) {
    imports_wasix_ = std::ranges::any_of(module_->module().imports(), [](const auto& import) {
      return import.module == kWasixModule;
    });
  }
  return *imports_wasix_;
}

void Process::set_signal_delivery(SignalDelivery delivery) noexcept { signal_delivery_ = delivery; }

Signal Process::take_signal(Thread& thread) noexcept {
  // No frames of the guest are to come in between while its stack is on its way.
  if (signal_delivery_ != SignalDelivery::kHandlers || thread.ending() || thread.winding()) {
    return Signal::kNone;
  }
  // What waits for the thread itself is its owner's.
  const std::uint32_t pending =
      pending_signals_ | (thread.is_child() ? 0 : thread.pending_signals());
  if (pending == 0) {
    return Signal::kNone;
  }
  const auto lowest = static_cast<std::uint32_t>(std::countr_zero(pending));
  pending_signals_ &= ~(std::uint32_t{1} << lowest);
  if (!thread.is_child()) {
    thread.remove_pending_signals(std::uint32_t{1} << lowest);
  }
  return static_cast<Signal>(lowest);
}

}  // namespace selvedge::wasix
