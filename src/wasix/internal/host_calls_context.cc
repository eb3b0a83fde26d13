// Contexts (coroutines): call stacks that a guest thread switches between. Errors are those of
// wasix/context.h in wasix-libc, whose contract this is.

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/module_info.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

// Fibers come and go on the shard's own stack only: these two calls are done in a poll.
class CreateCall final : public engine::PendingCall<Errno> {
 public:
  CreateCall(Thread& thread, Ptr<ContextId> id, std::uint32_t entry)
      : thread_(thread), id_(id), entry_(entry) {
    thread.fiber().wake();
  }
  std::optional<Errno> poll() override {
    const auto made = thread_.owner().threads().create_context(thread_, entry_);
    if (!made) {
      return made.error();
    }
    return thread_.memory().write(id_, *made) ? Errno::kSuccess : Errno::kFault;
  }

 private:
  Thread& thread_;
  Ptr<ContextId> id_;
  std::uint32_t entry_;
};

class DestroyCall final : public engine::PendingCall<Errno> {
 public:
  DestroyCall(Thread& thread, ContextId id) : thread_(thread), id_(id) { thread.fiber().wake(); }
  std::optional<Errno> poll() override {
    thread_.owner().threads().destroy_context(thread_, id_);
    return Errno::kSuccess;
  }

 private:
  Thread& thread_;
  ContextId id_;
};

// The context waits until it is switched to. A signal does not end this wait: it is for the
// context that runs.
class SwitchCall final : public engine::PendingCall<Errno> {
 public:
  explicit SwitchCall(Thread& thread) noexcept : thread_(thread) {}
  std::optional<Errno> poll() override {
    return thread_.owner().threads().runs(thread_) ? std::optional(Errno::kSuccess) : std::nullopt;
  }

 private:
  Thread& thread_;
};

// A context that is suspended, and begins in the function at element `entry` of the table, which
// must not return. kInval: there is no function without parameters and results; kNotsup: the module
// can have no contexts, or the caller is a child of proc_fork_env; kAgain: too many.
BlockingErrno context_create(Thread& thread, Ptr<ContextId> id, std::uint32_t entry) {
  if (!thread.memory().bytes(id.address, sizeof(ContextId))) {
    return Errno::kFault;
  }
  if (thread.is_child()) {
    return Errno::kNotsup;
  }
  if (const auto checked = thread.owner().threads().check_context(thread, entry); !checked) {
    return checked.error();
  }
  return std::make_unique<CreateCall>(thread, id, entry);
}

// Returns when another context switches back. kInval: the thread has no such context; kNotsup: the
// caller is a child of proc_fork_env, which the other context is not.
BlockingErrno context_switch(Thread& thread, ContextId next) {
  if (next == thread.context()) {
    return Errno::kSuccess;
  }
  if (thread.is_child()) {
    return Errno::kNotsup;
  }
  const Errno switched = thread.owner().threads().switch_context(thread, next);
  if (switched != Errno::kSuccess) {
    return switched;
  }
  return std::make_unique<SwitchCall>(thread);
}

// kInval: it runs, or is the main one. A context that is gone, or never was, is destroyed.
BlockingErrno context_destroy(Thread& thread, ContextId id) {
  if (id == kMainContext || id == thread.context()) {
    return Errno::kInval;
  }
  if (!thread.owner().threads().has_context(thread, id)) {
    return Errno::kSuccess;
  }
  return std::make_unique<DestroyCall>(thread, id);
}

// What rewriting asks when an instance has been made: whether to begin the program's data and run
// its start function (native/src/rewrite_contexts.rs).
std::uint32_t begins(Thread& thread) { return thread.context() == kMainContext ? 1 : 0; }

}  // namespace

void register_wasix_contexts(engine::HostFunctions& functions) {
  functions.define<&context_create>(kWasixModule, "context_create");
  functions.define<&context_switch>(kWasixModule, "context_switch");
  functions.define<&context_destroy>(kWasixModule, "context_destroy");
  functions.define<&begins>(engine::kRewriteHostModule, "begins");
}

}  // namespace selvedge::wasix::internal
