// Process identifiers, waiting for children, and signals between processes.

#include <memory>
#include <optional>
#include <utility>

#include "wasix/abi_process.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/process_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/workload.h"

namespace selvedge::wasix::internal {

namespace {

constexpr std::uint32_t kJoinNonblock = 1;
// Stopping is not supported, so that nothing is ever stopped, nor continued.
constexpr std::uint32_t kJoinWakeStopped = 2;

Errno proc_id(Thread& thread, Ptr<ProcessId> pid) {
  return thread.memory().write(pid, thread.process().id()) ? Errno::kSuccess : Errno::kFault;
}

// 0: the process was not started by another one. kSrch: there is no process `pid`.
Errno proc_parent(Thread& thread, ProcessId pid, Ptr<ProcessId> parent) {
  const auto found = thread.process().workload().parent_of(pid);
  if (!found) {
    return Errno::kSrch;
  }
  return thread.memory().write(parent, *found) ? Errno::kSuccess : Errno::kFault;
}

// With a signal the exit code is 0: wasix-libc's waitpid puts both into one status, of which
// WIFSIGNALED wants no code.
abi::JoinStatus join_status_of(const ExitStatus& status) {
  using Kind = ExitStatus::Kind;
  abi::JoinStatus joined{};
  switch (status.kind) {
    case Kind::kExited:
    case Kind::kFailed:
      joined.tag = abi::JoinStatus::kExit;
      // What a shell answers for a program that cannot run.
      joined.exit_code =
          static_cast<std::uint16_t>(status.kind == Kind::kFailed ? 126U : status.code);
      return joined;
    case Kind::kSignaled:
      joined.signal = static_cast<std::uint8_t>(status.signal);
      break;
    case Kind::kTrapped:  // what abort() is, and what a shell knows as 134
      joined.signal = static_cast<std::uint8_t>(Signal::kAbrt);
      break;
    case Kind::kLimit:
      joined.signal = static_cast<std::uint8_t>(Signal::kKill);
      break;
  }
  joined.tag = abi::JoinStatus::kSignal;
  return joined;
}

// One look at the children. nullopt: there are some, and none has ended.
std::optional<Errno> try_join(Thread& thread, Ptr<abi::OptionPid> pid, ProcessId wanted,
                              Ptr<abi::JoinStatus> status) {
  Workload& workload = thread.process().workload();
  const ProcessId self = thread.process().id();
  if (wanted != 0 ? !workload.is_child(self, wanted) : !workload.has_children(self)) {
    return Errno::kChild;
  }
  const std::optional<ProcessId> child = workload.ended_child(self, wanted);
  if (!child) {
    return std::nullopt;
  }
  const engine::GuestMemory memory = thread.memory();
  if (!memory.write(status, join_status_of(*workload.find(*child)->status())) ||
      !memory.write(pid, abi::OptionPid{.tag = 1, .padding = {}, .pid = *child})) {
    return Errno::kFault;  // the child stays
  }
  workload.reap(*child);
  return Errno::kSuccess;
}

class JoinProcessCall final : public engine::PendingCall<Errno> {
 public:
  JoinProcessCall(Thread& thread, Ptr<abi::OptionPid> pid, ProcessId wanted,
                  Ptr<abi::JoinStatus> status)
      : thread_(thread), pid_(pid), wanted_(wanted), status_(status), wake_(thread) {
    listen();
  }

  // Not by SIGCHLD alone: that another child has ended is no reason to stop waiting for this one.
  std::optional<Errno> interrupted() override { return interrupted_sleep(thread_); }
  std::optional<Errno> poll() override {
    std::optional<Errno> result = try_join(thread_, pid_, wanted_, status_);
    if (!result) {
      listen();
    }
    return result;
  }

 private:
  void listen() noexcept { thread_.process().workload().process_ended().call_when_set(wake_); }

