#include "wasix/thread_group.h"

#include <utility>

#include "base/assert.h"
#include "wasix/process.h"

namespace selvedge::wasix {

void Thread::interrupt() noexcept {
  if (runs()) {
    fiber().interrupt();
  }
}

namespace {

// wasi-threads: identifiers are positive and leave three bits to the guest.
constexpr ThreadId kThreadIdEnd = ThreadId{1} << 29;
constexpr std::string_view kThreadEntry = "wasi_thread_start";

}  // namespace

// Destroyed in this order reversed: the fiber runs on the instance, the instance on the context.
struct ThreadGroup::GuestThread {
  GuestThread(Process& process, ThreadId id) noexcept : context(process, id) {}

  Thread context;
  std::unique_ptr<engine::Instance> instance;
  std::unique_ptr<engine::Fiber> fiber;
};

ThreadGroup::ThreadGroup(Process& process, io::Reactor& reactor, engine::Scheduler& scheduler,
                         Ended ended)
    : process_(process), scheduler_(scheduler), ended_(std::move(ended)), thread_ended_(reactor) {
  cpu_time_.outer = &process.workload().cpu_time();
}

ThreadGroup::~ThreadGroup() { clear(); }

void ThreadGroup::clear() noexcept {
  over_ = true;
  // A fiber that is destroyed ends its host call, which may look for other threads.
  const auto ending = std::exchange(threads_, {});
  module_.reset();
}

void ThreadGroup::reset() noexcept {
  clear();
  over_ = false;
  next_id_ = kMainThread;
}

Result<std::unique_ptr<ThreadGroup::GuestThread>> ThreadGroup::make(ThreadId id) {
  auto thread = std::make_unique<GuestThread>(process_, id);
  SELVEDGE_TRY(thread->instance,
               engine::Instance::create(module_, thread->context, options_.instance));
  return thread;
}

void ThreadGroup::run(GuestThread& thread, std::unique_ptr<engine::Fiber> fiber) {
  thread.fiber = std::move(fiber);
  scheduler_.start(*thread.fiber, *this, options_.fiber);
}

Result<> ThreadGroup::create_main(std::shared_ptr<const engine::LinkedModule> module,
                                  Options options) {
  SELVEDGE_ASSERT(next_id_ == kMainThread);
  module_ = std::move(module);
  options_ = options;
  options_.instance.cpu_time_sum = &cpu_time_;
  SELVEDGE_TRY(auto thread, make(next_id_));
  threads_.emplace(next_id_++, std::move(thread));
  return {};
}

Result<> ThreadGroup::start_main(std::string_view entry,
                                 std::optional<base::MonotonicTime> deadline) {
  options_.fiber.deadline = deadline;
  GuestThread& main = *threads_.at(kMainThread);
  SELVEDGE_TRY(auto fiber, main.instance->call(entry));
  run(main, std::move(fiber));
  return {};
}

ErrnoResult<ThreadId> ThreadGroup::spawn(std::uint32_t start_argument) {
  if (over_ || threads_.size() >= options_.threads_max || next_id_ == kThreadIdEnd) {
    return refuse(Errno::kAgain);
  }
  if (process_.shared_memory() == nullptr ||
      !module_->module().has_export(kThreadEntry, engine::ExternKind::kFunction)) {
    return refuse(Errno::kNotsup);
  }
  auto thread = make(next_id_);
  if (!thread) {
    return refuse(Errno::kAgain);
  }
  auto fiber = (*thread)->instance->call(kThreadEntry, {next_id_, start_argument});
  if (!fiber) {
    return refuse(Errno::kNotsup);  // it takes other parameters
  }
  run(**thread, *std::move(fiber));
  threads_.emplace(next_id_, *std::move(thread));
  return next_id_++;
}

void ThreadGroup::kill() noexcept {
  for (const auto& [id, thread] : threads_) {
    if (thread->fiber != nullptr) {
      thread->fiber->kill(engine::EndReason::kKilled);
      return;  // the first that ends this way ends the process
    }
  }
}

Thread* ThreadGroup::find(ThreadId id) noexcept {
  const auto found = threads_.find(id);
  return found != threads_.end() ? &found->second->context : nullptr;
}

void ThreadGroup::interrupt_any() noexcept {
  if (!threads_.empty()) {
    threads_.begin()->second->context.interrupt();
  }
}

std::size_t ThreadGroup::memory_bytes() const noexcept {
  const auto main = threads_.find(kMainThread);
  return main != threads_.end() ? main->second->instance->memory_bytes() : 0;
}

void ThreadGroup::fiber_done(engine::Fiber& fiber) {
  const Thread& context = static_cast<const Thread&>(fiber.instance().context());
  const ThreadId id = context.id();
  const engine::Outcome outcome = fiber.outcome();
  const bool ends_process = outcome.reason != engine::EndReason::kFinished ||
                            (id == kMainThread && !context.exits_alone()) || threads_.size() == 1;
  if (ends_process) {
    over_ = true;
    ended_(outcome);
    return;
  }
  const auto ending = threads_.extract(id);
  thread_ended_.notify();
}

}  // namespace selvedge::wasix
