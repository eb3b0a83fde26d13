#include "node/listen_address.h"

#include "base/format.h"
#include "io/kernel_network.h"

namespace selvedge::node {
namespace {

// Without sharing the port, as the shards will: another program's port is an error.
Result<io::SocketAddress> check_unshared(const io::SocketAddress& address, bool ipv6_only) {
  auto free = io::KernelNetwork::check_free(address, {.ipv6_only = ipv6_only});
  if (free.has_value()) {
    return free;
  }
  switch (free.error().kind()) {
    case ErrorKind::kOverloaded:
      return fail_format(ErrorKind::kOverloaded,
                         "port {} is in use by another program; choose another one with --http",
                         address.port());
    case ErrorKind::kDenied:
      return fail_format(ErrorKind::kDenied,
                         "not allowed to listen on port {}; choose one above 1023 with --http",
                         address.port());
    case ErrorKind::kNotFound:
      return fail_format(ErrorKind::kInvalid,
                         "this machine does not have the address {}; choose one of its own with "
                         "--http",
                         address.ip().to_string());
    default:
      return fail(std::move(free).error().with_context("--http"));
  }
}

}  // namespace

Result<io::SocketAddress> check_address(const ListenAddress& address) {
  if (!address.every_interface) {
    return check_unshared(address.address, true);
  }
  const io::SocketAddress any(io::IpAddress::any_v6(), address.address.port());
  auto both = check_unshared(any, false);
  const bool no_ipv6 = !both.has_value() && both.error().kind() != ErrorKind::kOverloaded &&
                       both.error().kind() != ErrorKind::kDenied;
  return no_ipv6 ? check_unshared(address.address, true) : std::move(both);
}

}  // namespace selvedge::node
