#include "wasix/ip_network.h"

#include <charconv>

#include "base/format.h"

namespace selvedge::wasix {

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  SELVEDGE_TRY(const io::IpAddress address, io::IpAddress::parse(text.substr(0, slash)));
  const unsigned bits_max = address.is_v6() ? 128 : 32;
  if (slash == std::string_view::npos) {
    return IpNetwork(address, bits_max);
  }
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || end != digits.data() + digits.size() || bits > bits_max) {
    return fail_format(ErrorKind::kInvalid, "a prefix is a number from 0 to {}, not \"{}\"",
                       bits_max, digits);
  }
  const IpNetwork network(address, bits);
  if (network.address() != address) {
    return fail_format(ErrorKind::kInvalid, "the address has bits beyond its prefix; write {}",
                       network.to_string());
  }
  return network;
}

std::string IpNetwork::to_string() const {
  const bool single = bits_ == (address_.is_v6() ? 128U : 32U);
  return single ? address_.to_string() : fmt::format("{}/{}", address_.to_string(), bits_);
}

}  // namespace selvedge::wasix
