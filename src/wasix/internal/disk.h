#pragma once

// Host calls that may wait for a disk: their slow part runs on a helper thread while the guest is
// suspended.

#include <cstdint>
#include <memory>
#include <utility>

#include "io/helper_pool.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/guest_buffers.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

// `Operation`: ErrnoResult<>(), owns what it needs, any thread.
template <class Operation>
io::Task<Errno> run_on_helper(Thread& thread, Operation operation) {
  const ProcessShard& shard = thread.process().shard();
  SELVEDGE_CO_TRY(const Errno error,
                  co_await shard.helpers->run(
                      shard.reactor, [operation = std::move(operation)]() mutable -> Result<Errno> {
                        const ErrnoResult<> result = operation();
                        return result ? Errno::kSuccess : result.error();
                      }));
  co_return error;
}

template <class Operation>
BlockingErrno run_on_disk(Thread& thread, bool waits, Operation operation) {
  if (!waits || thread.process().shard().helpers == nullptr) {
    const ErrnoResult<> result = operation();
    return result ? Errno::kSuccess : result.error();
  }
  return wait_for(thread, run_on_helper(thread, std::move(operation)));
}

}  // namespace selvedge::wasix::internal
