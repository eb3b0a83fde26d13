#pragma once

// A write that goes on until all its bytes are taken, as write(2) does on a descriptor that blocks.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "wasix/internal/blocking.h"
#include "wasix/internal/guest_buffers.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

// Bytes that one write takes; more is a short count. MAX_RW_COUNT on Linux.
inline constexpr std::size_t kWriteBytesMax = 0x7fff'f000;

// One attempt at writing to the handle, which follows the `done` first bytes of a call; counts as
// output where that is limited. A pipe whose reader has left raises SIGPIPE also in the middle of a
// write, a socket does not.
ErrnoResult<std::size_t> put(Thread& thread, Handle& handle, std::span<const ByteSpan> buffers,
                             std::uint64_t done);

// What a call writes, and where it says how much: in guest memory, where it stays.
struct WriteRequest {
  Ptr<abi::Iovec> iovs;
  std::uint32_t iovs_len;
  Ptr<std::uint32_t> nwritten;
  // False: as if the handle did not block.
  bool waits = true;
};

// For attempt_or_wait. `Put`: ErrnoResult<std::size_t>(Thread&, Handle&, std::span<const ByteSpan>
// buffers, std::uint64_t done) makes one attempt at bytes that follow the `done` first ones.
//
// What ends a write early (an error, a signal, the timeout) shows in its count when anything has
// been taken by then, else in its errno. Handles that do not block, or take messages, get one
// attempt. The buffers are looked up anew after each wait.
template <class Put>
class WriteAttempt {
 public:
  WriteAttempt(WriteRequest request, Put put) noexcept : request_(request), put_(std::move(put)) {}

  Errno operator()(Thread& thread, Handle& handle) {
    turn_is_over_ = false;
    const engine::GuestMemory memory = thread.memory();
    WriteBuffers buffers;
    Errno error =
        buffers.gather(memory, request_.iovs, request_.iovs_len,
                       {.skip = done_, .bytes_max = std::min(kTransferBytesMax, left_at_most())});
    // Before anything is taken: a fault must not lose the count.
    if (error == Errno::kSuccess && !memory.bytes(request_.nwritten.address, kCountBytes)) {
      error = Errno::kFault;
    }
    if (error != Errno::kSuccess) {
      return stopped(thread, error);
    }
    const bool always_ready = handle.writable() == nullptr;
    const bool waits = !always_ready && request_.waits && !handle.nonblocking();
    const bool goes_on = (always_ready || waits) && !handle.takes_messages();
    for (;;) {
      const ErrnoResult<std::size_t> taken = put_(thread, handle, buffers.spans(), done_);
      if (!taken) {
        return taken.error() == Errno::kAgain && waits ? Errno::kAgain
                                                       : stopped(thread, taken.error());
      }
      done_ += *taken;
      buffers.drop(*taken);
      if (!goes_on || *taken == 0 || buffers.bytes_in_all() == 0 || left_at_most() == 0) {
        return finish(thread);
      }
      if (buffers.total() == 0) {
        turn_is_over_ = true;
        return Errno::kAgain;
      }
    }
  }

  // The event loop turns before the next attempt, for which there is nothing to wait.
  bool turn_is_over() const noexcept { return turn_is_over_; }
  Errno timed_out(Thread& thread, Handle& /*handle*/) const {
    return stopped(thread, Errno::kAgain);
  }
  std::optional<Errno> interrupted(Thread& thread, Handle& handle) const {
    // What never waits is not interrupted either; and SIGCHLD, of which the host cannot tell
    // whether the program ignores it, cuts no write in two.
    const bool goes_on =
        handle.writable() == nullptr || (done_ > 0 && !thread.process().wakes_sleepers(thread));
    return goes_on ? std::nullopt : std::optional(stopped(thread, Errno::kIntr));
  }

 private:
  static constexpr std::size_t kCountBytes = sizeof(std::uint32_t);

  std::size_t left_at_most() const noexcept { return kWriteBytesMax - done_; }
  Errno stopped(Thread& thread, Errno error) const { return done_ == 0 ? error : finish(thread); }
  Errno finish(Thread& thread) const {
    return thread.memory().write(request_.nwritten, static_cast<std::uint32_t>(done_))
               ? Errno::kSuccess
               : Errno::kFault;
  }

  WriteRequest request_;
  Put put_;
  std::size_t done_ = 0;
  bool turn_is_over_ = false;
};

}  // namespace selvedge::wasix::internal
