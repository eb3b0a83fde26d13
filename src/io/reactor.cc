#include "io/reactor.h"

namespace selvedge::io {

void Reactor::run_ready() noexcept {
  for (std::uint32_t round = 0; round < kReadyRoundsMax && !ready_.empty(); ++round) {
    // What this round queues runs in the next one. Work that is destroyed or queued anew by other
    // work leaves `batch` by itself.
    internal::List<QueuedWork> batch;
    batch.splice_back(ready_);
    while (QueuedWork* work = batch.pop_front()) {
      begin_work();
      work->callback_(*work);
    }
  }
}

}  // namespace selvedge::io
