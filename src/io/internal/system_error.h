#pragma once

#include <string_view>

#include "base/result.h"
#include "io/socket_address.h"

namespace selvedge::io::internal {

// The error for `error_number` of a failed system call: "cannot WHAT: text of errno". `what` is an
// infinitive clause: "listen on 127.0.0.1:80".
[[gnu::cold]] Error error_from_errno(int error_number, std::string_view what);

// Of connect(2): without a route to `address` it is kNotFound.
[[gnu::cold]] Error connect_error(int error_number, const SocketAddress& address);

}  // namespace selvedge::io::internal
