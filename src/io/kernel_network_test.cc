// What only the network of the host has; network_test.cc has the rest.

#include "io/kernel_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/system.h"
#include "io/internal/kernel_address.h"
#include "io/internal/kernel_stream.h"
#include "io/internal/system_error.h"

namespace selvedge::io {
namespace {

TEST(KernelNetwork, OwnAddresses_HaveLoopback) {
  EXPECT_THAT(KernelNetwork::own_addresses(), ::testing::Contains(IpAddress::loopback_v4()));
}

TEST(ConnectError, WithoutARoute_IsNotFound) {
  const SocketAddress target(IpAddress::loopback_v4(), 80);
  for (const int error_number : {ENETUNREACH, EHOSTUNREACH}) {
    const Error error = internal::connect_error(error_number, target);
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("cannot connect to 127.0.0.1:80"));
  }
  EXPECT_EQ(internal::connect_error(ECONNREFUSED, target).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(internal::connect_error(ETIMEDOUT, target).kind(), ErrorKind::kTimeout);
}

TEST(KernelStream, Options_ReachTheSocket) {
  base::SystemClock clock;
  const auto reactor = *KernelReactor::create(clock);
  base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int number = fd.get();
  internal::KernelStream stream(*reactor, std::move(fd), {IpAddress::loopback_v4(), 80},
                                internal::KernelStream::State::kConnected);
  const auto value = [number](int level, int option) {
    int result = -1;
    socklen_t size = sizeof(result);
    ::getsockopt(number, level, option, &result, &size);
    return result;
  };
  stream.set_options({.no_delay = true, .keep_alive = true, .time_to_live = 7});
  EXPECT_NE(value(IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(value(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(value(IPPROTO_IP, IP_TTL), 7);
  stream.set_options({.no_delay = false, .keep_alive = false});
  EXPECT_EQ(value(IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(value(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(value(IPPROTO_IP, IP_TTL), 7);
}

// Sockets that were made elsewhere, on two reactors, as two shards or two processes have them.
class AdoptedListeners : public ::testing::Test {
 protected:
  AdoptedListeners() {
    SocketAddress address(IpAddress::loopback_v4(), 0);
    socket_ = KernelNetwork::bind(address).value();
    address_ = KernelNetwork::address_of(socket_);
  }
  base::UniqueFd copy() const { return base::UniqueFd(::dup(socket_.get())); }
  // A blocking client, which the kernel connects as soon as someone listens.
  base::UniqueFd connect() const {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto to = internal::KernelAddress::from(address_);
    return ::connect(fd.get(), to.data(), to.length) == 0 ? std::move(fd) : base::UniqueFd();
  }
  // How many connections the listener has, without a wait for one that does not come.
  static std::size_t take(KernelReactor& reactor, Listener& listener) {
    std::size_t count = 0;
    while (reactor.run(listener.accept(reactor.deadline_after(std::chrono::milliseconds(50))))) {
      ++count;
    }
    return count;
  }

  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> first_reactor_ = KernelReactor::create(clock_).value();
  std::unique_ptr<KernelReactor> second_reactor_ = KernelReactor::create(clock_).value();
  KernelNetwork first_network_{*first_reactor_};
  KernelNetwork second_network_{*second_reactor_};
  base::UniqueFd socket_;
  SocketAddress address_{IpAddress::loopback_v4(), 0};
};

TEST_F(AdoptedListeners, BeforeOneIsAdopted_NobodyConnects) {
  EXPECT_FALSE(connect());
  const auto listener = first_network_.adopt(copy(), KernelNetwork::Sharing::kAlone);
  ASSERT_TRUE(listener.has_value());
  EXPECT_TRUE(connect());
}

TEST_F(AdoptedListeners, Finish_TakesWhatWaitsAndLeavesTheRestToOthers) {
  const auto first = first_network_.adopt(copy(), KernelNetwork::Sharing::kShared).value();
  const auto second = second_network_.adopt(copy(), KernelNetwork::Sharing::kShared).value();
  const base::UniqueFd before[] = {connect(), connect(), connect()};
  first->finish();
  const std::size_t taken = take(*first_reactor_, *first);
  EXPECT_EQ(taken, 3u);
  const auto after_end = first->try_accept();
  ASSERT_FALSE(after_end.has_value());
  EXPECT_EQ(after_end.error().kind(), ErrorKind::kDisconnected);
  const base::UniqueFd after[] = {connect(), connect()};
  EXPECT_EQ(take(*second_reactor_, *second), 2u);
}

TEST_F(AdoptedListeners, Close_LosesNothingThatWaits_WhileAnotherHasTheSocket) {
  auto first = first_network_.adopt(copy(), KernelNetwork::Sharing::kAlone).value();
  const base::UniqueFd waiting[] = {connect(), connect()};
  first.reset();
  const auto second = second_network_.adopt(copy(), KernelNetwork::Sharing::kAlone).value();
  EXPECT_EQ(take(*second_reactor_, *second), 2u);
}

}  // namespace
}  // namespace selvedge::io
