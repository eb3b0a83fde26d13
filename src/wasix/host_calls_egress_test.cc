// Sockets that go outside and names, as guests call them; the host's network is the real one.

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/kernel_network.h"
#include "wasix/abi_socket.h"
#include "wasix/egress_network.h"
#include "wasix/host_functions.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kOut2 = 1032;
constexpr std::uint32_t kAddress = 2048;
constexpr std::uint32_t kIovecs = 3072;
constexpr std::uint32_t kHost = 4096;
constexpr std::uint32_t kData = 8192;
constexpr std::uint32_t kBad = 0xffff'fff0;

std::vector<testing::ImportSignature> imports() {
  std::vector<testing::ImportSignature> chosen;
  for (const auto& import : testing::wasix_imports()) {
    if (import.name.starts_with("sock_") || import.name == "resolve") {
      chosen.push_back(import);
    }
  }
  for (const auto& import : testing::preview1_imports()) {
    if (import.name == "sock_recv" || import.name == "sock_send") {
      chosen.push_back(import);
    }
  }
  return chosen;
}

class EgressCallsTest : public ::testing::Test {
 protected:
  EgressCallsTest() { begin({"127.0.0.1", "allowed.example"}); }

  void begin(const std::vector<std::string>& rules) {
    std::shared_ptr<EgressNetwork> egress;
    if (!rules.empty()) {
      egress = std::make_shared<EgressNetwork>(EgressNetwork::Options{
          .network = host_,
          .policy = std::make_shared<const EgressPolicy>(*EgressPolicy::parse(rules))});
    }
    guest_.emplace(machine_, *machine_.link_wat(testing::trampoline_wat(kWasixModule, imports())),
                   ProcessOptions{.network = std::make_shared<LoopbackNetwork>(machine_.reactor(),
                                                                               std::move(egress))});
  }
  std::optional<Errno> resolve(std::string_view host, std::uint64_t count = 4,
                               std::uint64_t port = 0) {
    guest_->put(kHost, host);
    return guest_->call("resolve", {kHost, host.size(), port, kData, count, kOut});
  }
  abi::AddrIp found(std::uint32_t index) {
    return guest_->value<abi::AddrIp>(
        static_cast<std::uint32_t>(kData + index * sizeof(abi::AddrIp)));
  }
  GuestFd open() {
    EXPECT_EQ(guest_->call("sock_open", {1, 1, 0, kOut}), Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  std::array<std::uint64_t, 2> connect_arguments(GuestFd fd, const io::SocketAddress& target) {
    abi::AddrPort address{};
    address.tag = 1;
    address.data[0] = static_cast<std::uint8_t>(target.port() & 0xffU);
    address.data[1] = static_cast<std::uint8_t>(target.port() >> 8U);
    std::ranges::copy(target.ip().bytes(), address.data + 2);
    guest_->put_value(kAddress, address);
    return {fd, kAddress};
  }

  Machine machine_;
  io::KernelNetwork host_{machine_.reactor()};
  std::unique_ptr<io::Listener> listener_ = *host_.listen({io::IpAddress::loopback_v4(), 0});
  std::optional<CallingGuest> guest_;
};

TEST_F(EgressCallsTest, NumericHosts_AreTheirOwnAnswer) {
  begin({});
  EXPECT_EQ(resolve("192.0.2.7", 4, 80), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 1U);
  EXPECT_EQ(found(0).tag, 1);
  EXPECT_EQ(found(0).bytes[3], 7);
  EXPECT_EQ(resolve("2001:db8::1"), Errno::kSuccess);
  EXPECT_EQ(found(0).tag, 2);
  EXPECT_EQ(found(0).bytes[15], 1);
}

TEST_F(EgressCallsTest, Localhost_IsLoopbackOfBothFamiliesAsFarAsTheyFit) {
  begin({});
  for (const std::string_view name : {"localhost", "LOCALHOST.", "www.localhost"}) {
    EXPECT_EQ(resolve(name), Errno::kSuccess);
    EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 2U);
    EXPECT_EQ(found(0).bytes[0], 127);
    EXPECT_EQ(found(1).bytes[15], 1);
  }
  EXPECT_EQ(resolve("localhost", 1), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 1U);
}

TEST_F(EgressCallsTest, Names_AreUnderThePolicy) {
  EXPECT_EQ(resolve("other.example"), Errno::kAcces);
  EXPECT_EQ(resolve("allowed.example"), Errno::kNotsup);  // nobody to ask
  begin({});
  EXPECT_EQ(resolve("allowed.example"), Errno::kAcces);
}

TEST_F(EgressCallsTest, WhatIsNoName_IsRefused) {
  for (const std::string_view name :
       {"", ".", "a..b", "a b", "10.0.0", "a/b", "\xc3\xa4.example"}) {
    EXPECT_EQ(resolve(name), Errno::kInval) << name;
  }
  EXPECT_EQ(resolve(std::string_view("a\0b", 3)), Errno::kInval);
  EXPECT_EQ(resolve(std::string(64, 'a')), Errno::kInval);
  EXPECT_EQ(resolve(std::string(300, 'a')), Errno::kNametoolong);
  EXPECT_EQ(resolve("localhost", 0), Errno::kInval);
  EXPECT_EQ(resolve("localhost", 1, 65'536), Errno::kInval);
}

TEST_F(EgressCallsTest, AddressesOutsideOfMemory_AreFault) {
  guest_->put(kHost, "localhost");
  EXPECT_EQ(guest_->call("resolve", {kBad, 64, 0, kData, 4, kOut}), Errno::kFault);
  EXPECT_EQ(guest_->call("resolve", {kHost, 9, 0, kBad, 4, kOut}), Errno::kFault);
  EXPECT_EQ(guest_->call("resolve", {kHost, 9, 0, kData, 4, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("resolve", {kHost, 0xffff'ffff, 0, kData, 4, kOut}), Errno::kFault);
}

TEST_F(EgressCallsTest, Connect_WaitsAndCarriesBytes) {
  const GuestFd fd = open();
  EXPECT_EQ(guest_->call("sock_connect", connect_arguments(fd, listener_->local_address())),
            Errno::kSuccess);
  const auto peer = *listener_->try_accept();
  ASSERT_NE(peer, nullptr);
  guest_->put(kData, "hello");
  guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = 5});
  EXPECT_EQ(guest_->call("sock_send", {fd, kIovecs, 1, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 5U);
  EXPECT_TRUE(peer->try_write(base::as_bytes("answer")));
  guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = 64});
  EXPECT_EQ(guest_->call("sock_recv", {fd, kIovecs, 1, 0, kOut, kOut2}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kOut)), "answer");
}

TEST_F(EgressCallsTest, GuestThatIsEndedWhileItReceives_ClosesItsConnection) {
  const GuestFd fd = open();
  EXPECT_EQ(guest_->call("sock_connect", connect_arguments(fd, listener_->local_address())),
            Errno::kSuccess);
  const auto peer = *listener_->try_accept();
  ASSERT_NE(peer, nullptr);
  guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = 64});
  guest_->begin("sock_recv", {fd, kIovecs, 1, 0, kOut, kOut2});
  EXPECT_FALSE(guest_->turn());
  guest_.reset();
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(machine_.reactor().run(peer->read(buffer)), 0U);
}

TEST_F(EgressCallsTest, GuestThatIsEndedWhileItConnects_LeavesNothing) {
  const GuestFd fd = open();
  guest_->begin("sock_connect", connect_arguments(fd, listener_->local_address()));
  guest_.reset();
  begin({"127.0.0.1"});
  EXPECT_EQ(guest_->call("sock_connect", connect_arguments(open(), listener_->local_address())),
            Errno::kSuccess);
}

}  // namespace
}  // namespace selvedge::wasix
