// Sockets: receiving and sending.

#include <algorithm>
#include <utility>
#include <vector>

#include "wasix/file_handle.h"
#include "wasix/internal/disk.h"
#include "wasix/internal/guest_buffers.h"
#include "wasix/internal/host_calls_socket.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/socket_abi.h"
#include "wasix/internal/socket_files.h"
#include "wasix/internal/socket_lookup.h"
#include "wasix/internal/write_attempt.h"

namespace selvedge::wasix::internal {

namespace {

// Bytes of a file that are sent between two turns of the event loop.
constexpr std::size_t kSendFileBytesMax = 65'536;

// The buffers without their first `count` bytes.
std::vector<MutableByteSpan> skip(std::span<const MutableByteSpan> buffers, std::size_t count) {
  std::vector<MutableByteSpan> rest;
  for (const MutableByteSpan buffer : buffers) {
    const std::size_t skipped = std::min(count, buffer.size());
    count -= skipped;
    rest.push_back(buffer.subspan(skipped));
  }
  return rest;
}

// One sock_recv or sock_recv_from: what it was asked, and how far it is (kRecvWaitall).
class ReceiveCall {
 public:
  struct Request {
    Ptr<abi::Iovec> data;
    std::uint32_t data_len;
    Riflags flags;
    Ptr<std::uint32_t> nread;
    Ptr<std::uint16_t> ro_flags;
    std::optional<Ptr<abi::AddrPort>> from;
  };

  explicit ReceiveCall(Request request) noexcept : request_(request) {}

  Errno operator()(Thread& thread, Handle& handle) {
    ReadBuffers buffers;
    if (const Errno error = check(thread.memory(), buffers); error != Errno::kSuccess) {
      return error;
    }
    Socket& socket = *handle.as_socket();
    const bool peek = has_any(request_.flags, Riflags::kRecvPeek);
    const bool whole = has_any(request_.flags, Riflags::kRecvWaitall) && !peek &&
                       socket.type() == SockType::kStream;
    for (;;) {
      const auto received = done_ == 0
                                ? socket.try_receive(buffers.spans(), {.peek = peek})
                                : socket.try_receive(skip(buffers.spans(), done_), {.peek = peek});
      if (!received) {
        const bool waits = received.error() == Errno::kAgain && !does_not_wait(handle);
        return done_ == 0 || waits ? received.error() : finish(thread);
      }
      done_ += received->count;
      last_ = *received;
      if (!whole || received->count == 0 || done_ == buffers.total()) {
        return finish(thread);
      }
    }
  }

  // What came until then is the result, if anything did.
  Errno timed_out(Thread& thread, Handle& /*handle*/) {
    return done_ == 0 ? Errno::kAgain : finish(thread);
  }

  bool does_not_wait(const Handle& handle) const noexcept {
    return handle.nonblocking() || has_any(request_.flags, Riflags::kRecvDontWait);
  }

 private:
  // Before anything is taken out of the socket: a fault must not lose bytes.
  Errno check(engine::GuestMemory memory, ReadBuffers& buffers) const {
    if (const Errno error = buffers.gather(memory, request_.data, request_.data_len);
        error != Errno::kSuccess) {
      return error;
    }
    const bool writable =
        memory.bytes(request_.nread.address, sizeof(std::uint32_t)) &&
        memory.bytes(request_.ro_flags.address, sizeof(std::uint16_t)) &&
        (!request_.from || memory.bytes(request_.from->address, sizeof(abi::AddrPort)));
    return writable ? Errno::kSuccess : Errno::kFault;
  }

  Errno finish(Thread& thread) const {
    const engine::GuestMemory memory = thread.memory();
    const bool truncated = last_.length > last_.count;
    const std::size_t count =
        truncated && has_any(request_.flags, Riflags::kRecvDataTruncated) ? last_.length : done_;
    const auto flags = truncated ? Roflags::kRecvDataTruncated : Roflags::kNone;
    if (request_.from && !memory.write(*request_.from, write_address(last_.from))) {
      return Errno::kFault;
    }
    return memory.write(request_.nread, static_cast<std::uint32_t>(count)) &&
                   memory.write(request_.ro_flags, static_cast<std::uint16_t>(flags))
               ? Errno::kSuccess
               : Errno::kFault;
  }

