// Sockets. No descriptor is one yet, so every call finds out that its descriptor is not a socket.

#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

namespace {

Errno not_a_socket(Thread& thread, GuestFd fd) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  static_cast<void>(descriptor);
  return Errno::kNotsock;
}

}  // namespace

BlockingErrno sock_accept(Thread& thread, GuestFd fd, std::uint32_t flags,
                          Ptr<GuestFd> /*accepted_fd*/) {
  if (const auto checked = read_flags<Fdflags>(flags); !checked) {
    return checked.error();
  }
  return not_a_socket(thread, fd);
}

BlockingErrno sock_recv(Thread& thread, GuestFd fd, Ptr<abi::Iovec> /*ri_data*/,
                        std::uint32_t /*ri_data_len*/, std::uint32_t ri_flags,
                        Ptr<std::uint32_t> /*nread*/, Ptr<std::uint16_t> /*ro_flags*/) {
  if (const auto checked = read_flags<Riflags>(ri_flags); !checked) {
    return checked.error();
  }
  return not_a_socket(thread, fd);
}

BlockingErrno sock_send(Thread& thread, GuestFd fd, Ptr<abi::Iovec> /*si_data*/,
                        std::uint32_t /*si_data_len*/, std::uint32_t si_flags,
                        Ptr<std::uint32_t> /*nwritten*/) {
  if (si_flags != 0) {
    return Errno::kInval;
  }
  return not_a_socket(thread, fd);
}

Errno sock_shutdown(Thread& thread, GuestFd fd, std::uint32_t how) {
  SELVEDGE_TRY_ERRNO(const Sdflags directions, read_flags<Sdflags>(how));
  if (directions == Sdflags::kNone) {
    return Errno::kInval;
  }
  return not_a_socket(thread, fd);
}

void register_wasix_sockets(engine::HostFunctions& /*functions*/) {}

}  // namespace selvedge::wasix::internal
