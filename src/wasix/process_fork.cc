// Children that go on where their parent is.

#include <memory>
#include <utility>

#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

ErrnoResult<> Process::check_fork() {
  if (shared_memory_ == nullptr || (linker_ != nullptr && linker_->used())) {
    return refuse(Errno::kNotsup);
  }
  return workload_.check_room();
}

ErrnoResult<ProcessId> Process::fork(const Thread& thread, const Resumption& resumption,
                                     std::shared_ptr<const engine::SavedStack> stack) {
  SELVEDGE_TRY_ERRNO_VOID(check_fork());
  auto child = std::make_unique<Process>(Key{}, shard_, module_,
                                         ProcessOptions{.arguments = options_.arguments,
                                                        .environment = options_.environment,
                                                        .working_directory = working_directory(),
                                                        .handles = handles_,
                                                        .network = options_.network,
                                                        .terminal = options_.terminal,
                                                        .limits = options_.limits},
                                         this);
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
  started_ = true;
  start_time_ = parent.start_time_;  // the guest has read the clock that begins there
  signal_delivery_ = parent.signal_delivery_;
  checkpoints_ = parent.checkpoints_.forked(thread.id());
  SELVEDGE_TRY(auto bound, bind_memory());
  linker_ = module_->is_dynamic() ? std::make_unique<DynamicLinker>(*this) : nullptr;
  SELVEDGE_TRY_VOID(threads_.create_forked(std::move(bound), thread_options(), parent.threads_,
                                           thread.id(), std::move(stack)));
  // After the instance: making one writes the module's initial data.
  return copy_memory_of(*parent.shared_memory_);
}

}  // namespace selvedge::wasix
