#pragma once

// Socket addresses as WASIX writes them in guest memory, and back.

#include <optional>

#include "io/socket_address.h"
#include "wasix/abi_socket.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix::internal {

// nullopt: no address (AF_UNSPEC), which connect(2) and sendto(2) give a meaning. kAfnosupport: an
// unknown family; kInval: a unix path longer than SocketAddress::kUnixPathBytesMax, or an abstract
// one with a zero byte inside.
ErrnoResult<std::optional<io::SocketAddress>> read_address(const abi::AddrPort& address);
abi::AddrPort write_address(const io::SocketAddress& address) noexcept;

}  // namespace selvedge::wasix::internal
