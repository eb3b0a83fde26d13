#pragma once

// Unix sockets whose names are files, as bind(2), connect(2) and sendto(2) have them.
//
// In a workload without files, and for abstract names, a name is a text of its network.

#include "io/socket_address.h"
#include "wasix/errno_result.h"
#include "wasix/socket.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

// socket.bind(), with a file for the name. kAddrinuse: something has the name; else what making a
// file there says.
Errno bind_socket(Thread& thread, Socket& socket, const io::SocketAddress& address);
// What `address` is to the network of the caller. kConnrefused: the file is no socket, or nobody is
// bound to it; else what looking it up says.
ErrnoResult<io::SocketAddress> socket_at(Thread& thread, io::SocketAddress address);

}  // namespace selvedge::wasix::internal