  Thread& thread_;
  Ptr<abi::OptionPid> pid_;
  ProcessId wanted_;
  Ptr<abi::JoinStatus> status_;
  WakeWork wake_;
};

// Waits for the child that `pid` names, or for any, and leaves its number there. The number 0 means
// any, too: waitpid(0) waits for the caller's process group, which all processes are in. Without
// waiting, the number 0 and the status kNothing say that there are children and none has ended;
// wasix-libc takes a pid without number for kChild. kChild: there is no such child.
BlockingErrno proc_join(Thread& thread, Ptr<abi::OptionPid> pid, std::uint32_t flags,
                        Ptr<abi::JoinStatus> status) {
  const engine::GuestMemory memory = thread.memory();
  const std::optional<abi::OptionPid> wanted = memory.read(pid);
  if (!wanted || !memory.bytes(status.address, sizeof(abi::JoinStatus))) {
    return Errno::kFault;
  }
  if (wanted->tag > 1 || (flags & ~(kJoinNonblock | kJoinWakeStopped)) != 0) {
    return Errno::kInval;
  }
  const ProcessId child = wanted->tag == 1 ? wanted->pid : 0;
  if (const std::optional<Errno> result = try_join(thread, pid, child, status)) {
    return *result;
  }
  if ((flags & kJoinNonblock) != 0) {
    const bool written = memory.write(status, abi::JoinStatus{}) &&
                         memory.write(pid, abi::OptionPid{.tag = 1, .padding = {}, .pid = 0});
    return written ? Errno::kSuccess : Errno::kFault;
  }
  return std::make_unique<JoinProcessCall>(thread, pid, child, status);
}

}  // namespace

// Returns when the caller goes on as a child (proc_fork_env), then as its parent.
void proc_exit2(Thread& thread, std::uint32_t code) {
  if (thread.is_child()) {
    thread.process().end_in_place({.code = code});
  } else {
    thread.exit(code);
  }
}

namespace {

// Wasmer can write down a process to continue it later. Nothing here can.
Errno proc_snapshot(Thread& /*thread*/) { return Errno::kNotsup; }

// kSrch: there is no other process.
Errno signal_others(Thread& thread, Signal signal) {
  const Workload& workload = thread.process().workload();
  Errno result = Errno::kSrch;
  for (const ProcessId id : workload.process_ids()) {
    Process* const process = workload.find(id);
    if (process != nullptr && process != &thread.process()) {
      result = process->signal(signal);
    }
  }
  return result;
}

// To a process of the same workload. kSrch: there is none. Signal 0 only looks. Other numbers as in
// kill(2), with one process group: 0 is all processes, -1 all others, and a process that leads a
// group of its own, as its C library says, is alone in it.
Errno proc_signal(Thread& thread, std::int32_t pid, std::uint32_t signal) {
  if (signal > kSignalMax) {
    return Errno::kInval;
  }
  if (pid == -1) {
    return signal_others(thread, static_cast<Signal>(signal));
  }
  if (pid == 0) {
    static_cast<void>(signal_others(thread, static_cast<Signal>(signal)));
    return proc_raise(thread, signal);
  }
  const auto id = static_cast<std::uint32_t>(pid);
  Process* const target = thread.process().workload().find(pid < 0 ? 0U - id : id);
  if (target == nullptr) {
    return Errno::kSrch;
  }
  if (target == &thread.process()) {
    return proc_raise(thread, signal);
  }
  return target->signal(static_cast<Signal>(signal));
}

}  // namespace

void register_wasix_processes(engine::HostFunctions& functions) {
  functions.define<&proc_id>(kWasixModule, "proc_id");
  functions.define<&proc_parent>(kWasixModule, "proc_parent");
  functions.define<&proc_join>(kWasixModule, "proc_join");
  functions.define<&proc_exit2>(kWasixModule, "proc_exit2");
  functions.define<&proc_snapshot>(kWasixModule, "proc_snapshot");
  functions.define<&proc_signal>(kWasixModule, "proc_signal");
}

}  // namespace selvedge::wasix::internal
