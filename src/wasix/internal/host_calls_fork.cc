// proc_fork, stack_checkpoint and stack_restore: host calls during which the caller's stack leaves
// the guest (engine/call_stack.h). Their second call, when the stack is back, has the first one's
// arguments, which are kept here: what a module passes while it is rewound is not looked at.

#include <memory>
#include <optional>
#include <utility>

#include "wasix/abi_process.h"
#include "wasix/checkpoints.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/workload.h"

namespace selvedge::wasix::internal {

namespace {

using engine::SavedStack;

// The second call.
Errno resume(Thread& thread, Resumption::Call call) {
  const Resumption resumption = thread.resumption();
  if (resumption.call != call) {
    thread.trap("the guest makes another host call than the one that saved its stack");
    return Errno::kInval;
  }
  if (!thread.all_handlers_resumed()) {
    thread.trap("the guest's stack came back without its handlers of signals");
    return Errno::kInval;
  }
  if (!thread.finish_rewind()) {
    return Errno::kInval;  // the guest ends
  }
  if (resumption.result != Errno::kSuccess) {
    return resumption.result;
  }
  const bool written =
      call == Resumption::Call::kFork
          ? thread.memory().write(Ptr<ProcessId>{resumption.address},
                                  static_cast<ProcessId>(resumption.value))
          : thread.memory().write(Ptr<std::uint64_t>{resumption.address}, resumption.value);
  return written ? Errno::kSuccess : Errno::kFault;
}

// The parent of a vfork waits until its child is another program or has ended.
class VforkCall final : public engine::PendingCall<std::uint32_t> {
 public:
  VforkCall(Thread& thread, ProcessId child) : thread_(thread), child_(child), wake_(thread) {
    listen();
  }
  std::optional<std::uint32_t> poll() override {
    const Process* const child = thread_.process().workload().find(child_);
    if (child == nullptr || !child->running() || child->executed()) {
      return 0;
    }
    listen();
    return std::nullopt;
  }

 private:
  void listen() noexcept { thread_.process().workload().process_ended().call_when_set(wake_); }

  Thread& thread_;
  ProcessId child_;
  WakeWork wake_;
};

class UnwoundFork final : public engine::UnwoundCall {
 public:
  UnwoundFork(Thread& thread, Ptr<ProcessId> pid, bool waits)
      : thread_(thread), pid_(pid), waits_(waits) {}

  std::unique_ptr<engine::PendingCall<std::uint32_t>> unwound(
      std::shared_ptr<const SavedStack> stack) override {
    Resumption resumption{.call = Resumption::Call::kFork,
                          .address = pid_.address,
                          .handlers = thread_.take_interrupted_handlers()};
    const ErrnoResult<ProcessId> child = thread_.process().fork(thread_, resumption, stack);
    resumption.result = child ? Errno::kSuccess : child.error();
    resumption.value = child.value_or(0);
    thread_.set_resumption(resumption);
    thread_.rewind(std::move(stack));
    if (!child || !waits_) {
      return nullptr;
    }
    return std::make_unique<VforkCall>(thread_, *child);
  }

 private:
  Thread& thread_;
  Ptr<ProcessId> pid_;
  bool waits_;
};

// copy_memory 0 is vfork: the child has a copy of the memory nevertheless, and the parent waits.
Errno proc_fork(Thread& thread, std::uint32_t copy_memory, Ptr<ProcessId> pid) {
  if (thread.rewinding()) {
    return resume(thread, Resumption::Call::kFork);
  }
  if (copy_memory > 1) {
    return Errno::kInval;
  }
  if (!thread.memory().bytes(pid.address, sizeof(ProcessId))) {
    return Errno::kFault;
  }
  // The child has the main context only. Its stack is made again from calls of the guest, between
  // which there are none of the host.
  if (thread.context() != kMainContext || thread.in_handler()) {
    return Errno::kNotsup;
  }
  SELVEDGE_TRY_ERRNO_VOID(thread.process().check_fork());
  static_cast<void>(thread.unwind(std::make_unique<UnwoundFork>(thread, pid, copy_memory == 0)));
  return Errno::kSuccess;
}

// vfork of programs that cannot unwind: the caller goes on as the child, in the same memory, until
// proc_exec or proc_exit2, which return in the parent. kNotsup: it is such a child.
Errno proc_fork_env(Thread& thread, Ptr<ProcessId> pid) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(pid.address, sizeof(ProcessId))) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const ProcessId child, thread.process().fork_in_place(thread));
  return memory.write(pid, child) ? Errno::kSuccess : Errno::kFault;
}

