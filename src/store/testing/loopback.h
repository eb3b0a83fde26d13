#pragma once

// Sockets on 127.0.0.1 for the servers of tests.

#include "base/unique_fd.h"

namespace selvedge::store::testing {

// Listens on a port that the kernel chooses and writes it to `port`.
base::UniqueFd listen_on_loopback(int& port);
// None when nobody listens.
base::UniqueFd connect_to_loopback(int port);

}  // namespace selvedge::store::testing
