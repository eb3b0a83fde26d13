// Threads and futexes of WASIX and wasi-threads, and what rewriting puts in the place of the
// waiting atomic instructions.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "engine/module_info.h"
#include "io/timer_wheel.h"
#include "wasix/futex.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

namespace {

void arm(Thread& thread, WakeTimer& timer, std::uint64_t nanoseconds) noexcept {
  const ProcessShard& shard = thread.process().shard();
  shard.reactor.timers().arm(timer, later_by(shard.clock.now(), nanoseconds));
}

// A wait for a word of memory. `Finish`: R(Thread&, bool woken); woken is false after the timeout.
template <class R, class Finish>
class FutexCall final : public engine::PendingCall<R>, private FutexWaiter {
 public:
  FutexCall(Thread& thread, std::uint64_t address, std::optional<std::uint64_t> timeout,
            Finish finish)
      : thread_(thread),
        timer_(thread),
        has_timeout_(timeout.has_value()),
        finish_(std::move(finish)) {
    thread.owner().futexes().wait(address, *this);
    if (timeout) {
      arm(thread, timer_, *timeout);
    }
  }

  // A waiter cannot be told of a signal: wasix-libc traps on errors. It wakes for nothing instead,
  // as waits on futexes may.
  std::optional<R> interrupted() override { return finish_(thread_, true); }
  std::optional<R> poll() override {
    if (waiting() && !(has_timeout_ && !timer_.armed())) {
      return std::nullopt;
    }
    const bool was_woken = !waiting();
    leave();
    return finish_(thread_, was_woken);
  }

 private:
  void woken() noexcept override { thread_.fiber().wake(); }

  Thread& thread_;
  WakeTimer timer_;
  bool has_timeout_;
  Finish finish_;
};

template <class R, class Finish>
engine::Blocking<R> wait_for_futex(Thread& thread, std::uint64_t address,
                                   std::optional<std::uint64_t> timeout, Finish finish) {
  return std::make_unique<FutexCall<R, Finish>>(thread, address, timeout, std::move(finish));
}

// option_timestamp: a tag, and at 8 the nanoseconds.
ErrnoResult<std::optional<std::uint64_t>> read_timeout(const engine::GuestMemory& memory,
                                                       Ptr<std::uint8_t> timeout) {
  constexpr std::uint32_t kValueOffset = 8;
  const std::optional<std::uint8_t> tag = memory.read(timeout);
  if (!tag) {
    return refuse(Errno::kFault);
  }
  if (*tag > 1) {
    return refuse(Errno::kInval);
  }
  if (*tag == 0) {
    return std::optional<std::uint64_t>();
  }
  if (timeout.address > std::numeric_limits<std::uint32_t>::max() - kValueOffset) {
    return refuse(Errno::kFault);
  }
  const auto value = memory.read(Ptr<std::uint64_t>{timeout.address + kValueOffset});
  if (!value) {
    return refuse(Errno::kFault);
  }
  return value;
}

// Threads of the process wake each other; a word in an unshared memory can only time out. kInval:
// the address is not aligned.
BlockingErrno futex_wait(Thread& thread, Ptr<std::uint32_t> futex, std::uint32_t expected,
                         Ptr<std::uint8_t> timeout, Ptr<std::uint8_t> woken) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(futex.address, sizeof(std::uint32_t)) || !memory.bytes(woken.address, 1)) {
    return Errno::kFault;
  }
  const std::optional<std::uint32_t> value = memory.load(futex);
  if (!value) {
    return Errno::kInval;
  }
  const auto limit = read_timeout(memory, timeout);
  if (!limit) {
    return limit.error();
  }
  const auto finish = [woken](Thread& caller, bool was_woken) {
    return caller.memory().write(woken, was_woken ? 1 : 0) ? Errno::kSuccess : Errno::kFault;
  };
  // wasix-libc traps on any error, so a changed value counts as a wake-up.
  return *value == expected ? wait_for_futex<Errno>(thread, futex.address, *limit, finish)
                            : BlockingErrno(finish(thread, true));
}

Errno wake_futex(Thread& thread, Ptr<std::uint32_t> futex, std::size_t count,
                 Ptr<std::uint8_t> woken) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.read(futex) || !memory.bytes(woken.address, 1)) {
    return Errno::kFault;
  }
  const std::size_t number = thread.owner().futexes().wake(futex.address, count);
  return memory.write(woken, number != 0 ? 1 : 0) ? Errno::kSuccess : Errno::kFault;
}

