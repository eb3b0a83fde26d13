#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <native.h>

#include "engine/guest_memory.h"
#include "engine/outcome.h"

namespace selvedge::engine {

class Fiber;
class Instance;

namespace internal {

// A PendingCall<R> with its R erased.
class ErasedCall {
 public:
  virtual ~ErasedCall() = default;
  // True when done; `bits` is then the result as a Wasm value.
  virtual bool poll(std::uint64_t& bits) = 0;
};

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

  // Ends the guest as soon as the current host function (or PendingCall::poll) returns; whatever
  // it returns is ignored. Only from a host call or a poll; the first request counts.
  void exit(std::uint32_t code) noexcept;
  // The same as a trap. `reason`: one sentence for the log.
  void trap(std::string reason);
  // The same for a reason of the embedder's own choosing.
  void end(Outcome outcome);
  // A request to end was made in this call.
  bool ending() const noexcept { return native_.state == native::CallState::Ended; }

 private:
  friend class Fiber;
  friend class Instance;
  template <auto kFunction>
  friend struct internal::Thunk;

  // Makes the call in progress wait for `call`.
  void suspend(std::unique_ptr<internal::ErasedCall> call) noexcept;

  native::GuestContext native_;
  Instance* instance_ = nullptr;
  Fiber* fiber_ = nullptr;
  std::unique_ptr<internal::ErasedCall> pending_;
  Outcome ending_;
};

}  // namespace selvedge::engine
