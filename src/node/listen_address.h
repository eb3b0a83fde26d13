#pragma once

// Where --http listens.

#include <string>
#include <string_view>

#include "base/result.h"
#include "io/socket_address.h"

namespace selvedge::node {

// An address, or every address of both families.
struct ListenAddress {
  io::SocketAddress address;
  bool every_interface = false;  // then only the port counts
};

// "8080" and "localhost:8080" (this machine only), ":8080" (every interface), "127.0.0.1:8080",
// "[::1]:8080". Port 0 takes a free one. Invalid: a sentence that begins with the text.
Result<ListenAddress> parse_listen_address(std::string_view text);

// Equal for equal addresses.
std::string to_string(const ListenAddress& address);

// That this process may listen there, and alone: listeners that share a port between shards would
// share it with another server too. Returns the address with a real port. Overloaded (in use),
// Denied, Invalid: with what to do about `option`. Any thread.
Result<io::SocketAddress> check_address(const ListenAddress& address,
                                        std::string_view option = "--http");

}  // namespace selvedge::node
