// The functions port_*: what a guest learns of its network interface.

#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "wasix/abi_socket.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kAddresses = 1024;
constexpr std::uint32_t kCount = 2048;
constexpr std::uint64_t kNowhere = 4 * 65'536 - 1;

class PortCallsTest : public ::testing::Test {
 protected:
  void start(bool with_network) {
    ProcessOptions options;
    if (with_network) {
      options.network = std::make_shared<LoopbackNetwork>(machine_.reactor());
    }
    guest_.emplace(machine_,
                   testing::link_wasix_trampolines(
                       machine_, {"port_addr_list", "port_mac", "port_route_list", "port_bridge",
                                  "port_unbridge", "port_dhcp_acquire", "port_addr_add",
                                  "port_addr_remove", "port_addr_clear", "port_gateway_set",
                                  "port_route_add", "port_route_remove", "port_route_clear"}),
                   std::move(options));
  }
  std::optional<Errno> list(std::uint32_t room, std::uint64_t addresses = kAddresses) {
    guest_->put_value(kCount, room);
    return guest_->call("port_addr_list", {addresses, kCount});
  }
  std::uint32_t count() { return guest_->value<std::uint32_t>(kCount); }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

TEST_F(PortCallsTest, AddrList_NamesLoopbackInBothFamilies) {
  start(true);
  ASSERT_EQ(list(10), Errno::kSuccess);
  ASSERT_EQ(count(), 2U);
  const auto v4 = guest_->value<abi::AddrCidr>(kAddresses);
  EXPECT_EQ(v4.tag, 1);
  EXPECT_EQ((std::array{v4.data[0], v4.data[1], v4.data[2], v4.data[3]}),
            (std::array<std::uint8_t, 4>{127, 0, 0, 1}));
  EXPECT_EQ(v4.data[4], 8);
  const auto v6 = guest_->value<abi::AddrCidr>(kAddresses + 28);
  EXPECT_EQ(v6.tag, 2);
  for (std::size_t index = 0; index < 24; ++index) {
    EXPECT_EQ(v6.data[index], index == 15 ? 1 : 0) << index;
  }
  EXPECT_EQ(v6.data[24], 128);
}

TEST_F(PortCallsTest, AddrList_WithoutRoom_TellsHowMuchItTakesAndWritesNothing) {
  start(true);
  for (const std::uint32_t room : {0U, 1U}) {
    EXPECT_EQ(list(room, kNowhere), Errno::kOverflow);
    EXPECT_EQ(count(), 2U);
  }
  EXPECT_EQ(list(2, kNowhere), Errno::kFault);
  EXPECT_EQ(guest_->call("port_addr_list", {kAddresses, kNowhere}), Errno::kFault);
}

TEST_F(PortCallsTest, MacIsThatOfLoopback_AndThereAreNoRoutes) {
  start(true);
  guest_->put_value(kAddresses, std::array<std::uint8_t, 6>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(guest_->call("port_mac", {kAddresses}), Errno::kSuccess);
  EXPECT_EQ((guest_->value<std::array<std::uint8_t, 6>>(kAddresses)),
            (std::array<std::uint8_t, 6>{}));
  EXPECT_EQ(guest_->call("port_mac", {kNowhere}), Errno::kFault);

  guest_->put_value(kCount, 5U);
  EXPECT_EQ(guest_->call("port_route_list", {kAddresses, kCount}), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
  EXPECT_EQ(guest_->call("port_route_list", {kAddresses, kNowhere}), Errno::kFault);
}

TEST_F(PortCallsTest, WhatWouldChangeTheInterface_IsNotsup) {
  start(true);
  EXPECT_EQ(guest_->call("port_bridge", {kAddresses, 4, kAddresses, 4, 0}), Errno::kNotsup);
  EXPECT_EQ(guest_->call("port_route_add", {kAddresses, kAddresses, kAddresses, kAddresses}),
            Errno::kNotsup);
  for (const char* const name :
       {"port_addr_add", "port_addr_remove", "port_gateway_set", "port_route_remove"}) {
    EXPECT_EQ(guest_->call(name, {kAddresses}), Errno::kNotsup) << name;
  }
  for (const char* const name :
       {"port_unbridge", "port_dhcp_acquire", "port_addr_clear", "port_route_clear"}) {
    EXPECT_EQ(guest_->call(name, {}), Errno::kNotsup) << name;
  }
  EXPECT_EQ(list(2), Errno::kSuccess);
}

TEST_F(PortCallsTest, WithoutANetwork_IsNotsup) {
  start(false);
  EXPECT_EQ(list(10), Errno::kNotsup);
  EXPECT_EQ(guest_->call("port_mac", {kAddresses}), Errno::kNotsup);
  EXPECT_EQ(guest_->call("port_route_list", {kAddresses, kCount}), Errno::kNotsup);
}

}  // namespace
}  // namespace selvedge::wasix
