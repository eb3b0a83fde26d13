// Handlers of signals. They are the guest's own code: its runtime's `__wasm_signal`, which
// rewriting calls after each host call with what Thread::next_signal answers
// (native/src/rewrite_signals.rs), and the engine when a program computes for long.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/module_info.h"
#include "wasix/abi_process.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/process_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

constexpr std::string_view kHandler = "__wasm_signal";

// The runtime names the exported function that takes signals; wasix-libc names another one to block
// them. Only a handler that rewriting knows can be called.
void callback_signal(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len) {
  const auto text =
      name_len > kNameBytesMax ? std::nullopt : thread.memory().read_string(name.address, name_len);
  thread.process().set_signal_delivery(text == kHandler ? SignalDelivery::kHandlers
                                                        : SignalDelivery::kBlocked);
}

// The handler of `signal` has returned because the stack is unwound; the host call before it had
// answered `result`.
std::uint32_t handler_unwound(Thread& thread, std::uint32_t signal, std::uint32_t result) {
  if (!thread.winding() || thread.rewinding()) {
    return 0;  // the guest's Asyncify says so alone
  }
  if (thread.interrupted_handler_count() == Thread::kInterruptedHandlersMax) {
    thread.trap("the guest saves a stack that leads through too many handlers of signals");
    return 0;
  }
  thread.add_interrupted_handler({.signal = static_cast<Signal>(signal), .result = result});
  return 0;
}

// The stack is rewound: the handler to call instead of the host call; 0: the host call itself.
std::uint32_t handler_to_resume(Thread& thread) {
  return thread.rewinding() ? static_cast<std::uint32_t>(thread.resume_handler()) : 0;
}

std::uint32_t resumed_result(Thread& thread) { return thread.resumed_result(); }

// What a program has from whoever started it: the signals that it ignores. There is always one
// record, that SIGCHLD has its default action: a program of wasix-libc that is told nothing has no
// default actions either, and would call a null function for the first signal.
Errno proc_signals_sizes_get(Thread& thread, Ptr<std::uint32_t> count) {
  const auto ignored =
      static_cast<std::uint32_t>(std::popcount(thread.process().ignored_signals()));
  return thread.memory().write(count, ignored + 1) ? Errno::kSuccess : Errno::kFault;
}

Errno proc_signals_get(Thread& thread, Ptr<abi::SignalDisposition> dispositions) {
  using Disposition = abi::SignalDisposition;
  const engine::GuestMemory memory = thread.memory();
  const std::uint32_t ignored = thread.process().ignored_signals();
  std::uint32_t index = 0;
  bool written = memory.write(dispositions,
                              Disposition{.signal = static_cast<std::uint8_t>(Signal::kChld),
                                          .disposition = Disposition::kDefault},
                              index++);
  for (std::uint8_t signal = 1; signal <= kSignalMax; ++signal) {
    if ((ignored >> signal & 1U) != 0) {
      written &=
          memory.write(dispositions,
                       Disposition{.signal = signal, .disposition = Disposition::kIgnore}, index++);
    }
  }
  return written ? Errno::kSuccess : Errno::kFault;
}

// One that a timer can raise. kNotsup: stopping.
ErrnoResult<Signal> read_timer_signal(std::uint32_t signal) {
  if (signal == 0 || signal > kSignalMax) {
    return refuse(Errno::kInval);
  }
  const auto raised = static_cast<Signal>(signal);
  if (default_action(raised) == SignalAction::kStop) {
    return refuse(Errno::kNotsup);
  }
  return raised;
}

// setitimer(2) for one signal, but that the first wait is as long as the others. kAgain: there are
// too many timers.
Errno proc_raise_interval(Thread& thread, std::uint32_t signal, Timestamp interval,
                          std::uint32_t repeats) {
  if (repeats > 1) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const Signal raised, read_timer_signal(signal));
  return thread.process().signal_timers().set(
      raised, {.first = interval, .interval = repeats == 1 ? interval : 0});
}

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
constexpr std::int64_t kNanosecondsPerMicrosecond = 1'000;

ErrnoResult<Timestamp> nanoseconds_of(const abi::TimeValue& time) {
  constexpr std::int64_t kSecondsMax =
      std::chrono::duration_cast<std::chrono::seconds>(base::Duration(kWaitMax)).count();
  if (time.seconds < 0 || time.microseconds < 0 || time.microseconds >= kMicrosecondsPerSecond) {
    return refuse(Errno::kInval);
  }
  const std::int64_t seconds = std::min(time.seconds, kSecondsMax);
  return static_cast<Timestamp>((seconds * kMicrosecondsPerSecond + time.microseconds) *
                                kNanosecondsPerMicrosecond);
}

// Rounded up: what is left is not nothing.
abi::TimeValue time_value_of(Timestamp nanoseconds) {
  const auto microseconds = static_cast<std::int64_t>(
      (nanoseconds + kNanosecondsPerMicrosecond - 1) / kNanosecondsPerMicrosecond);
  return {.seconds = microseconds / kMicrosecondsPerSecond,
          .microseconds = microseconds % kMicrosecondsPerSecond};
}

// setitimer(2) for one signal. `old`: 0 for who does not want what was left.
Errno proc_raise_interval2(Thread& thread, std::uint32_t signal, Ptr<abi::TimerValue> value,
                           Ptr<abi::TimerValue> old) {
  SELVEDGE_TRY_ERRNO(const Signal raised, read_timer_signal(signal));
  const engine::GuestMemory memory = thread.memory();
  const std::optional<abi::TimerValue> wanted = memory.read(value);
  if (!wanted || (old.address != 0 && !memory.bytes(old.address, sizeof(abi::TimerValue)))) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const Timestamp first, nanoseconds_of(wanted->first));
  SELVEDGE_TRY_ERRNO(const Timestamp interval, nanoseconds_of(wanted->interval));
  SignalTimers& timers = thread.process().signal_timers();
  const SignalTimers::Schedule left = timers.schedule(raised);
  const Errno error = timers.set(raised, {.first = first, .interval = interval});
  if (error == Errno::kSuccess && old.address != 0) {
    static_cast<void>(memory.write(old, abi::TimerValue{.interval = time_value_of(left.interval),
                                                        .first = time_value_of(left.first)}));
  }
  return error;
}

}  // namespace

void register_wasix_signals(engine::HostFunctions& functions) {
  functions.define<&callback_signal>(kWasixModule, "callback_signal");
  functions.define<&proc_raise_interval>(kWasixModule, "proc_raise_interval");
  functions.define<&proc_raise_interval2>(kWasixModule, "proc_raise_interval2");
  functions.define<&proc_signals_get>(kWasixModule, "proc_signals_get");
  functions.define<&proc_signals_sizes_get>(kWasixModule, "proc_signals_sizes_get");
  functions.define<&handler_unwound>(engine::kRewriteHostModule, "handler_unwound");
  functions.define<&handler_to_resume>(engine::kRewriteHostModule, "handler_to_resume");
  functions.define<&resumed_result>(engine::kRewriteHostModule, "resumed_result");
}

}  // namespace selvedge::wasix::internal
