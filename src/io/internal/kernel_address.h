#pragma once

#include <sys/socket.h>

#include "io/socket_address.h"

namespace selvedge::io::internal {

// A socket address as system calls take and give it.
struct KernelAddress {
  sockaddr_storage storage;
  socklen_t length;

  // To be filled by a system call.
  static KernelAddress empty() noexcept;
  static KernelAddress from(const SocketAddress& address) noexcept;
  // Families that SocketAddress does not know become the default address.
  SocketAddress to_socket_address() const;

  sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

}  // namespace selvedge::io::internal
