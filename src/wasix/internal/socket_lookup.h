#pragma once

// What the functions of sockets begin with: the socket behind a descriptor, and its timeouts.

#include <memory>
#include <optional>

#include "base/clock.h"
#include "wasix/errno_result.h"
#include "wasix/process.h"
#include "wasix/socket.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

// The handle is for calls that wait; both are the same object.
struct FoundSocket {
  std::shared_ptr<Handle> handle;
  Socket* socket;

  Socket* operator->() const noexcept { return socket; }
};

// kBadf: not open; kNotsock: something else; kNotcapable: a right is missing.
inline ErrnoResult<FoundSocket> find_socket(Thread& thread, GuestFd fd,
                                            Rights wanted = Rights::kNone) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  Socket* const socket = descriptor->handle->as_socket();
  if (socket == nullptr) {
    return refuse(Errno::kNotsock);
  }
  if (!has_all(descriptor->rights_base, wanted)) {
    return refuse(Errno::kNotcapable);
  }
  return FoundSocket{.handle = descriptor->handle, .socket = socket};
}

// How long a call may wait on any handle: SO_RCVTIMEO and SO_SNDTIMEO of sockets.
inline std::optional<base::Duration> receive_timeout(Handle& handle) {
  const Socket* const socket = handle.as_socket();
  return socket == nullptr ? std::nullopt : socket->options().receive_timeout;
}
inline std::optional<base::Duration> send_timeout(Handle& handle) {
  const Socket* const socket = handle.as_socket();
  return socket == nullptr ? std::nullopt : socket->options().send_timeout;
}

}  // namespace selvedge::wasix::internal
