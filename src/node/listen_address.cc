#include "node/listen_address.h"

#include <algorithm>
#include <string>

#include "base/format.h"
#include "io/kernel_network.h"

namespace selvedge::node {
namespace {

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Without sharing the port, as the shards will: another program's port is an error.
Result<io::SocketAddress> check_unshared(const io::SocketAddress& address, bool ipv6_only,
                                         std::string_view option) {
  auto free = io::KernelNetwork::check_free(address, {.ipv6_only = ipv6_only});
  if (free.has_value()) {
    return free;
  }
  switch (free.error().kind()) {
    case ErrorKind::kOverloaded:
      return fail_format(ErrorKind::kOverloaded,
                         "port {} is in use by another program; choose another one with {}",
                         address.port(), option);
    case ErrorKind::kDenied:
      return fail_format(ErrorKind::kDenied,
                         "not allowed to listen on port {}; choose one above 1023 with {}",
                         address.port(), option);
    case ErrorKind::kNotFound:
      return fail_format(ErrorKind::kInvalid,
                         "this machine does not have the address {}; choose one of its own with {}",
                         address.ip().to_string(), option);
    default:
      return fail(std::move(free).error().with_context(option));
  }
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  constexpr std::string_view kLocalhost = "localhost:";
  std::string address(text);
  if (is_port(text)) {
    address = "127.0.0.1:" + address;
  } else if (text.starts_with(kLocalhost)) {
    address = "127.0.0.1:" + address.substr(kLocalhost.size());
  }
  auto parsed = io::SocketAddress::parse(address);
  if (!parsed.has_value() || parsed->is_unix()) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not an address: write 8080, :8080, 127.0.0.1:8080 or [::1]:8080",
                       text);
  }
  return ListenAddress{.address = *std::move(parsed), .every_interface = text.starts_with(':')};
}

std::string to_string(const ListenAddress& address) {
  return address.every_interface ? fmt::format(":{}", address.address.port())
                                 : address.address.to_string();
}

Result<io::SocketAddress> check_address(const ListenAddress& address, std::string_view option) {
  if (!address.every_interface) {
    return check_unshared(address.address, true, option);
  }
  const io::SocketAddress any(io::IpAddress::any_v6(), address.address.port());
  auto both = check_unshared(any, false, option);
  const bool no_ipv6 = !both.has_value() && both.error().kind() != ErrorKind::kOverloaded &&
                       both.error().kind() != ErrorKind::kDenied;
  return no_ipv6 ? check_unshared(address.address, true, option) : std::move(both);
}

}  // namespace selvedge::node
