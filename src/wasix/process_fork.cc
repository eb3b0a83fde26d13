// Children that go on where their parent is.

#include <memory>
#include <utility>

#include "base/assert.h"
#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

ErrnoResult<> Process::check_fork() {
  if (borrowed_ != nullptr || shared_memory_ == nullptr || !module_->forks() ||
      (linker_ != nullptr && linker_->used())) {
    return refuse(Errno::kNotsup);
  }
  return workload_.check_room();
}

ProcessOptions Process::forked_options() const {
  return {.arguments = options_.arguments,
          .environment = options_.environment,
          .working_directory = working_directory(),
          .handles = handles_,
          .network = options_.network,
          .terminal = options_.terminal,
          .limits = options_.limits};
}

void Process::continue_like(const Process& parent) noexcept {
  started_ = true;
  start_time_ = parent.start_time_;  // the guest has read the clock that begins there
  signal_delivery_ = parent.signal_delivery_;
  ignored_signals_ = parent.ignored_signals_;
}

ErrnoResult<ProcessId> Process::fork(const Thread& thread, const Resumption& resumption,
                                     std::shared_ptr<const engine::SavedStack> stack) {
  SELVEDGE_TRY_ERRNO_VOID(check_fork());
  auto child = std::make_unique<Process>(Key{}, shard_, module_, forked_options(), this);
  if (!child->open_descriptors() || !child->continue_from(*this, thread, std::move(stack))) {
    return refuse(Errno::kNomem);
  }
  child->threads_.find(kMainThread)->set_resumption(resumption);
  child->threads_.start_forked(child->deadline());
  const ProcessId id = child->id();
  workload_.adopt(std::move(child));
  return id;
}

Result<> Process::continue_from(Process& parent, const Thread& thread,
                                std::shared_ptr<const engine::SavedStack> stack) {
  continue_like(parent);
  checkpoints_ = parent.checkpoints_.forked(thread.id());
  SELVEDGE_TRY(auto bound, bind_memory());
  linker_ = module_->is_dynamic() ? std::make_unique<DynamicLinker>(*this) : nullptr;
  SELVEDGE_TRY_VOID(threads_.create_forked(std::move(bound), thread_options(), parent.threads_,
                                           thread.id(), std::move(stack)));
  // After the instance: making one writes the module's initial data.
  return copy_memory_of(*parent.shared_memory_);
}

ErrnoResult<ProcessId> Process::fork_in_place(Thread& thread) {
  if (borrowed_ != nullptr) {
    return refuse(Errno::kNotsup);
  }
  SELVEDGE_TRY_ERRNO_VOID(workload_.check_room());
  auto child = std::make_unique<Process>(Key{}, shard_, module_, forked_options(), this);
  if (!child->open_descriptors()) {
    return refuse(Errno::kNomem);
  }
  child->continue_like(*this);
  child->borrowed_ = &thread;
  thread.go_on_as(child.get());
  const ProcessId id = child->id();
  workload_.adopt(std::move(child));
  return id;
}

void Process::end_in_place(ExitStatus status) {
  SELVEDGE_ASSERT(borrowed_ != nullptr);
  std::exchange(borrowed_, nullptr)->go_on_as(nullptr);
  if (ending_signal_) {
    status = {.kind = ExitStatus::Kind::kSignaled, .signal = *ending_signal_};
  }
  finish(std::move(status));
}

Errno Process::exec_in_place(ProgramImage image) {
  if (ending_signal_) {
    end_in_place({});
    return Errno::kSuccess;
  }
  std::swap(module_, image.module);
  if (!make_main_thread()) {
    std::swap(module_, image.module);
    threads_.reset();
    linker_.reset();
    drop_shared_memory();
    return Errno::kNomem;
  }
  std::exchange(borrowed_, nullptr)->go_on_as(nullptr);
  if (const Result<> started = start_image(std::move(image)); !started) {
    finish({.kind = ExitStatus::Kind::kFailed, .message = started.error().message()});
  }
  return Errno::kSuccess;
}

}  // namespace selvedge::wasix
