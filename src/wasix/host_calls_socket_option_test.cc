// Options of sockets, and their multicast groups, as guests set them.

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "wasix/abi_socket.h"
#include "wasix/host_functions.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kGroup = 2048;
constexpr std::uint32_t kInterface = 2112;
constexpr std::uint32_t kBad = 0xffff'fff0;

std::vector<testing::ImportSignature> imports() {
  std::vector<testing::ImportSignature> chosen;
  for (const auto& import : testing::wasix_imports()) {
    if (import.name.starts_with("sock_")) {
      chosen.push_back(import);
    }
  }
  return chosen;
}

class SocketOptionTest : public ::testing::Test {
 protected:
  SocketOptionTest() {
    guest_.emplace(
        machine_, *machine_.link_wat(testing::trampoline_wat(kWasixModule, imports())),
        ProcessOptions{.network = std::make_shared<LoopbackNetwork>(machine_.reactor())});
  }
  GuestFd open(AddressFamily family, SockType type) {
    EXPECT_EQ(guest_->call("sock_open", {static_cast<std::uint64_t>(family),
                                         static_cast<std::uint64_t>(type), 0, kOut}),
              Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  static std::uint64_t number(SockOption option) { return static_cast<std::uint64_t>(option); }
  std::optional<std::uint64_t> size(GuestFd fd, SockOption option) {
    if (guest_->call("sock_get_opt_size", {fd, number(option), kOut}) != Errno::kSuccess) {
      return std::nullopt;
    }
    return guest_->value<std::uint64_t>(kOut);
  }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

TEST_F(SocketOptionTest, Flags_AreRemembered) {
  const GuestFd fd = open(AddressFamily::kInet4, SockType::kStream);
  for (const SockOption option :
       {SockOption::kReusePort, SockOption::kReuseAddr, SockOption::kNoDelay,
        SockOption::kDontRoute, SockOption::kOnlyV6, SockOption::kBroadcast,
        SockOption::kMulticastLoopV4, SockOption::kMulticastLoopV6, SockOption::kKeepAlive}) {
    for (const std::uint64_t value : {1U, 0U}) {
      EXPECT_EQ(guest_->call("sock_set_opt_flag", {fd, number(option), value}), Errno::kSuccess);
      EXPECT_EQ(guest_->call("sock_get_opt_flag", {fd, number(option), kOut}), Errno::kSuccess);
      EXPECT_EQ(guest_->value<std::uint8_t>(kOut), value);
    }
    EXPECT_EQ(guest_->call("sock_set_opt_flag", {fd, number(option), 2}), Errno::kInval);
  }
}

TEST_F(SocketOptionTest, Listening_IsRead) {
  const GuestFd fd = open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(guest_->call("sock_listen", {fd, 1}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_get_opt_flag", {fd, number(SockOption::kListening), kOut}),
            Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint8_t>(kOut), 1);
  EXPECT_EQ(guest_->call("sock_set_opt_flag", {fd, number(SockOption::kListening), 1}),
            Errno::kNoprotoopt);
}

TEST_F(SocketOptionTest, Times_ZeroIsNoneButForLinger) {
  const GuestFd fd = open(AddressFamily::kInet4, SockType::kStream);
  for (const SockOption option :
       {SockOption::kRecvTimeout, SockOption::kSendTimeout, SockOption::kConnectTimeout,
        SockOption::kAcceptTimeout, SockOption::kLinger}) {
    for (const std::uint64_t value : {5'000U, 0U}) {
      abi::OptionTimestamp time{};
      time.tag = 1;
      time.value = value;
      guest_->put_value(kGroup, time);
      EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, number(option), kGroup}), Errno::kSuccess);
      EXPECT_EQ(guest_->call("sock_get_opt_time", {fd, number(option), kOut}), Errno::kSuccess);
      const auto read = guest_->value<abi::OptionTimestamp>(kOut);
      EXPECT_EQ(read.value, value);
      EXPECT_EQ(read.tag, value != 0 || option == SockOption::kLinger ? 1 : 0);
    }
    EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, number(option), kBad}), Errno::kFault);
    EXPECT_EQ(guest_->call("sock_get_opt_time", {fd, number(option), kBad}), Errno::kFault);
  }
  abi::OptionTimestamp odd{};
  odd.tag = 2;
  guest_->put_value(kGroup, odd);
  EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, number(SockOption::kLinger), kGroup}),
            Errno::kInval);
}

TEST_F(SocketOptionTest, Sizes_AreCutOrRefused) {
  const GuestFd fd = open(AddressFamily::kInet4, SockType::kStream);
  for (const SockOption option : {SockOption::kRecvBufSize, SockOption::kSendBufSize}) {
    EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(option), ~0ULL}), Errno::kSuccess);
    EXPECT_EQ(size(fd, option), SocketOptions::kBufferBytesMax);
    EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(option), 0}), Errno::kSuccess);
    EXPECT_EQ(size(fd, option), SocketOptions::kBufferBytesMin);
  }
  EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(SockOption::kTtl), 0}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(SockOption::kTtl), 256}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(SockOption::kMulticastTtlV4), 0}),
            Errno::kSuccess);
  EXPECT_EQ(size(fd, SockOption::kMulticastTtlV4), 0U);
  EXPECT_EQ(guest_->call("sock_get_opt_size", {fd, number(SockOption::kTtl), kBad}), Errno::kFault);
}

