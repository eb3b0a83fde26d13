// The functions port_*: the network interface of the machine. It has the loopback interface only,
// which cannot be changed; whatever would change it, or needs another one, is kNotsup.

#include <algorithm>
#include <array>
#include <cstdint>

#include "io/socket_address.h"
#include "wasix/abi_socket.h"
#include "wasix/host_functions.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

abi::AddrCidr network_of(const io::IpAddress& ip, std::size_t prefix_at, std::uint8_t prefix) {
  const AddressFamily family = ip.is_v6() ? AddressFamily::kInet6 : AddressFamily::kInet4;
  abi::AddrCidr cidr{.tag = static_cast<std::uint8_t>(family), .padding = 0, .data = {}};
  std::ranges::copy(ip.bytes(), cidr.data);
  cidr.data[prefix_at] = prefix;
  return cidr;
}

// 127.0.0.1/8 (RFC 1122 section 3.2.1.3) and ::1/128 (RFC 4291 section 2.5.3).
std::array<abi::AddrCidr, 2> loopback_addresses() {
  return {network_of(io::IpAddress::loopback_v4(), sizeof(abi::AddrIp4), 8),
          network_of(io::IpAddress::loopback_v6(), sizeof(abi::AddrIp6), 128)};
}

// What getifaddrs(3) asks. `count`: how many fit, then how many there are. kOverflow: more than
// fit, and `count` is written.
Errno port_addr_list(Thread& thread, Ptr<abi::AddrCidr> addresses, Ptr<std::uint32_t> count) {
  const engine::GuestMemory memory = thread.memory();
  const auto room = memory.read(count);
  if (!room) {
    return Errno::kFault;
  }
  if (thread.process().network() == nullptr) {
    return Errno::kNotsup;
  }
  const std::array found = loopback_addresses();
  const bool fits = *room >= found.size();
  for (std::uint32_t index = 0; fits && index < found.size(); ++index) {
    if (!memory.write(addresses, found.at(index), index)) {
      return Errno::kFault;
    }
  }
  if (!memory.write(count, static_cast<std::uint32_t>(found.size()))) {
    return Errno::kFault;
  }
  return fits ? Errno::kSuccess : Errno::kOverflow;
}

// The loopback interface has the address 00:00:00:00:00:00.
Errno port_mac(Thread& thread, Ptr<abi::HardwareAddress> address) {
  if (!thread.memory().bytes(address.address, sizeof(abi::HardwareAddress))) {
    return Errno::kFault;
  }
  if (thread.process().network() == nullptr) {
    return Errno::kNotsup;
  }
  return thread.memory().write(address, abi::HardwareAddress{}) ? Errno::kSuccess : Errno::kFault;
}

// There are none: what is not loopback leaves through the host, whose routes a guest does not see.
Errno port_route_list(Thread& thread, Ptr<std::uint8_t> /*routes*/, Ptr<std::uint32_t> count) {
  if (!thread.memory().bytes(count.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  if (thread.process().network() == nullptr) {
    return Errno::kNotsup;
  }
  return thread.memory().write(count, std::uint32_t{0}) ? Errno::kSuccess : Errno::kFault;
}

Errno port_bridge(Thread& /*thread*/, Ptr<std::uint8_t> /*network*/,
                  std::uint32_t /*network_length*/, Ptr<std::uint8_t> /*token*/,
                  std::uint32_t /*token_length*/, std::uint32_t /*security*/) {
  return Errno::kNotsup;
}

Errno port_route_add(Thread& /*thread*/, Ptr<abi::AddrCidr> /*cidr*/, Ptr<abi::AddrIp> /*router*/,
                     Ptr<abi::OptionTimestamp> /*preferred_until*/,
                     Ptr<abi::OptionTimestamp> /*expires_at*/) {
  return Errno::kNotsup;
}

// port_addr_add, port_addr_remove, port_gateway_set, port_route_remove
Errno change(Thread& /*thread*/, Ptr<std::uint8_t> /*address*/) { return Errno::kNotsup; }

// port_unbridge, port_dhcp_acquire, port_addr_clear, port_route_clear
Errno change_all(Thread& /*thread*/) { return Errno::kNotsup; }

}  // namespace

void register_wasix_ports(engine::HostFunctions& functions) {
  functions.define<&port_addr_list>(kWasixModule, "port_addr_list");
  functions.define<&port_mac>(kWasixModule, "port_mac");
  functions.define<&port_route_list>(kWasixModule, "port_route_list");
  functions.define<&port_bridge>(kWasixModule, "port_bridge");
  functions.define<&port_route_add>(kWasixModule, "port_route_add");
  for (const char* const name :
       {"port_addr_add", "port_addr_remove", "port_gateway_set", "port_route_remove"}) {
    functions.define<&change>(kWasixModule, name);
  }
  for (const char* const name :
       {"port_unbridge", "port_dhcp_acquire", "port_addr_clear", "port_route_clear"}) {
    functions.define<&change_all>(kWasixModule, name);
  }
}

}  // namespace selvedge::wasix::internal
