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

inline Errno write_count(Thread& thread, Ptr<std::uint32_t> target,
                         const ErrnoResult<std::size_t>& count) {
  SELVEDGE_TRY_ERRNO(const std::size_t value, count);
  return thread.memory().write(target, static_cast<std::uint32_t>(value)) ? Errno::kSuccess
                                                                          : Errno::kFault;
}

// `Finish`: Errno(Thread&, File&, span of buffers).
template <class Finish>
Errno finish_read(Thread& thread, File& file, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                  const Finish& finish) {
  ReadBuffers buffers;
  if (const Errno error = buffers.gather(thread.memory(), iovs, iovs_len);
      error != Errno::kSuccess) {
    return error;
  }
  return finish(thread, file, buffers.spans());
}

template <class Finish>
io::Task<Errno> load_and_finish(Thread& thread, std::shared_ptr<File> file, std::uint64_t offset,
                                std::size_t length, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                                Finish finish) {
  SELVEDGE_CO_TRY(const Errno loaded,
                  co_await run_on_helper(thread, [file, offset, length]() -> ErrnoResult<> {
                    file->load(offset, length);
                    return {};
                  }));
  static_cast<void>(loaded);  // the read meets the error, if there is one
  co_return finish_read(thread, *file, iovs, iovs_len, finish);
}

// Brings the bytes at `offset` into memory, then reads them with `finish`.
template <class Finish>
BlockingErrno read_from_disk(Thread& thread, std::shared_ptr<File> file, std::uint64_t offset,
                             Ptr<abi::Iovec> iovs, std::uint32_t iovs_len, Finish finish) {
  if (thread.process().shard().helpers == nullptr) {
    return finish_read(thread, *file, iovs, iovs_len, finish);
  }
  ReadBuffers buffers;
  if (const Errno error = buffers.gather(thread.memory(), iovs, iovs_len);
      error != Errno::kSuccess) {
    return error;
  }
  return wait_for(thread, load_and_finish(thread, std::move(file), offset, buffers.total(), iovs,
                                          iovs_len, std::move(finish)));
}

}  // namespace selvedge::wasix::internal
