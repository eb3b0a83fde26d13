#pragma once

// The numbers and memory layouts of WASIX's sockets (`wasix_32v1`), wasm32. Like abi.h: everything
// here is a guest-visible contract, and a value never changes.

#include <cstddef>
#include <cstdint>

#include "wasix/abi.h"

namespace selvedge::wasix {

enum class AddressFamily : std::uint8_t { kUnspec = 0, kInet4 = 1, kInet6 = 2, kUnix = 3 };

enum class SockType : std::uint8_t { kStream = 1, kDgram = 2, kRaw = 3, kSeqpacket = 4 };

// The protocols of IANA's registry that sockets here speak; 0 is the type's usual one.
inline constexpr std::uint32_t kProtocolTcp = 6;
inline constexpr std::uint32_t kProtocolUdp = 17;

enum class SockOption : std::uint8_t {
  kNoop = 0,
  kReusePort = 1,
  kReuseAddr = 2,
  kNoDelay = 3,
  kDontRoute = 4,
  kOnlyV6 = 5,
  kBroadcast = 6,
  kMulticastLoopV4 = 7,
  kMulticastLoopV6 = 8,
  kPromiscuous = 9,
  kListening = 10,
  kLastError = 11,
  kKeepAlive = 12,
  kLinger = 13,
  kOobInline = 14,
  kRecvBufSize = 15,
  kSendBufSize = 16,
  kRecvLowat = 17,
  kSendLowat = 18,
  kRecvTimeout = 19,
  kSendTimeout = 20,
  kConnectTimeout = 21,
  kAcceptTimeout = 22,
  kTtl = 23,
  kMulticastTtlV4 = 24,
  kType = 25,
  kProto = 26,
};

enum class SockStatus : std::uint8_t { kOpening = 0, kOpened = 1, kClosed = 2, kFailed = 3 };

namespace abi {

// Alignment 1 for us: every field is read byte by byte. `tag` is an AddressFamily. IPv4 and IPv6:
// the port in the guest's order in data[0..1], then the address in network order; IPv6 has 8 bytes
// of flow and scope behind it. Unix: a path that ends with a zero byte or with the array; a first
// byte of zero begins an abstract name.
struct AddrPort {
  std::uint8_t tag;
  std::uint8_t padding;
  std::uint8_t data[108];
};
static_assert(sizeof(AddrPort) == 110 && offsetof(AddrPort, data) == 2);

struct AddrIp4 {
  std::uint8_t bytes[4];
};
static_assert(sizeof(AddrIp4) == 4);

struct AddrIp6 {
  std::uint8_t bytes[16];
  std::uint8_t flow_and_scope[8];
};
static_assert(sizeof(AddrIp6) == 24);

// `tag` is an AddressFamily; IPv4 fills the first 4 bytes.
struct AddrIp {
  std::uint8_t tag;
  std::uint8_t padding;
  std::uint8_t bytes[16];
};
static_assert(sizeof(AddrIp) == 18 && offsetof(AddrIp, bytes) == 2);

// An address and the length of its network's prefix in bits. `tag` is an AddressFamily; IPv4 fills
// the first 5 bytes (address, prefix length), IPv6 the first 25 (AddrIp6, prefix length).
struct AddrCidr {
  std::uint8_t tag;
  std::uint8_t padding;
  std::uint8_t data[26];
};
static_assert(sizeof(AddrCidr) == 28 && offsetof(AddrCidr, data) == 2);

struct HardwareAddress {
  std::uint8_t bytes[6];
};
static_assert(sizeof(HardwareAddress) == 6);

struct OptionTimestamp {
  std::uint8_t tag;  // 0: none, 1: some
  std::uint8_t padding[7];
  Timestamp value;
};
static_assert(sizeof(OptionTimestamp) == 16 && offsetof(OptionTimestamp, value) == 8);

}  // namespace abi

}  // namespace selvedge::wasix