  Request request_;
  std::size_t done_ = 0;
  Received last_;
};

BlockingErrno receive(Thread& thread, GuestFd fd, std::uint32_t flags,
                      ReceiveCall::Request request) {
  const auto checked = read_flags<Riflags>(flags);
  if (!checked) {
    return checked.error();
  }
  const auto found = find_socket(thread, fd, Rights::kFdRead);
  if (!found) {
    return found.error();
  }
  request.flags = *checked;
  ReceiveCall call(request);
  io::Event* const event = call.does_not_wait(*found->handle) ? nullptr : found->handle->readable();
  return attempt_or_wait(thread, found->handle, event, std::move(call),
                         receive_timeout(*found->handle));
}

// Preview 1 defines no flags for sending; wasix-libc passes this one for MSG_DONTWAIT.
constexpr std::uint32_t kSendDontWait = 1;

BlockingErrno send(Thread& thread, GuestFd fd, std::uint32_t flags, WriteRequest request,
                   std::optional<io::SocketAddress> destination) {
  const auto found = find_socket(thread, fd, Rights::kFdWrite);
  if (!found) {
    return found.error();
  }
  if ((flags & ~kSendDontWait) != 0) {
    return Errno::kInval;
  }
  const auto put = [target = std::move(destination)](Thread& /*thread*/, Handle& handle,
                                                     std::span<const ByteSpan> buffers,
                                                     std::uint64_t /*done*/) {
    return handle.as_socket()->try_send(buffers, target ? &*target : nullptr);
  };
  request.waits = (flags & kSendDontWait) == 0;
  WriteAttempt attempt(request, put);
  if (!request.waits) {
    return attempt(thread, *found->handle);
  }
  return attempt_or_wait(thread, found->handle, found->handle->writable(), std::move(attempt),
                         send_timeout(*found->handle));
}

// Sends a part of a file, piece by piece. The file's own offset stays. What ends it early shows in
// its count when anything was sent by then, else in its errno.
class SendFileAttempt {
 public:
  struct Request {
    std::shared_ptr<File> file;
    std::uint64_t offset;
    std::uint64_t count;
    Ptr<std::uint64_t> nwritten;
  };

  explicit SendFileAttempt(Request request) noexcept : request_(std::move(request)) {}

  Errno operator()(Thread& thread, Handle& handle) {
    turn_is_over_ = false;
    if (!thread.memory().bytes(request_.nwritten.address, sizeof(std::uint64_t))) {
      return stopped(thread, Errno::kFault);
    }
    std::vector<std::byte> bytes(piece_bytes());
    const MutableByteSpan target(bytes);
    const ErrnoResult<std::size_t> read =
        request_.file->pread(std::span(&target, 1), offset(), Wait::kAllowed);
    if (!read) {
      return stopped(thread, read.error());
    }
    const ByteSpan source = ByteSpan(bytes).first(*read);
    const std::span sources(&source, 1);
    Socket* const socket = handle.as_socket();
    const ErrnoResult<std::size_t> sent = socket != nullptr ? socket->try_send(sources, nullptr)
                                                            : put(thread, handle, sources, done_);
    if (!sent) {
      return sent.error() == Errno::kAgain && !handle.nonblocking() ? Errno::kAgain
                                                                    : stopped(thread, sent.error());
    }
    done_ += *sent;
    if (*sent == 0 || done_ == request_.count || handle.nonblocking() || handle.takes_messages()) {
      return finish(thread);
    }
    turn_is_over_ = *sent == *read;
    return Errno::kAgain;
  }

  const std::shared_ptr<File>& file() const noexcept { return request_.file; }
  // Of the next piece.
  std::uint64_t offset() const noexcept { return request_.offset + done_; }
  std::size_t piece_bytes() const noexcept {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(request_.count - done_, kSendFileBytesMax));
  }

  bool turn_is_over() const noexcept { return turn_is_over_; }
  Errno timed_out(Thread& thread, Handle& /*handle*/) const {
    return stopped(thread, Errno::kAgain);
  }
  // Not by SIGCHLD in the middle, as WriteAttempt.
  std::optional<Errno> interrupted(Thread& thread, Handle& /*handle*/) const {
    const bool goes_on = done_ > 0 && !thread.process().wakes_sleepers(thread);
    return goes_on ? std::nullopt : std::optional(stopped(thread, Errno::kIntr));
  }

 private:
  Errno stopped(Thread& thread, Errno error) const { return done_ == 0 ? error : finish(thread); }
  Errno finish(Thread& thread) const {
    return thread.memory().write(request_.nwritten, done_) ? Errno::kSuccess : Errno::kFault;
  }

  Request request_;
  std::uint64_t done_ = 0;
  bool turn_is_over_ = false;
};

io::Task<Errno> load_and_send(Thread& thread, std::shared_ptr<Handle> handle,
                              SendFileAttempt attempt) {
  const std::optional<base::Duration> timeout = send_timeout(*handle);
  const io::Deadline deadline =
      timeout ? thread.process().shard().reactor.deadline_after(*timeout) : io::Deadline::never();
  for (;;) {
    SELVEDGE_CO_TRY(const Errno loaded,
                    co_await run_on_helper(thread,
                                           [file = attempt.file(), offset = attempt.offset(),
                                            count = attempt.piece_bytes()]() -> ErrnoResult<> {
                                             file->load(offset, count);
                                             return {};
                                           }));
    static_cast<void>(loaded);  // the read meets the error, if there is one
    do {
      const Errno result = attempt(thread, *handle);
      if (result != Errno::kAgain || (handle->nonblocking() && !attempt.turn_is_over())) {
        co_return result;
      }
      if (!attempt.turn_is_over() && !co_await handle->writable()->wait(deadline)) {
        co_return attempt.timed_out(thread, *handle);
      }
    } while (!attempt.turn_is_over());
  }
}

}  // namespace

