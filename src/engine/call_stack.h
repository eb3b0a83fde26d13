#pragma once

// A guest's call stack, taken out of the guest and put back: into the same instance later, or into
// another one of the same module. Wasm has no such operation; a module that was built with Asyncify
// carries code for it (https://github.com/WebAssembly/binaryen/blob/main/src/passes/Asyncify.cpp)
// and exports five functions. What they do is the guest's affair: ones that do something else harm
// their own guest only.
//
//   void UnwoundFork::unwound(std::shared_ptr<const SavedStack> stack) { ...; guest.rewind(stack);
//   }
//
//   Errno fork(Guest& guest) {
//     if (guest.rewinding()) {           // the second call of the same host function
//       return guest.finish_rewind() ? result : kFault;
//     }
//     guest.unwind(std::make_unique<UnwoundFork>(guest));
//     return kSuccess;                   // which the unwinding guest does not look at
//   }
//
// The guest's frames pass through a region at the top of its memory, which then gets its own bytes
// back: the guest needs to set none apart. No other thread of the guest runs while they are there,
// on this shard or another: it would find them in the place of its own bytes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/pending_call.h"

namespace selvedge::engine {

// A call stack outside of its guest: what Asyncify wrote, and the values of the module's mutable
// globals at that moment. Immutable; any thread.
struct SavedStack {
  // A deeper stack ends its guest.
  static constexpr std::size_t kBytesMax = std::size_t{512} << 10;

  std::vector<std::byte> frames;
  std::vector<std::byte> globals;

  std::size_t size() const noexcept { return frames.size() + globals.size(); }
};

// What is to happen when a guest's stack has been unwound. Owned by the guest's HostContext.
class UnwoundCall {
 public:
  virtual ~UnwoundCall() = default;
  // The shard's own stack; the guest's frames are in `stack` and its memory is as they left it.
  // Says how it goes on: HostContext::rewind() with this stack or another, or HostContext::end().
  // What it returns, if anything, the guest waits for first.
  virtual std::unique_ptr<PendingCall<std::uint32_t>> unwound(
      std::shared_ptr<const SavedStack> stack) = 0;
};

}  // namespace selvedge::engine
