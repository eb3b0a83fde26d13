#pragma once

// The call stacks that a process has saved to come back to them (setjmp). A program never says that
// it needs one no more, so their number and bytes are bounded, and those that it has written over
// go when room is needed.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "engine/call_stack.h"
#include "engine/guest_memory.h"
#include "wasix/thread.h"

namespace selvedge::wasix {

// Names a checkpoint of one process; never used again in its life. 0 is none.
using CheckpointId = std::uint64_t;

struct Checkpoint {
  // Only this context of this thread comes back to it.
  ThreadId thread = kMainThread;
  ContextId context = kMainContext;
  std::shared_ptr<const engine::SavedStack> stack;
  // Where the guest keeps the identifier.
  std::uint32_t id_address = 0;
  // Where the call that saved it leaves its value, each time it returns.
  std::uint32_t value_address = 0;
  // Those of signals that the stack leads through; nullptr: none.
  std::shared_ptr<const InterruptedHandlers> handlers = nullptr;

  std::size_t size() const noexcept {
    return stack->size() +
           (handlers != nullptr ? handlers->size() * sizeof(InterruptedHandler) : 0);
  }
};

// Of one process; one shard's thread.
class CheckpointTable {
 public:
  static constexpr std::size_t kCheckpointsMax = 1024;
  static constexpr std::size_t kCheckpointBytesMax = std::size_t{8} << 20;

  // nullopt: there is no room, though those whose identifier is not in `memory` any more have gone.
  std::optional<CheckpointId> add(Checkpoint checkpoint, const engine::GuestMemory& memory);
  // nullptr: that context of `thread` has none of that name.
  const Checkpoint* find(CheckpointId id, ThreadId thread,
                         ContextId context = kMainContext) const noexcept;
  // The thread has ended.
  void remove(ThreadId thread) noexcept;
  // The context has.
  void remove(ThreadId thread, ContextId context) noexcept;
  void clear() noexcept;
  // What a process that is forked from `thread` has: its checkpoints, as the main thread's.
  CheckpointTable forked(ThreadId thread) const;

  std::size_t size() const noexcept { return checkpoints_.size(); }

 private:
  bool has_room(std::size_t bytes) const noexcept;
  template <class Predicate>
  void remove_if(Predicate predicate);

  CheckpointId next_id_ = 1;
  std::size_t bytes_ = 0;
  std::map<CheckpointId, Checkpoint> checkpoints_;
};

}  // namespace selvedge::wasix
