#include "store/testing/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace selvedge::store::testing {
namespace {

sockaddr_in address_of(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

base::UniqueFd listen_on_loopback(int& port) {
  base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  void* const any = &address;
  if (::bind(socket.get(), static_cast<const sockaddr*>(any), size) != 0 ||
      ::listen(socket.get(), 64) != 0 ||
      ::getsockname(socket.get(), static_cast<sockaddr*>(any), &size) != 0) {
    return {};
  }
  port = ntohs(address.sin_port);
  return socket;
}

base::UniqueFd connect_to_loopback(int port) {
  base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = address_of(port);
  const void* const any = &address;
  if (::connect(socket.get(), static_cast<const sockaddr*>(any), sizeof address) != 0) {
    return {};
  }
  return socket;
}

}  // namespace selvedge::store::testing