BlockingErrno sock_recv(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                        std::uint32_t ri_data_len, std::uint32_t ri_flags, Ptr<std::uint32_t> nread,
                        Ptr<std::uint16_t> ro_flags) {
  return receive(thread, fd, ri_flags,
                 {.data = ri_data,
                  .data_len = ri_data_len,
                  .flags = Riflags::kNone,
                  .nread = nread,
                  .ro_flags = ro_flags,
                  .from = std::nullopt});
}

BlockingErrno sock_recv_from(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                             std::uint32_t ri_data_len, std::uint32_t ri_flags,
                             Ptr<std::uint32_t> nread, Ptr<std::uint16_t> ro_flags,
                             Ptr<abi::AddrPort> from) {
  return receive(thread, fd, ri_flags,
                 {.data = ri_data,
                  .data_len = ri_data_len,
                  .flags = Riflags::kNone,
                  .nread = nread,
                  .ro_flags = ro_flags,
                  .from = from});
}

// recvmsg(2). There is never ancillary data; without an address to write it to, the sender's is not
// told.
BlockingErrno sock_recv_msg(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                            std::uint32_t ri_data_len, std::uint32_t ri_flags,
                            Ptr<abi::AddrPort> from, Ptr<std::uint8_t> /*control*/,
                            std::uint32_t /*control_len*/, Ptr<std::uint32_t> nread,
                            Ptr<std::uint16_t> ro_flags, Ptr<std::uint32_t> control_out_len) {
  if (!thread.memory().write(control_out_len, 0)) {
    return Errno::kFault;
  }
  return receive(thread, fd, ri_flags,
                 {.data = ri_data,
                  .data_len = ri_data_len,
                  .flags = Riflags::kNone,
                  .nread = nread,
                  .ro_flags = ro_flags,
                  .from = from.is_null() ? std::nullopt : std::optional(from)});
}

BlockingErrno sock_send(Thread& thread, GuestFd fd, Ptr<abi::Iovec> si_data,
                        std::uint32_t si_data_len, std::uint32_t si_flags,
                        Ptr<std::uint32_t> nwritten) {
  return send(thread, fd, si_flags,
              {.iovs = si_data, .iovs_len = si_data_len, .nwritten = nwritten}, std::nullopt);
}

// An address without a family means: where the socket is connected to.
BlockingErrno sock_send_to(Thread& thread, GuestFd fd, Ptr<abi::Iovec> si_data,
                           std::uint32_t si_data_len, std::uint32_t si_flags,
                           Ptr<abi::AddrPort> destination, Ptr<std::uint32_t> nwritten) {
  const auto found = find_socket(thread, fd, Rights::kFdWrite);
  if (!found) {
    return found.error();
  }
  const auto raw = thread.memory().read(destination);
  if (!raw) {
    return Errno::kFault;
  }
  std::optional<io::SocketAddress> target;
  if ((*found)->type() == SockType::kDgram) {
    auto address = read_address(*raw);
    if (!address) {
      return address.error();
    }
    if (*address) {
      auto way = socket_at(thread, **std::move(address));
      if (!way) {
        return way.error();
      }
      target = *std::move(way);
    }
  }
  return send(thread, fd, si_flags,
              {.iovs = si_data, .iovs_len = si_data_len, .nwritten = nwritten}, std::move(target));
}

// sendfile(2), which is not for sockets only: std::filesystem::copy_file() of libc++ uses it.
BlockingErrno sock_send_file(Thread& thread, GuestFd out_fd, GuestFd in_fd, std::uint64_t offset,
                             std::uint64_t count, Ptr<std::uint64_t> nwritten) {
  const auto out = thread.process().handles().find(out_fd, Rights::kFdWrite);
  if (!out) {
    return out.error();
  }
  const std::shared_ptr<Handle> handle = (*out)->handle;
  const auto in = find_file(thread, in_fd, Rights::kFdRead, Errno::kInval);
  if (!in) {
    return in.error();
  }
  SendFileAttempt attempt({.file = (*in)->file(),
                           .offset = offset,
                           .count = std::min<std::uint64_t>(count, kWriteBytesMax),
                           .nwritten = nwritten});
  if (attempt.file()->waits_for_disk() && thread.process().shard().helpers != nullptr) {
    return wait_for(thread, load_and_send(thread, handle, std::move(attempt)));
  }
  return attempt_or_wait(thread, handle, handle->writable(), std::move(attempt),
                         send_timeout(*handle));
}

Errno sock_shutdown(Thread& thread, GuestFd fd, std::uint32_t how) {
  SELVEDGE_TRY_ERRNO(const Sdflags directions, read_flags<Sdflags>(how));
  if (directions == Sdflags::kNone) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd, Rights::kSockShutdown));
  return found->shutdown(directions);
}

}  // namespace selvedge::wasix::internal
