// Arguments, environment, clocks, randomness, and the end of the process.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/handle_calls.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/process_calls.h"

namespace selvedge::wasix::internal {

namespace {

// Random bytes made before the event loop gets its turn.
constexpr std::uint32_t kRandomStepBytes = 65'536;

std::size_t bytes_of(const std::vector<std::string>& strings) noexcept {
  std::size_t total = 0;
  for (const std::string& text : strings) {
    total += text.size() + 1;
  }
  return total;
}

Errno write_sizes(Thread& thread, const std::vector<std::string>& strings, Ptr<std::uint32_t> count,
                  Ptr<std::uint32_t> buf_size) {
  const engine::GuestMemory memory = thread.memory();
  const bool written = memory.write(count, static_cast<std::uint32_t>(strings.size())) &&
                       memory.write(buf_size, static_cast<std::uint32_t>(bytes_of(strings)));
  return written ? Errno::kSuccess : Errno::kFault;
}

Errno write_strings(Thread& thread, const std::vector<std::string>& strings,
                    Ptr<std::uint32_t> pointers, Ptr<std::uint8_t> buf) {
  const engine::GuestMemory memory = thread.memory();
  const auto target = memory.bytes(buf.address, bytes_of(strings));
  if (!target) {
    return Errno::kFault;
  }
  std::uint32_t offset = 0;
  for (std::uint32_t index = 0; index < strings.size(); ++index) {
    const std::string& text = strings[index];
    if (!memory.write(pointers, buf.address + offset, index)) {
      return Errno::kFault;
    }
    std::memcpy(target->data() + offset, text.c_str(), text.size() + 1);
    offset += static_cast<std::uint32_t>(text.size() + 1);
  }
  return Errno::kSuccess;
}

}  // namespace

Errno args_get(Thread& thread, Ptr<std::uint32_t> argv, Ptr<std::uint8_t> argv_buf) {
  return write_strings(thread, thread.process().arguments(), argv, argv_buf);
}

Errno args_sizes_get(Thread& thread, Ptr<std::uint32_t> count, Ptr<std::uint32_t> buf_size) {
  return write_sizes(thread, thread.process().arguments(), count, buf_size);
}

Errno environ_get(Thread& thread, Ptr<std::uint32_t> environ, Ptr<std::uint8_t> environ_buf) {
  return write_strings(thread, thread.process().environment(), environ, environ_buf);
}

Errno environ_sizes_get(Thread& thread, Ptr<std::uint32_t> count, Ptr<std::uint32_t> buf_size) {
  return write_sizes(thread, thread.process().environment(), count, buf_size);
}

// The CPU-time clocks advance when a slice of the guest ends.
Errno clock_res_get(Thread& thread, std::uint32_t clock, Ptr<Timestamp> resolution) {
  Timestamp value = 0;
  switch (static_cast<Clockid>(clock)) {
    case Clockid::kRealtime:
    case Clockid::kMonotonic:
      value = 1;
      break;
    case Clockid::kProcessCputimeId:
    case Clockid::kThreadCputimeId:
      value = static_cast<Timestamp>(std::chrono::nanoseconds(engine::kEpochTick).count());
      break;
    default:
      return Errno::kInval;
  }
  return thread.memory().write(resolution, value) ? Errno::kSuccess : Errno::kFault;
}

// The monotonic clock begins with the process: a guest does not learn for how long the host has
// been up. The precision that the guest asks for is always met by the clocks that have it.
Errno clock_time_get(Thread& thread, std::uint32_t clock, Timestamp /*precision*/,
                     Ptr<Timestamp> time) {
  const Process& process = thread.process();
  base::Duration value{};
  switch (static_cast<Clockid>(clock)) {
    case Clockid::kRealtime:
      value = process.shard().clock.wall_now().time_since_epoch();
      break;
    case Clockid::kMonotonic:
      value = process.shard().clock.now() - process.start_time();
      break;
    case Clockid::kProcessCputimeId:
      value = process.cpu_time();
      break;
    case Clockid::kThreadCputimeId:
      value = thread.fiber().cpu_time();
      break;
    default:
      return Errno::kInval;
  }
  if (value.count() < 0) {
    return Errno::kOverflow;  // the host's clock stands before 1970
  }
  return thread.memory().write(time, static_cast<Timestamp>(value.count())) ? Errno::kSuccess
                                                                            : Errno::kFault;
}

// The host's clock is not the guest's to set; the others nobody can set, as on Linux.
Errno clock_time_set(Thread& /*thread*/, std::uint32_t clock, Timestamp /*time*/) {
  return static_cast<Clockid>(clock) == Clockid::kRealtime ? Errno::kPerm : Errno::kInval;
}

BlockingErrno random_get(Thread& thread, Ptr<std::uint8_t> buf, std::uint32_t buf_len) {
  if (!thread.memory().bytes(buf.address, buf_len)) {
    return Errno::kFault;
  }
  return run_in_steps(
      thread,
      [buf, buf_len, done = std::uint32_t{0}](Thread& caller) mutable -> std::optional<Errno> {
        const std::uint32_t step = std::min(buf_len - done, kRandomStepBytes);
        const auto target = caller.memory().bytes(std::uint64_t{buf.address} + done, step);
        if (!target) {
          return Errno::kFault;
        }
        caller.process().shard().random.fill(*target);
        done += step;
        return done == buf_len ? std::optional(Errno::kSuccess) : std::nullopt;
      });
}

BlockingErrno sched_yield(Thread& thread) {
  const auto succeed = [](Thread&) { return std::optional(Errno::kSuccess); };
  return std::make_unique<StepCall<decltype(succeed)>>(thread, succeed);
}

// The C library does not expect this one to return, so that its caller cannot go on as the parent.
void proc_exit(Thread& thread, std::uint32_t code) {
  if (thread.is_child()) {
    thread.process().end_in_place({.code = code});
    thread.trap("proc_exit was called after proc_fork_env: call proc_exit2, which returns");
    return;
  }
  thread.exit(code);
}

SignalAction default_action(Signal signal) noexcept {
  switch (signal) {
    case Signal::kNone:
    case Signal::kChld:
    case Signal::kCont:
    case Signal::kUrg:
    case Signal::kWinch:
      return SignalAction::kIgnore;
    case Signal::kStop:
    case Signal::kTstp:
    case Signal::kTtin:
    case Signal::kTtou:
      return SignalAction::kStop;
    default:
      return SignalAction::kTerminate;
  }
}

// Handlers run when this call returns; without them the signal's default action is taken. Stopping
// is not supported.
Errno proc_raise(Thread& thread, std::uint32_t number) {
  if (number > kSignalMax) {
    return Errno::kInval;
  }
  Process& process = thread.process();
  const std::uint32_t signal = process.imports_wasix() ? number : preview1_signal(number);
  if (signal > kSignalMax) {
    return Errno::kInval;
  }
  const auto raised = static_cast<Signal>(signal);
  if (process.handles_signals() && raised != Signal::kKill) {
    return process.signal_thread(thread.id(), raised);
  }
  switch (default_action(raised)) {
    case SignalAction::kIgnore:
      return Errno::kSuccess;
    case SignalAction::kStop:
      return Errno::kNotsup;
    case SignalAction::kTerminate:
      process.end_by_signal(thread, raised);
      return Errno::kSuccess;
  }
  return Errno::kInval;
}

}  // namespace selvedge::wasix::internal
