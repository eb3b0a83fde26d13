#include "wasix/checkpoints.h"

#include <utility>

namespace selvedge::wasix {

std::optional<CheckpointId> CheckpointTable::add(Checkpoint checkpoint,
                                                 const engine::GuestMemory& memory) {
  const std::size_t bytes = checkpoint.size();
  if (!has_room(bytes)) {
    remove_if([&memory](CheckpointId id, const Checkpoint& old) {
      return memory.read(engine::GuestPtr<CheckpointId>{old.id_address}) != id;
    });
  }
  if (!has_room(bytes)) {
    return std::nullopt;
  }
  bytes_ += bytes;
  checkpoints_.emplace(next_id_, std::move(checkpoint));
  return next_id_++;
}

bool CheckpointTable::has_room(std::size_t bytes) const noexcept {
  return checkpoints_.size() < kCheckpointsMax && bytes <= kCheckpointBytesMax - bytes_;
}

template <class Predicate>
void CheckpointTable::remove_if(Predicate predicate) {
  std::erase_if(checkpoints_, [this, &predicate](const auto& item) {
    if (!predicate(item.first, item.second)) {
      return false;
    }
    bytes_ -= item.second.size();
    return true;
  });
}

const Checkpoint* CheckpointTable::find(CheckpointId id, ThreadId thread,
                                        ContextId context) const noexcept {
  const auto found = checkpoints_.find(id);
  const bool is_own = found != checkpoints_.end() && found->second.thread == thread &&
                      found->second.context == context;
  return is_own ? &found->second : nullptr;
}

void CheckpointTable::remove(ThreadId thread) noexcept {
  remove_if([thread](CheckpointId, const Checkpoint& old) { return old.thread == thread; });
}

void CheckpointTable::remove(ThreadId thread, ContextId context) noexcept {
  remove_if([thread, context](CheckpointId, const Checkpoint& old) {
    return old.thread == thread && old.context == context;
  });
}

void CheckpointTable::clear() noexcept {
  checkpoints_.clear();
  bytes_ = 0;
}

CheckpointTable CheckpointTable::forked(ThreadId thread) const {
  CheckpointTable copy = *this;
  copy.remove_if([thread](CheckpointId, const Checkpoint& old) {
    return old.thread != thread || old.context != kMainContext;
  });
  for (auto& [id, checkpoint] : copy.checkpoints_) {
    checkpoint.thread = kMainThread;
  }
  return copy;
}

}  // namespace selvedge::wasix
