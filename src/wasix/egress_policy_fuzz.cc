// Rules of --net from the fuzzer: whatever they say, an address that is not public takes a rule of
// its own, and asking the policy about any address or name is safe.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "wasix/egress_policy.h"
#include "wasix/host_name.h"

namespace selvedge::wasix {
namespace {

io::IpAddress address_from(std::span<const std::uint8_t> bytes) {
  io::IpAddress::V6Bytes v6{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), v6.size()), v6.begin());
  return bytes.size() % 2 == 0 ? io::IpAddress::v6(v6)
                               : io::IpAddress::v4({v6[0], v6[1], v6[2], v6[3]});
}

void run(std::string_view text, const io::IpAddress& ip, std::uint16_t port) {
  const auto policy = EgressPolicy::parse(std::vector{std::string(text)});
  if (!policy) {
    SELVEDGE_ASSERT(!policy.error().message().empty());
    return;
  }
  const bool allowed = policy->allows(ip, port);
  SELVEDGE_ASSERT(!allowed || policy->is_public(ip) || policy->names(ip, port));
  SELVEDGE_ASSERT(!allowed || !policy->allows_nothing());
  // Nothing but its own text opens the metadata service.
  const io::IpAddress metadata = io::IpAddress::v4({169, 254, 169, 254});
  SELVEDGE_ASSERT(!policy->allows(metadata, port) || text.contains("169.254.169.254"));
  const std::string_view name = text.substr(0, text.find(':'));
  if (policy->allows_name(name)) {
    SELVEDGE_ASSERT(!policy->ports_of_name(name).empty() || text.contains("public"));
  }
}

}  // namespace
}  // namespace selvedge::wasix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span input(data, size);
  const std::size_t head = std::min<std::size_t>(size, 17);
  const std::uint16_t port = size == 0 ? std::uint16_t{0} : data[0];
  const std::string_view text = selvedge::base::as_text(std::as_bytes(input.subspan(head)));
  selvedge::wasix::run(text, selvedge::wasix::address_from(input.first(head)), port);
  return 0;
}