Errno futex_wake(Thread& thread, Ptr<std::uint32_t> futex, Ptr<std::uint8_t> woken) {
  return wake_futex(thread, futex, 1, woken);
}

Errno futex_wake_all(Thread& thread, Ptr<std::uint32_t> futex, Ptr<std::uint8_t> woken) {
  return wake_futex(thread, futex, std::numeric_limits<std::size_t>::max(), woken);
}

// The address that an atomic instruction names; nullopt after the trap that it would cause.
std::optional<std::uint64_t> atomic_address(Thread& thread, std::uint32_t address,
                                            std::uint32_t offset, std::uint32_t size) {
  const std::uint64_t effective = std::uint64_t{address} + offset;
  if (!thread.memory().bytes(effective, size)) {
    thread.trap("out of bounds memory access");
    return std::nullopt;
  }
  if (effective % size != 0) {
    thread.trap("unaligned atomic");
    return std::nullopt;
  }
  return effective;
}

// memory.atomic.wait: 0 woken, 1 the value differs, 2 timed out; a negative timeout never ends.
template <class Word>
engine::Blocking<std::uint32_t> atomic_wait(Thread& thread, std::uint32_t address, Word expected,
                                            std::int64_t timeout_ns, std::uint32_t offset) {
  const auto effective = atomic_address(thread, address, offset, sizeof(Word));
  if (!effective) {
    return std::uint32_t{0};
  }
  if (thread.owner().shared_memory() == nullptr) {
    thread.trap("atomic wait on non-shared memory");
    return std::uint32_t{0};
  }
  if (*thread.memory().load(Ptr<Word>{static_cast<std::uint32_t>(*effective)}) != expected) {
    return std::uint32_t{1};
  }
  const std::optional<std::uint64_t> timeout =
      timeout_ns < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(timeout_ns));
  return wait_for_futex<std::uint32_t>(thread, *effective, timeout, [](Thread&, bool was_woken) {
    return std::uint32_t{was_woken ? 0U : 2U};
  });
}

engine::Blocking<std::uint32_t> memory_atomic_wait32(Thread& thread, std::uint32_t address,
                                                     std::uint32_t expected,
                                                     std::int64_t timeout_ns,
                                                     std::uint32_t offset) {
  return atomic_wait(thread, address, expected, timeout_ns, offset);
}

engine::Blocking<std::uint32_t> memory_atomic_wait64(Thread& thread, std::uint32_t address,
                                                     std::uint64_t expected,
                                                     std::int64_t timeout_ns,
                                                     std::uint32_t offset) {
  return atomic_wait(thread, address, expected, timeout_ns, offset);
}

std::uint32_t memory_atomic_notify(Thread& thread, std::uint32_t address, std::uint32_t count,
                                   std::uint32_t offset) {
  const auto effective = atomic_address(thread, address, offset, sizeof(std::uint32_t));
  if (!effective) {
    return 0;
  }
  return static_cast<std::uint32_t>(thread.owner().futexes().wake(*effective, count));
}

// The instruction, of a shared memory: the pages that it had, or -1.
std::uint32_t memory_grow(Thread& thread, std::uint32_t pages) {
  return thread.owner()
      .grow_shared_memory(thread, pages)
      .value_or(std::numeric_limits<std::uint32_t>::max());
}

// A child that has its thread from its parent has no others.
ErrnoResult<ThreadId> spawn_thread(Thread& thread, std::uint32_t start_argument) {
  if (thread.is_child()) {
    return refuse(Errno::kNotsup);
  }
  return thread.owner().threads().spawn(thread, start_argument);
}

// wasi-threads: the identifier, or a negative number.
std::int32_t thread_spawn(Thread& thread, std::uint32_t start_argument) {
  const ErrnoResult<ThreadId> id = spawn_thread(thread, start_argument);
  return id ? static_cast<std::int32_t>(*id) : -static_cast<std::int32_t>(id.error());
}

// The host needs nothing of the thread_start record: the guest's own wasi_thread_start reads it.
Errno thread_spawn_v2(Thread& thread, std::uint32_t start_argument, Ptr<ThreadId> id_out) {
  if (!thread.memory().bytes(id_out.address, sizeof(ThreadId))) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const ThreadId id, spawn_thread(thread, start_argument));
  return thread.memory().write(id_out, id) ? Errno::kSuccess : Errno::kFault;
}

