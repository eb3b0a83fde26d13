// Names of hosts to addresses.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "wasix/egress_network.h"
#include "wasix/host_name.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls_socket.h"

namespace selvedge::wasix::internal {

namespace {

// Of one answer; a guest's larger buffer stays unused.
constexpr std::uint32_t kAddressesMax = 64;

// Where the answer goes.
struct Answer {
  Ptr<abi::AddrIp> addresses;
  std::uint32_t addresses_max;
  Ptr<std::uint32_t> count;

  // As many as fit.
  Errno write(Thread& thread, const std::vector<io::IpAddress>& found) const {
    const engine::GuestMemory memory = thread.memory();
    const auto written =
        static_cast<std::uint32_t>(std::min<std::size_t>(found.size(), addresses_max));
    for (std::uint32_t i = 0; i < written; ++i) {
      const io::IpAddress& ip = found[i];
      abi::AddrIp address{};
      address.tag =
          static_cast<std::uint8_t>(ip.is_v6() ? AddressFamily::kInet6 : AddressFamily::kInet4);
      std::ranges::copy(ip.bytes(), address.bytes);
      const auto at = static_cast<std::uint32_t>(addresses.address + i * sizeof(abi::AddrIp));
      if (!memory.write(Ptr<abi::AddrIp>{at}, address)) {
        return Errno::kFault;
      }
    }
    return memory.write(count, written) ? Errno::kSuccess : Errno::kFault;
  }
};

// The process and its network live as long as the call.
io::Task<Errno> resolve_outside(Thread& thread, EgressNetwork& egress, std::string name,
                                Answer answer) {
  std::vector<io::IpAddress> found;
  SELVEDGE_CO_TRY(const Errno result, co_await egress.resolve(std::move(name), found));
  co_return result == Errno::kSuccess ? answer.write(thread, found) : result;
}

}  // namespace

// The port does not change what a name leads to. Numeric hosts and localhost ask nobody. kAcces:
// there is no way out, or the policy does not allow the name; kInval: no name, no room for an
// address; the others are those of EgressNetwork::resolve.
BlockingErrno resolve(Thread& thread, Ptr<std::uint8_t> host, std::uint32_t host_len,
                      std::uint32_t port, Ptr<abi::AddrIp> addresses, std::uint32_t addresses_len,
                      Ptr<std::uint32_t> count) {
  const engine::GuestMemory memory = thread.memory();
  const Answer answer{.addresses = addresses,
                      .addresses_max = std::min(addresses_len, kAddressesMax),
                      .count = count};
  if (!memory.bytes(host.address, host_len) ||
      !memory.bytes(addresses.address, answer.addresses_max * sizeof(abi::AddrIp)) ||
      !memory.bytes(count.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  if (host_len > kHostNameBytesMax + 1) {
    return Errno::kNametoolong;
  }
  if (port > UINT16_MAX || answer.addresses_max == 0) {
    return Errno::kInval;
  }
  const std::string text = *memory.read_string(host.address, host_len);
  if (const auto ip = io::IpAddress::parse(text)) {
    return answer.write(thread, {*ip});
  }
  std::optional<std::string> name = canonical_host_name(text);
  if (!name) {
    return Errno::kInval;
  }
  if (is_localhost(*name)) {
    return answer.write(thread, {io::IpAddress::loopback_v4(), io::IpAddress::loopback_v6()});
  }
  LoopbackNetwork* const network = thread.process().network();
  if (network == nullptr || network->egress() == nullptr) {
    return Errno::kAcces;
  }
  return wait_for(thread, resolve_outside(thread, *network->egress(), *std::move(name), answer));
}

}  // namespace selvedge::wasix::internal
