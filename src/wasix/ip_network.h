#pragma once

// A block of IP addresses: "10.0.0.0/8", "2001:db8::/32". A value.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/socket_address.h"

namespace selvedge::wasix {

class IpNetwork {
 public:
  // `bits`: at most 32 or 128. Bits of `address` beyond them do not count.
  constexpr IpNetwork(const io::IpAddress& address, unsigned bits) noexcept
      : address_(masked(address, bits)), bits_(bits) {}
  // "192.0.2.1" and "2001:db8::1" are blocks of one address. kInvalid: no block, or an address with
  // bits beyond its prefix; the sentence says what to write.
  static Result<IpNetwork> parse(std::string_view text);

  constexpr const io::IpAddress& address() const noexcept [[clang::lifetimebound]] {
    return address_;
  }
  constexpr unsigned bits() const noexcept { return bits_; }
  // Addresses of the other family are in none.
  constexpr bool contains(const io::IpAddress& ip) const noexcept {
    return ip.is_v6() == address_.is_v6() && masked(ip, bits_) == address_;
  }
  constexpr bool contains(const IpNetwork& other) const noexcept {
    return other.bits_ >= bits_ && contains(other.address_);
  }
  // What parse() accepts.
  std::string to_string() const;

 private:
  static constexpr io::IpAddress masked(const io::IpAddress& ip, unsigned bits) noexcept {
    io::IpAddress::V6Bytes bytes{};
    unsigned left = bits;
    std::size_t at = 0;
    for (const std::uint8_t byte : ip.bytes()) {
      const unsigned taken = left < 8 ? left : 8;
      bytes[at++] = static_cast<std::uint8_t>(byte & (0xff00U >> taken));
      left -= taken;
    }
    return ip.is_v6() ? io::IpAddress::v6(bytes)
                      : io::IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  }

  io::IpAddress address_;
  unsigned bits_;
};

}  // namespace selvedge::wasix
