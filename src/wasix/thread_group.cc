#include "wasix/thread_group.h"

#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "wasix/internal/guest_thread.h"
#include "wasix/process.h"

namespace selvedge::wasix {

Thread::~Thread() {
  if (child_ != nullptr) {
    child_->end_in_place({.kind = ExitStatus::Kind::kSignaled, .signal = Signal::kKill});
  }
}

std::shared_ptr<const InterruptedHandlers> Thread::take_interrupted_handlers() {
  if (interrupted_handlers_.empty()) {
    return nullptr;
  }
  return std::make_shared<const InterruptedHandlers>(std::exchange(interrupted_handlers_, {}));
}

Signal Thread::resume_handler() noexcept {
  if (handlers_to_resume_ == 0) {
    return Signal::kNone;
  }
  return (*resumption_.handlers)[--handlers_to_resume_].signal;
}

std::uint32_t Thread::next_signal() noexcept {
  return static_cast<std::uint32_t>(process().take_signal(*this));
}

std::uint32_t Thread::resumed_result() const noexcept {
  const InterruptedHandlers* const handlers = resumption_.handlers.get();
  return handlers != nullptr && handlers_to_resume_ < handlers->size()
             ? (*handlers)[handlers_to_resume_].result
             : 0;
}

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
  contexts_ = 0;
  module_.reset();  // and with it the memory
}

void ThreadGroup::reset() noexcept {
  clear();
  over_ = false;
  next_id_ = kMainThread;
}

Result<std::unique_ptr<engine::Instance>> ThreadGroup::make_instance(Thread& thread) {
  DynamicLinker* const linker = process_.linker();
  return engine::Instance::create(
      module_, thread, options_.instance,
      {.map = linker != nullptr ? &linker->map() : nullptr, .thread = thread.id()});
}

Result<std::unique_ptr<ThreadGroup::GuestThread>> ThreadGroup::make(ThreadId id) {
  auto thread = std::make_unique<GuestThread>(process_, id);
  SELVEDGE_TRY(thread->main.instance, make_instance(thread->main.thread));
  return thread;
}

Result<> ThreadGroup::prepare(GuestThread& thread, std::string_view entry,
                              std::vector<std::uint64_t> arguments) {
  thread.entry = entry;
  thread.arguments = std::move(arguments);
  SELVEDGE_TRY(thread.main.fiber, thread.main.instance->call(thread.entry, thread.arguments));
  return {};
}

void ThreadGroup::run(engine::Fiber& fiber) { scheduler_.start(fiber, *this, options_.fiber); }

bool ThreadGroup::has_room() const noexcept {
  return threads_.size() + contexts_ < options_.threads_max;
}

Result<> ThreadGroup::create_main(std::shared_ptr<const engine::LinkedModule> module,
                                  Options options) {
  SELVEDGE_ASSERT(next_id_ == kMainThread);
  module_ = std::move(module);
  options_ = std::move(options);
  options_.instance.cpu_time_sum = &cpu_time_;
  SELVEDGE_TRY(auto thread, make(next_id_));
  threads_.emplace(next_id_++, std::move(thread));
  return {};
}

Result<> ThreadGroup::start_main(std::string_view entry,
                                 std::optional<base::MonotonicTime> deadline) {
  options_.fiber.deadline = deadline;
  GuestThread& main = *threads_.at(kMainThread);
  SELVEDGE_TRY_VOID(prepare(main, entry, {}));
  run(*main.main.fiber);
  return {};
}

Result<> ThreadGroup::create_forked(std::shared_ptr<const engine::LinkedModule> module,
                                    Options options, const ThreadGroup& parent, ThreadId thread,
                                    std::shared_ptr<const engine::SavedStack> stack) {
  SELVEDGE_TRY_VOID(create_main(std::move(module), std::move(options)));
  const GuestThread& original = *parent.threads_.at(thread);
  GuestThread& main = *threads_.at(kMainThread);
  SELVEDGE_TRY_VOID(prepare(main, original.entry, original.arguments));
  engine::Fiber& fiber = *main.main.fiber;
  if (!fiber.instantiate()) {
    return fail(ErrorKind::kOverloaded, fiber.outcome().message);
  }
  main.main.thread.rewind(std::move(stack));
  return {};
}

void ThreadGroup::start_forked(std::optional<base::MonotonicTime> deadline) {
  options_.fiber.deadline = deadline;
  run(*threads_.at(kMainThread)->main.fiber);
}

ErrnoResult<ThreadId> ThreadGroup::spawn(Thread& parent, std::uint32_t start_argument) {
  if (over_) {
    return refuse(Errno::kAgain);
  }
  if (process_.shared_memory() == nullptr ||
      !module_->module().has_export(kThreadEntry, engine::ExternKind::kFunction)) {
    return refuse(Errno::kNotsup);
  }
  if (!has_room() || next_id_ == kThreadIdEnd) {
    return refuse(Errno::kAgain);
  }
  DynamicLinker* const linker = process_.linker();
  if (linker != nullptr && !linker->prepare_thread(parent, next_id_, start_argument)) {
    return refuse(Errno::kAgain);
  }
  auto thread = make(next_id_);
  if (!thread) {
    return refuse(Errno::kAgain);
  }
  if (!prepare(**thread, kThreadEntry, {next_id_, start_argument})) {
    return refuse(Errno::kNotsup);  // it takes other parameters
  }
  run(*(*thread)->main.fiber);
  threads_.emplace(next_id_, *std::move(thread));
  return next_id_++;
}

void ThreadGroup::kill() noexcept {
  for (const auto& [id, thread] : threads_) {
    if (thread->main.fiber != nullptr) {
      thread->main.fiber->kill(engine::EndReason::kKilled);
      return;  // the first that ends this way ends the process
    }
  }
}

Thread* ThreadGroup::find(ThreadId id) noexcept {
  const auto found = threads_.find(id);
  return found != threads_.end() ? &found->second->running().thread : nullptr;
}

void ThreadGroup::interrupt_any() noexcept {
  for (const auto& [id, thread] : threads_) {
    Thread& running = thread->running().thread;
    if (!running.is_child()) {
      running.interrupt();
      return;
    }
  }
}

std::size_t ThreadGroup::memory_bytes() const noexcept {
  const auto main = threads_.find(kMainThread);
  return main != threads_.end() ? main->second->main.instance->memory_bytes() : 0;
}

void ThreadGroup::fiber_done(engine::Fiber& fiber) {
  const Thread& context = static_cast<const Thread&>(fiber.instance().context());
  const ThreadId id = context.id();
  const engine::Outcome outcome = end_of_context(context, fiber.outcome());
  const bool ends_process = outcome.reason != engine::EndReason::kFinished ||
                            (id == kMainThread && !context.exits_alone()) || threads_.size() == 1;
  if (ends_process) {
    over_ = true;
    ended_(outcome);
    return;
  }
  const auto ending = threads_.extract(id);
  contexts_ -= ending.mapped()->contexts.size();
  process_.checkpoints().remove(id);
  if (DynamicLinker* const linker = process_.linker()) {
    linker->thread_ended(id);
  }
  thread_ended_.notify();
}

}  // namespace selvedge::wasix
