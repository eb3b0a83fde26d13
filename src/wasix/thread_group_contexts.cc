// Contexts of guest threads: making one, switching to it, its end.

#include <utility>

#include "base/format.h"
#include "wasix/internal/guest_thread.h"
#include "wasix/process.h"
#include "wasix/thread_group.h"

namespace selvedge::wasix {

ThreadGroup::GuestThread* ThreadGroup::owner_of(const Thread& thread) const noexcept {
  const auto found = threads_.find(thread.id());
  if (found == threads_.end()) {
    return nullptr;
  }
  const Context* const context = found->second->get(thread.context());
  return context != nullptr && &context->thread == &thread ? found->second.get() : nullptr;
}

ErrnoResult<> ThreadGroup::check_context(Thread& thread, std::uint32_t entry) const {
  if (owner_of(thread) == nullptr || !module_->has_contexts()) {
    return refuse(Errno::kNotsup);
  }
  if (!thread.can_enter(entry)) {
    return refuse(Errno::kInval);
  }
  if (over_ || !has_room()) {
    return refuse(Errno::kAgain);
  }
  return {};
}

ErrnoResult<ContextId> ThreadGroup::create_context(const Thread& thread, std::uint32_t entry) {
  // Other threads have run since check_context().
  if (over_ || !has_room()) {
    return refuse(Errno::kAgain);
  }
  GuestThread& owner = *owner_of(thread);
  auto context = std::make_unique<Context>(process_, thread.id(), next_context_);
  auto instance = make_instance(context->thread);
  if (!instance) {
    return refuse(Errno::kAgain);
  }
  context->instance = *std::move(instance);
  auto fiber = context->instance->call_element(entry);
  if (!fiber) {
    return refuse(Errno::kAgain);
  }
  context->fiber = *std::move(fiber);
  // Now, and not when it is switched to, so that the caller hears of it. Nothing of the program
  // runs: it begins with the main context (native/src/rewrite_contexts.rs).
  if (!context->fiber->instantiate()) {
    return refuse(Errno::kAgain);
  }
  owner.contexts.emplace(next_context_, std::move(context));
  ++contexts_;
  return next_context_++;
}

Errno ThreadGroup::switch_context(Thread& thread, ContextId next) {
  GuestThread* const owner = owner_of(thread);
  if (owner == nullptr || !module_->has_contexts() || thread.winding()) {
    return Errno::kNotsup;
  }
  Context* const target = owner->get(next);
  if (target == nullptr || next == owner->active) {
    return Errno::kInval;
  }
  if (!thread.pass_globals(target->thread)) {
    return Errno::kNotsup;
  }
  // What the thread has not handled yet, the context that runs handles.
  target->thread.add_pending_signals(thread.pending_signals());
  thread.remove_pending_signals(thread.pending_signals());
  owner->active = next;
  if (next == kMainContext || target->begun) {
    target->fiber->wake();
  } else {
    target->begun = true;
    run(*target->fiber);
  }
  return Errno::kSuccess;
}

bool ThreadGroup::has_context(const Thread& thread, ContextId id) const noexcept {
  GuestThread* const owner = owner_of(thread);
  return owner != nullptr && owner->get(id) != nullptr;
}

bool ThreadGroup::runs(const Thread& context) const noexcept {
  const GuestThread* const owner = owner_of(context);
  return owner != nullptr && owner->active == context.context();
}

void ThreadGroup::destroy_context(const Thread& thread, ContextId id) noexcept {
  GuestThread* const owner = owner_of(thread);
  if (owner == nullptr || id == owner->active) {
    return;
  }
  // Out of the map first: what its fiber leaves behind must not be found.
  if (const auto ending = owner->contexts.extract(id); !ending.empty()) {
    --contexts_;
    process_.checkpoints().remove(thread.id(), id);
  }
}

// A context has nobody to return to: the program is to switch to another one instead, and destroy
// it.
engine::Outcome ThreadGroup::end_of_context(const Thread& context, const engine::Outcome& outcome) {
  using engine::EndReason;
  engine::Outcome end = outcome;
  if (context.context() == kMainContext) {
    return end;
  }
  if (outcome.reason == EndReason::kFinished && !context.exits_alone()) {
    end.reason = EndReason::kTrapped;
    end.message = fmt::format(
        "the function that context {} began in has returned: it must switch "
        "to another context instead",
        context.context());
  } else if (outcome.reason == EndReason::kNotStarted) {
    end.reason = EndReason::kTrapped;
  }
  return end;
}

}  // namespace selvedge::wasix