TEST_F(SocketOptionTest, TypeProtocolAndLastError_AreRead) {
  const GuestFd stream = open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(size(stream, SockOption::kType), 1U);
  EXPECT_EQ(size(stream, SockOption::kProto), kProtocolTcp);
  const GuestFd datagrams = open(AddressFamily::kInet6, SockType::kDgram);
  EXPECT_EQ(size(datagrams, SockOption::kType), 2U);
  EXPECT_EQ(size(datagrams, SockOption::kProto), kProtocolUdp);
  EXPECT_EQ(size(datagrams, SockOption::kLastError), 0U);
  EXPECT_EQ(guest_->call("sock_set_opt_size", {stream, number(SockOption::kType), 2}),
            Errno::kNoprotoopt);
}

TEST_F(SocketOptionTest, OptionsWithoutMeaning_AreNoprotooptAndOthersInval) {
  const GuestFd fd = open(AddressFamily::kInet4, SockType::kStream);
  abi::OptionTimestamp time{};
  guest_->put_value(kGroup, time);
  for (const SockOption option :
       {SockOption::kNoop, SockOption::kPromiscuous, SockOption::kOobInline, SockOption::kRecvLowat,
        SockOption::kSendLowat}) {
    EXPECT_EQ(guest_->call("sock_set_opt_flag", {fd, number(option), 1}), Errno::kNoprotoopt);
    EXPECT_EQ(guest_->call("sock_get_opt_flag", {fd, number(option), kOut}), Errno::kNoprotoopt);
    EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, number(option), kGroup}), Errno::kNoprotoopt);
    EXPECT_EQ(guest_->call("sock_get_opt_time", {fd, number(option), kOut}), Errno::kNoprotoopt);
    EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, number(option), 1}), Errno::kNoprotoopt);
    EXPECT_EQ(guest_->call("sock_get_opt_size", {fd, number(option), kOut}), Errno::kNoprotoopt);
  }
  // 256 + kReuseAddr must not be taken for it.
  for (const std::uint64_t option : {27U, 258U}) {
    EXPECT_EQ(guest_->call("sock_set_opt_flag", {fd, option, 1}), Errno::kInval);
    EXPECT_EQ(guest_->call("sock_get_opt_flag", {fd, option, kOut}), Errno::kInval);
    EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, option, kGroup}), Errno::kInval);
    EXPECT_EQ(guest_->call("sock_get_opt_time", {fd, option, kOut}), Errno::kInval);
    EXPECT_EQ(guest_->call("sock_set_opt_size", {fd, option, 1}), Errno::kInval);
    EXPECT_EQ(guest_->call("sock_get_opt_size", {fd, option, kOut}), Errno::kInval);
  }
}

TEST_F(SocketOptionTest, MulticastGroups_AreJoinedAndLeft) {
  const GuestFd v4 = open(AddressFamily::kInet4, SockType::kDgram);
  guest_->put_value(kGroup, abi::AddrIp4{{239, 0, 0, 1}});
  guest_->put_value(kInterface, abi::AddrIp4{{0, 0, 0, 0}});
  EXPECT_EQ(guest_->call("sock_join_multicast_v4", {v4, kGroup, kInterface}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_join_multicast_v4", {v4, kGroup, kInterface}), Errno::kAddrinuse);
  EXPECT_EQ(guest_->call("sock_leave_multicast_v4", {v4, kGroup, kInterface}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_leave_multicast_v4", {v4, kGroup, kInterface}),
            Errno::kAddrnotavail);
  EXPECT_EQ(guest_->call("sock_join_multicast_v4", {v4, kBad, kInterface}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_join_multicast_v4", {v4, kGroup, kBad}), Errno::kFault);
  guest_->put_value(kInterface, abi::AddrIp4{{192, 0, 2, 1}});
  EXPECT_EQ(guest_->call("sock_join_multicast_v4", {v4, kGroup, kInterface}), Errno::kNodev);

  const GuestFd v6 = open(AddressFamily::kInet6, SockType::kDgram);
  guest_->put_value(kGroup, abi::AddrIp6{.bytes = {0xff, 2, 0, 1}, .flow_and_scope = {}});
  EXPECT_EQ(guest_->call("sock_join_multicast_v6", {v6, kGroup, 1}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_leave_multicast_v6", {v6, kGroup, 0}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_join_multicast_v6", {v6, kGroup, 2}), Errno::kNodev);
  EXPECT_EQ(guest_->call("sock_join_multicast_v6", {v6, kBad, 0}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_join_multicast_v6", {v4, kGroup, 0}), Errno::kNoprotoopt);
}

}  // namespace
}  // namespace selvedge::wasix