class UnwoundCheckpoint final : public engine::UnwoundCall {
 public:
  UnwoundCheckpoint(Thread& thread, Ptr<abi::StackSnapshot> snapshot, Ptr<std::uint64_t> value)
      : thread_(thread), snapshot_(snapshot), value_(value) {}

  std::unique_ptr<engine::PendingCall<std::uint32_t>> unwound(
      std::shared_ptr<const SavedStack> stack) override {
    const engine::GuestMemory memory = thread_.memory();
    Resumption resumption{.call = Resumption::Call::kCheckpoint,
                          .address = value_.address,
                          .handlers = thread_.take_interrupted_handlers()};
    const std::optional<CheckpointId> id = thread_.owner().checkpoints().add(
        {.thread = thread_.id(),
         .context = thread_.context(),
         .stack = stack,
         .id_address =
             snapshot_.address + static_cast<std::uint32_t>(abi::StackSnapshot::kIdOffset),
         .value_address = value_.address,
         .handlers = resumption.handlers},
        memory);
    if (!id) {
      resumption.result = Errno::kNomem;
    } else if (!memory.write(snapshot_, abi::StackSnapshot{.user = 0, .id = *id, .zero = 0})) {
      resumption.result = Errno::kFault;
    }
    thread_.set_resumption(resumption);
    thread_.rewind(std::move(stack));
    return nullptr;
  }

 private:
  Thread& thread_;
  Ptr<abi::StackSnapshot> snapshot_;
  Ptr<std::uint64_t> value_;
};

// Returns with the value 0, and again with that of each stack_restore of the same thread. kNomem:
// too many or too large snapshots.
Errno stack_checkpoint(Thread& thread, Ptr<abi::StackSnapshot> snapshot, Ptr<std::uint64_t> value) {
  if (thread.rewinding()) {
    return resume(thread, Resumption::Call::kCheckpoint);
  }
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(snapshot.address, sizeof(abi::StackSnapshot)) ||
      !memory.bytes(value.address, sizeof(std::uint64_t))) {
    return Errno::kFault;
  }
  if (!thread.owner().unwinds()) {
    // The C library's setjmp has no way to say so.
    thread.trap(
        "setjmp needs Asyncify or exceptions: run `wasm-opt -O1 --asyncify` on the program, or "
        "build it with `-fwasm-exceptions`");
    return Errno::kNotsup;
  }
  DynamicLinker* const linker = thread.owner().linker();
  if (linker != nullptr && linker->used()) {
    return Errno::kNotsup;
  }
  static_cast<void>(thread.unwind(std::make_unique<UnwoundCheckpoint>(thread, snapshot, value)));
  return Errno::kSuccess;
}

// Does not return. A trap when the record names no checkpoint of this context.
void stack_restore(Thread& thread, Ptr<abi::StackSnapshot> snapshot, std::uint64_t value) {
  const std::optional<abi::StackSnapshot> record = thread.memory().read(snapshot);
  const Checkpoint* const checkpoint =
      record ? thread.owner().checkpoints().find(record->id, thread.id(), thread.context())
             : nullptr;
  if (checkpoint == nullptr) {
    thread.trap("longjmp to a place that setjmp did not save, or that has been dropped");
    return;
  }
  thread.set_resumption({.call = Resumption::Call::kCheckpoint,
                         .address = checkpoint->value_address,
                         .value = value,
                         .handlers = checkpoint->handlers});
  thread.restart(checkpoint->stack);
}

}  // namespace

void register_wasix_fork(engine::HostFunctions& functions) {
  functions.define<&proc_fork>(kWasixModule, "proc_fork");
  functions.define<&proc_fork_env>(kWasixModule, "proc_fork_env");
  functions.define<&stack_checkpoint>(kWasixModule, "stack_checkpoint");
  functions.define<&stack_restore>(kWasixModule, "stack_restore");
}

}  // namespace selvedge::wasix::internal