class SleepCall final : public engine::PendingCall<Errno> {
 public:
  SleepCall(Thread& thread, std::uint64_t nanoseconds) : thread_(thread), timer_(thread) {
    arm(thread, timer_, nanoseconds);
  }
  std::optional<Errno> interrupted() override { return interrupted_sleep(thread_); }
  std::optional<Errno> poll() override {
    return !timer_.armed() ? std::optional(Errno::kSuccess) : std::nullopt;
  }

 private:
  Thread& thread_;
  WakeTimer timer_;
};

BlockingErrno thread_sleep(Thread& thread, std::uint64_t nanoseconds) {
  return nanoseconds == 0 ? sched_yield(thread) : std::make_unique<SleepCall>(thread, nanoseconds);
}

Errno thread_id(Thread& thread, Ptr<ThreadId> id) {
  return thread.memory().write(id, thread.id()) ? Errno::kSuccess : Errno::kFault;
}

class JoinCall final : public engine::PendingCall<Errno> {
 public:
  JoinCall(Thread& thread, ThreadId id) : thread_(thread), id_(id), wake_(thread) { listen(); }

  std::optional<Errno> interrupted() override { return Errno::kIntr; }
  std::optional<Errno> poll() override {
    if (!thread_.owner().threads().running(id_)) {
      return Errno::kSuccess;
    }
    listen();
    return std::nullopt;
  }

 private:
  void listen() noexcept { thread_.owner().threads().thread_ended().call_when_set(wake_); }

  Thread& thread_;
  ThreadId id_;
  WakeWork wake_;
};

// kDeadlk: a thread cannot wait for itself. kSrch: there never was such a thread.
BlockingErrno thread_join(Thread& thread, ThreadId id) {
  ThreadGroup& threads = thread.owner().threads();
  if (id == thread.id()) {
    return Errno::kDeadlk;
  }
  if (!threads.known(id)) {
    return Errno::kSrch;
  }
  if (!threads.running(id)) {
    return Errno::kSuccess;
  }
  return std::make_unique<JoinCall>(thread, id);
}

// The cores that its threads can use at once.
Errno thread_parallelism(Thread& thread, Ptr<std::uint32_t> number) {
  const auto cores =
      thread.fiber().instance().may_leave()
          ? static_cast<std::uint32_t>(thread.process().shard().scheduler.parallelism())
          : 1;
  return thread.memory().write(number, cores) ? Errno::kSuccess : Errno::kFault;
}

// The code is lost: wasix-libc keeps its threads' results in memory.
void thread_exit(Thread& thread, std::uint32_t /*code*/) { thread.exit_thread(); }

// What wasix-libc takes for the id of the thread that it starts in: raise(), abort() and
// pthread_kill() name it so.
constexpr ThreadId kLibcMainThread = 0x3fffffff;

// kSrch: there is no such thread.
Errno thread_signal(Thread& thread, ThreadId id, std::uint32_t signal) {
  if (signal > kSignalMax) {
    return Errno::kInval;
  }
  const ThreadId target = id == kLibcMainThread ? kMainThread : id;
  // Nobody returns from ending itself.
  if (target == thread.id()) {
    return proc_raise(thread, signal);
  }
  return thread.process().signal_thread(target, static_cast<Signal>(signal));
}

}  // namespace

void register_wasix_threads(engine::HostFunctions& functions) {
  functions.define<&futex_wait>(kWasixModule, "futex_wait");
  functions.define<&futex_wake>(kWasixModule, "futex_wake");
  functions.define<&futex_wake_all>(kWasixModule, "futex_wake_all");
  functions.define<&thread_spawn_v2>(kWasixModule, "thread_spawn_v2");
  functions.define<&thread_spawn_v2>(kWasixModule, "thread_spawn");
  functions.define<&thread_sleep>(kWasixModule, "thread_sleep");
  functions.define<&thread_id>(kWasixModule, "thread_id");
  functions.define<&thread_join>(kWasixModule, "thread_join");
  functions.define<&thread_parallelism>(kWasixModule, "thread_parallelism");
  functions.define<&thread_exit>(kWasixModule, "thread_exit");
  functions.define<&thread_signal>(kWasixModule, "thread_signal");
  functions.define<&thread_spawn>("wasi", "thread-spawn");
  functions.define<&memory_atomic_wait32>(engine::kRewriteHostModule, "memory_atomic_wait32");
  functions.define<&memory_atomic_wait64>(engine::kRewriteHostModule, "memory_atomic_wait64");
  functions.define<&memory_atomic_notify>(engine::kRewriteHostModule, "memory_atomic_notify");
  functions.define<&memory_grow>(engine::kRewriteHostModule, "memory_grow");
}

}  // namespace selvedge::wasix::internal
