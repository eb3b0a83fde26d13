#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <native.h>

#include "base/result.h"
#include "engine/call_stack.h"
#include "engine/guest_memory.h"
#include "engine/outcome.h"
#include "engine/pending_call.h"

namespace selvedge::engine {

class Fiber;
class Instance;

namespace internal {

template <auto kFunction>
struct Thunk;

}  // namespace internal

// The host's side of one guest thread: what host functions receive. Derive from it to hold the
// thread's own state (process, ids). One HostContext serves one Instance and outlives it; its
// address is fixed. It belongs to the shard that runs the guest.
class HostContext {
 public:
  HostContext() noexcept;
  virtual ~HostContext();
  HostContext(const HostContext&) = delete;
  HostContext& operator=(const HostContext&) = delete;

  // The guest's memory as it is now (its export "memory"; empty without one). Valid until the
  // guest runs again.
  GuestMemory memory() const noexcept {
    return {reinterpret_cast<std::byte*>(native_.memory_data), native_.memory_size};
  }

  // The fiber that runs on this guest thread. Only while one exists.
  Fiber& fiber() const noexcept;
  bool runs() const noexcept { return fiber_ != nullptr; }

  // Ends the guest as soon as the current host function (or PendingCall::poll) returns; whatever
  // it returns is ignored. Only from a host call or a poll; the first request counts.
  void exit(std::uint32_t code) noexcept;
  // The same as a trap. `reason`: one sentence for the log.
  void trap(std::string reason);
  // The same for a reason of the embedder's own choosing.
  void end(Outcome outcome);
  // Reaching into the guest: only from a host function that is not a Blocking one (and not from a
  // poll). An exported global of a number type, as the bits of its Wasm value; rewriting exports
  // every mutable one. Invalid when there is none of that name or it cannot be changed.
  Result<std::uint64_t> global(std::string_view name);
  Result<> set_global(std::string_view name, std::uint64_t bits);
  // Calls an exported function with up to 8 numbers and at most one result (0 without). It runs to
  // its end, not interrupted by the epoch: only for short functions of the guest's own runtime; one
  // that takes longer than some milliseconds fails.
  // After a failure inside the guest, the guest ends when the host function returns.
  Result<std::uint64_t> call_guest(std::string_view name,
                                   std::initializer_list<std::uint64_t> arguments = {});

  // ---- Contexts: call stacks that one guest thread switches between. Each has a HostContext, an
  // ---- instance of one module that has_contexts() on one memory, and a fiber; one runs at a time.
  // A context can begin at element `index` of the guest's table: it is a function without
  // parameters and results. Only from a host function.
  bool can_enter(std::uint32_t index) noexcept;
  // Leaves the values of the module's mutable globals, and of its libraries', to another context,
  // whose code finds them when it runs again. References stay what they are. Only from a host
  // function, while `next` waits in one or has not begun. Unsupported: there are too many.
  Result<> pass_globals(HostContext& next);

  // Grows the guest's own memory (not a shared one) by `pages` of 64 KiB, under its limits: the
  // pages it had; nullopt: refused. Only from a host function that is not a Blocking one.
  std::optional<std::uint32_t> grow_memory(std::uint32_t pages) noexcept;

  // ---- The call stack of a module with Asyncify (call_stack.h) ----
  // Begins to take it out of the guest; `then` is told when it is out. Only from a host function
  // that is not a Blocking one, which returns at once. Invalid: the guest ends with a trap, because
  // it is winding already, has no memory or its functions fail or do something else.
  Result<> unwind(std::unique_ptr<UnwoundCall> then);
  // The stack to put back: from UnwoundCall::unwound(), or before the guest's first fiber runs. It
  // was saved from an instance of the same module, else the guest traps.
  void rewind(std::shared_ptr<const SavedStack> stack);
  // Leaves the present stack and puts back another one when the host function returns; a trap while
  // winding. Only from a host call.
  void restart(std::shared_ptr<const SavedStack> stack);
  // The stack is back, and this host function the one whose call saved it. Only when rewinding(),
  // from a host function that is not a Blocking one. Invalid: the guest ends with a trap.
  Result<> finish_rewind();
  // A stack is on its way out or in: frames come and go, and code between the calls does not run.
  bool winding() const noexcept { return native_.winding != native::Winding::None; }
  bool rewinding() const noexcept { return native_.winding == native::Winding::Rewinding; }
  // A handler of signals runs in the middle of what the guest computed (next_signal()): its stack
  // cannot be taken out.
  bool in_handler() const noexcept { return native_.in_handler; }

  // A request to end was made in this call.
  bool ending() const noexcept { return native_.state == native::CallState::Ended; }

  // A signal that the guest's exported function `__wasm_signal (i32) -> ()` is called with now, and
  // when it has returned, the next one; 0: there is none. Asked after each host call of the guest,
  // on its shard. Asked also when a time slice ends, for a call in the middle of what the
  // guest computes, if the module exports the mutable global `__stack_pointer` too, and
  // not while a handler runs that was called so.
  virtual std::uint32_t next_signal() noexcept { return 0; }

 private:
  friend class Fiber;
  friend class GuestLinks;
  friend class Instance;
  template <auto kFunction>
  friend struct internal::Thunk;

  // What was done inside the guest has failed, perhaps with an end of the guest.
  void note_failure_inside(const Error& error);
  // Makes the call in progress wait for `call`.
  void suspend(std::unique_ptr<internal::ErasedCall> call) noexcept;

  struct Winding;
  static void stack_unwound(native::GuestContext* guest) noexcept;
  static std::uint32_t stack_rewinds(native::GuestContext* guest) noexcept;
  static std::uint32_t signal_for(native::GuestContext* guest) noexcept;
  Winding& winding_state();
  void take_stack();
  std::uint32_t give_stack();
  // The region takes the place of what the guest has there until uncover(): nobody else may see it.
  void cover(std::span<const std::byte> region);
  // Gives the region its own bytes back.
  void uncover();

  native::GuestContext native_;
  Instance* instance_ = nullptr;
  Fiber* fiber_ = nullptr;
  std::unique_ptr<internal::ErasedCall> pending_;
  std::unique_ptr<Winding> winding_;
  Outcome ending_;
};

}  // namespace selvedge::engine
