#pragma once

#include <sys/socket.h>

#include <cstdint>

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

// How many routers the packets of a socket of this family pass at most. Best effort.
void set_hops(int fd, const IpAddress& of_family, std::uint8_t hops) noexcept;

}  // namespace selvedge::io::internal
