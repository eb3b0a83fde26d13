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

}  // namespace
}  // namespace selvedge::io
