// Streams of `lo`: connections between sockets, and the host's end.

#include "wasix/loopback_network.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"

namespace selvedge::wasix {
namespace {

using io::IpAddress;
using io::SocketAddress;

class LoopbackNetworkTest : public ::testing::Test {
 protected:
  std::shared_ptr<Socket> open(AddressFamily family = AddressFamily::kInet4,
                               SockType type = SockType::kStream) {
    return *network_.open(family, type);
  }
  std::shared_ptr<Socket> listener(const SocketAddress& address, std::uint32_t backlog = 8,
                                   AddressFamily family = AddressFamily::kInet4) {
    auto socket = open(family);
    EXPECT_EQ(socket->bind(address), Errno::kSuccess);
    EXPECT_EQ(socket->listen(backlog), Errno::kSuccess);
    return socket;
  }
  // A connected pair: the client's socket and the accepted one.
  SocketPair connected() {
    const auto server = listener(at(0));
    auto client = open();
    EXPECT_EQ(client->connect(server->local_address()), Errno::kSuccess);
    return {.first = std::move(client), .second = *server->try_accept()};
  }
  static SocketAddress at(std::uint16_t port) { return {IpAddress::loopback_v4(), port}; }
  static SocketAddress at_v6(std::uint16_t port) { return {IpAddress::loopback_v6(), port}; }
  static SocketAddress unix_at(std::string_view path) { return *SocketAddress::unix_path(path); }

  static ErrnoResult<std::size_t> write(Socket& socket, std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return socket.try_write(std::span(&bytes, 1));
  }
  // What one read yields; "error N" for errors.
  static std::string read(Socket& socket, std::size_t size = 64, bool peek = false) {
    std::string text(size, '\0');
    const MutableByteSpan buffer = std::as_writable_bytes(std::span(text));
    const auto received = socket.try_receive(std::span(&buffer, 1), {.peek = peek});
    if (!received) {
      return "error " + std::to_string(static_cast<int>(received.error()));
    }
    return text.substr(0, received->count);
  }
  static std::string error(Errno errno_value) {
    return "error " + std::to_string(static_cast<int>(errno_value));
  }
  static std::size_t fill(Socket& socket) {
    const std::string piece(10'000, 'x');
    std::size_t total = 0;
    while (const auto count = write(socket, piece)) {
      total += *count;
    }
    return total;
  }
  template <class T>
  Result<T> run(io::Task<T> task) {
    return reactor_->run(std::move(task));
  }
  Result<std::unique_ptr<io::Stream>> connect_host(const SocketAddress& address) {
    return run(network_.connect(address, deadline()));
  }
  io::Deadline deadline() { return reactor_->deadline_at(clock_.now() + std::chrono::seconds(10)); }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  LoopbackNetwork network_{*reactor_};
};

TEST_F(LoopbackNetworkTest, Connection_CarriesBytesBothWays) {
  const SocketPair pair = connected();
  EXPECT_EQ(write(*pair.first, "question"), 8U);
  EXPECT_EQ(read(*pair.second, 4, true), "ques");
  EXPECT_EQ(read(*pair.second, 4), "ques");
  EXPECT_EQ(pair.second->read_readiness().bytes, 4U);
  EXPECT_EQ(read(*pair.second), "tion");
  EXPECT_EQ(read(*pair.second), error(Errno::kAgain));
  EXPECT_FALSE(pair.second->readable()->is_set());
  EXPECT_EQ(write(*pair.second, "answer"), 6U);
  EXPECT_EQ(read(*pair.first), "answer");
  EXPECT_EQ(pair.first->status(), SockStatus::kOpened);
}

TEST_F(LoopbackNetworkTest, Connection_AddressesMirrorEachOther) {
  const SocketPair pair = connected();
  EXPECT_EQ(pair.first->local_address(), *pair.second->peer_address());
  EXPECT_EQ(pair.second->local_address(), *pair.first->peer_address());
  EXPECT_TRUE(pair.first->local_address().ip().is_loopback());
  EXPECT_GE(pair.first->local_address().port(), 32'768);
  EXPECT_LE(pair.first->local_address().port(), 60'999);
}

TEST_F(LoopbackNetworkTest, HalfClose_PeerReadsToTheEndAndStillWrites) {
  const SocketPair pair = connected();
  write(*pair.first, "last");
  EXPECT_EQ(pair.first->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(read(*pair.second), "last");
  EXPECT_EQ(read(*pair.second), "");
  EXPECT_TRUE(pair.second->read_readiness().ready);
  EXPECT_FALSE(pair.second->read_readiness().hangup);
  EXPECT_EQ(write(*pair.first, "more").error(), Errno::kPipe);
  EXPECT_EQ(write(*pair.second, "late"), 4U);
  EXPECT_EQ(read(*pair.first), "late");
}

TEST_F(LoopbackNetworkTest, Close_PeerReadsWhatWasWrittenThenTheEnd) {
  SocketPair pair = connected();
  write(*pair.first, "last");
  pair.first.reset();
  EXPECT_EQ(read(*pair.second), "last");
  EXPECT_EQ(read(*pair.second), "");
  EXPECT_EQ(write(*pair.second, "x").error(), Errno::kPipe);
  EXPECT_EQ(pair.second->status(), SockStatus::kClosed);
}

TEST_F(LoopbackNetworkTest, CloseWithUnreadData_ResetsThePeerOnce) {
  SocketPair pair = connected();
  write(*pair.second, "unread");
  pair.first.reset();
  EXPECT_TRUE(pair.second->readable()->is_set());
  EXPECT_EQ(read(*pair.second), error(Errno::kConnreset));
  EXPECT_EQ(read(*pair.second), "");
  EXPECT_EQ(write(*pair.second, "x").error(), Errno::kPipe);
  EXPECT_EQ(pair.second->status(), SockStatus::kFailed);
}

TEST_F(LoopbackNetworkTest, LingerOfZero_ResetsOnClose) {
  SocketPair pair = connected();
  SocketOptions options;
  options.linger = base::Duration::zero();
  pair.first->set_options(options);
  pair.first.reset();
  EXPECT_EQ(pair.second->take_error(), Errno::kConnreset);
  EXPECT_EQ(pair.second->take_error(), Errno::kSuccess);
}

TEST_F(LoopbackNetworkTest, ShutdownRead_IsNotToldToThePeer) {
  const SocketPair pair = connected();
  write(*pair.second, "before");
  EXPECT_EQ(pair.first->shutdown(Sdflags::kRd), Errno::kSuccess);
  EXPECT_EQ(read(*pair.first), "before");
  EXPECT_EQ(read(*pair.first), "");
  EXPECT_EQ(write(*pair.second, "later"), 5U);
  EXPECT_EQ(read(*pair.first), "later");
  EXPECT_EQ(read(*pair.first), "");
  EXPECT_EQ(write(*pair.first, "back"), 4U);
  EXPECT_EQ(read(*pair.second), "back");
  EXPECT_EQ(pair.first->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(write(*pair.second, "x").error(), Errno::kPipe) << "nothing is left of the peer";
}

TEST_F(LoopbackNetworkTest, FullBuffer_WriterGoesOnWhenHalfIsFree) {
  const SocketPair pair = connected();
  const std::size_t capacity = fill(*pair.first);
  EXPECT_EQ(capacity, 2 * SocketOptions::kBufferBytesDefault);
  EXPECT_FALSE(pair.first->writable()->is_set());
  EXPECT_FALSE(pair.first->write_readiness().ready);
  EXPECT_EQ(read(*pair.second, capacity / 2 - 1).size(), capacity / 2 - 1);
  EXPECT_FALSE(pair.first->writable()->is_set());
  EXPECT_EQ(read(*pair.second, 1).size(), 1U);
  EXPECT_TRUE(pair.first->writable()->is_set());
  EXPECT_EQ(pair.first->write_readiness().bytes, capacity / 2);
}

TEST_F(LoopbackNetworkTest, BufferOptions_BoundWhatADirectionHolds) {
  const SocketPair pair = connected();
  SocketOptions options;
  options.send_buffer_bytes = 1;
  pair.first->set_options(options);
  options = {};
  options.receive_buffer_bytes = 1ULL << 40;
  pair.second->set_options(options);
  EXPECT_EQ(pair.first->options().send_buffer_bytes, SocketOptions::kBufferBytesMin);
  EXPECT_EQ(fill(*pair.first), SocketOptions::kBufferBytesMin + SocketOptions::kBufferBytesMax);
}

TEST_F(LoopbackNetworkTest, FullBuffer_CloseOfReaderWakesWriter) {
  SocketPair pair = connected();
  fill(*pair.first);
  pair.second.reset();
  EXPECT_TRUE(pair.first->writable()->is_set());
  EXPECT_EQ(write(*pair.first, "x").error(), Errno::kConnreset);
  EXPECT_EQ(write(*pair.first, "x").error(), Errno::kPipe);
}

TEST_F(LoopbackNetworkTest, BufferedBytes_AreBoundedForAllSocketsTogether) {
  SocketOptions large;
  large.send_buffer_bytes = SocketOptions::kBufferBytesMax;
  large.receive_buffer_bytes = SocketOptions::kBufferBytesMax;
  std::vector<SocketPair> pairs;
  std::size_t total = 0;
  for (;;) {
    pairs.push_back(*network_.open_pair(SockType::kStream));
    pairs.back().first->set_options(large);
    pairs.back().second->set_options(large);
    total += fill(*pairs.back().first);
    if (write(*pairs.back().first, "x").error() == Errno::kNobufs) {
      break;
    }
  }
  EXPECT_LE(total, LoopbackNetwork::kBufferedBytesMax);
  EXPECT_GT(total, LoopbackNetwork::kBufferedBytesMax / 2);
  while (pairs.size() > 1) {
    pairs.erase(pairs.begin());
  }
  EXPECT_EQ(write(*pairs.back().first, "x"), 1U);
}

TEST_F(LoopbackNetworkTest, NobodyListens_IsRefused) {
  const auto client = open();
  EXPECT_EQ(client->connect(at(80)), Errno::kConnrefused);
  const auto bound = open();
  EXPECT_EQ(bound->bind(at(80)), Errno::kSuccess);
  EXPECT_EQ(client->connect(at(80)), Errno::kConnrefused);
  EXPECT_EQ(read(*client), error(Errno::kNotconn));
}

TEST_F(LoopbackNetworkTest, AddressesOutsideLo_AreNotReached) {
  const SocketAddress outside(IpAddress::v4({192, 0, 2, 1}), 80);
  EXPECT_EQ(open()->bind(outside), Errno::kAddrnotavail);
  EXPECT_EQ(open()->connect(outside), Errno::kAcces);
  EXPECT_EQ(open()->connect(at_v6(80)), Errno::kAfnosupport);
}

TEST_F(LoopbackNetworkTest, TwoNetworks_DoNotReachEachOther) {
  LoopbackNetwork other(*reactor_);
  const auto server = listener(at(80));
  const auto stranger = *other.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(stranger->connect(at(80)), Errno::kConnrefused);
  EXPECT_FALSE(other.listening().is_set());
  EXPECT_TRUE(network_.listening().is_set());
}

TEST_F(LoopbackNetworkTest, FullBacklog_ConnectWaitsForAnAccept) {
  const auto server = listener(at(80), 1);
  const auto first = open();
  const auto second = open();
  EXPECT_EQ(first->connect(at(80)), Errno::kSuccess);
  EXPECT_EQ(second->connect(at(80)), Errno::kInprogress);
  EXPECT_FALSE(second->write_readiness().ready);
  EXPECT_EQ(second->connect(at(80)), Errno::kAlready);
  EXPECT_EQ(second->finish_connect(), Errno::kAgain);
  EXPECT_EQ(write(*second, "x").error(), Errno::kAgain);
  EXPECT_TRUE(server->try_accept());
  EXPECT_TRUE(second->writable()->is_set());
  EXPECT_EQ(second->finish_connect(), Errno::kSuccess);
  EXPECT_EQ(second->connect(at(80)), Errno::kIsconn);
  EXPECT_TRUE(server->try_accept());
  EXPECT_EQ(server->try_accept().error(), Errno::kAgain);
}

TEST_F(LoopbackNetworkTest, ListenerCloses_WaitingAreRefusedAndUnacceptedReset) {
  auto server = listener(at(80), 1);
  const auto first = open();
  const auto second = open();
  EXPECT_EQ(first->connect(at(80)), Errno::kSuccess);
  EXPECT_EQ(second->connect(at(80)), Errno::kInprogress);
  server.reset();
  EXPECT_EQ(read(*first), error(Errno::kConnreset));
  EXPECT_EQ(second->take_error(), Errno::kConnrefused);
}

TEST_F(LoopbackNetworkTest, AttemptGoesAway_LeavesTheQueue) {
  const auto server = listener(at(80), 1);
  const auto first = open();
  EXPECT_EQ(first->connect(at(80)), Errno::kSuccess);
  const auto cancelled = open();
  EXPECT_EQ(cancelled->connect(at(80)), Errno::kInprogress);
  cancelled->cancel_connect();
  EXPECT_EQ(open()->connect(at(80)), Errno::kInprogress);
  EXPECT_TRUE(server->try_accept());
  EXPECT_EQ(server->try_accept().error(), Errno::kAgain);
}

TEST_F(LoopbackNetworkTest, ShutdownOfListener_StopsListening) {
  const auto server = listener(at(80));
  EXPECT_TRUE(server->listening());
  EXPECT_EQ(server->shutdown(Sdflags::kRd), Errno::kSuccess);
  EXPECT_EQ(server->try_accept().error(), Errno::kInval);
  EXPECT_EQ(open()->connect(at(80)), Errno::kConnrefused);
  EXPECT_FALSE(network_.listening().is_set());
}

TEST_F(LoopbackNetworkTest, Bind_ConflictsAsOnLinux) {
  const auto server = listener(at(80));
  EXPECT_EQ(open()->bind(at(80)), Errno::kAddrinuse);
  EXPECT_EQ(open()->bind({IpAddress::any_v4(), 80}), Errno::kAddrinuse);
  EXPECT_EQ(open()->bind({IpAddress::v4({127, 0, 0, 2}), 80}), Errno::kSuccess);
  EXPECT_EQ(open(AddressFamily::kInet6)->bind(at_v6(80)), Errno::kSuccess);
  EXPECT_EQ(open(AddressFamily::kInet6)->bind({IpAddress::any_v6(), 80}), Errno::kAddrinuse);
  SocketOptions options;
  options.only_v6 = true;
  const auto v6 = open(AddressFamily::kInet6);
  v6->set_options(options);
  EXPECT_EQ(v6->bind({IpAddress::any_v6(), 80}), Errno::kSuccess);
  EXPECT_EQ(v6->bind({IpAddress::any_v6(), 81}), Errno::kInval);
}

TEST_F(LoopbackNetworkTest, ReuseAddress_SharesUntilOneListens) {
  SocketOptions options;
  options.reuse_address = true;
  const auto first = open();
  const auto second = open();
  first->set_options(options);
  second->set_options(options);
  EXPECT_EQ(first->bind(at(80)), Errno::kSuccess);
  EXPECT_EQ(second->bind(at(80)), Errno::kSuccess);
  EXPECT_EQ(first->listen(1), Errno::kSuccess);
  EXPECT_EQ(second->listen(1), Errno::kAddrinuse);
}

TEST_F(LoopbackNetworkTest, ReusePort_SpreadsConnections) {
  SocketOptions options;
  options.reuse_port = true;
  std::array<std::shared_ptr<Socket>, 2> servers;
  for (auto& server : servers) {
    server = open();
    server->set_options(options);
    EXPECT_EQ(server->bind(at(80)), Errno::kSuccess);
    EXPECT_EQ(server->listen(4), Errno::kSuccess);
  }
  const auto one = open();
  const auto other = open();
  EXPECT_EQ(one->connect(at(80)), Errno::kSuccess);
  EXPECT_EQ(other->connect(at(80)), Errno::kSuccess);
  EXPECT_TRUE(servers[0]->try_accept());
  EXPECT_TRUE(servers[1]->try_accept());
}

TEST_F(LoopbackNetworkTest, ClosedPort_IsFreeAtOnce) {
  listener(at(80)).reset();
  EXPECT_EQ(open()->bind(at(80)), Errno::kSuccess);
}

TEST_F(LoopbackNetworkTest, DualListener_TakesIpV4AsMapped) {
  const auto server = listener({IpAddress::any_v6(), 80}, 4, AddressFamily::kInet6);
  const auto client = open();
  EXPECT_EQ(client->connect(at(80)), Errno::kSuccess);
  const auto accepted = *server->try_accept();
  EXPECT_EQ(accepted->peer_address()->ip().to_string(), "::ffff:127.0.0.1");
  const auto mapped = open(AddressFamily::kInet6);
  EXPECT_EQ(mapped->connect({*IpAddress::parse("::ffff:127.0.0.1"), 80}), Errno::kSuccess);
  EXPECT_EQ(mapped->peer_address()->ip().to_string(), "::ffff:127.0.0.1");
}

TEST_F(LoopbackNetworkTest, Sockets_AreLimited) {
  std::vector<std::shared_ptr<Socket>> sockets;
  while (sockets.size() < LoopbackNetwork::kSocketsMax - 1) {
    sockets.push_back(open());
  }
  const auto server = sockets.front();
  EXPECT_EQ(server->bind(at(80)), Errno::kSuccess);
  EXPECT_EQ(server->listen(8), Errno::kSuccess);
  EXPECT_FALSE(network_.open_pair(SockType::kStream));
  EXPECT_EQ(sockets[1]->connect(at(80)), Errno::kSuccess);
  EXPECT_EQ(sockets[2]->connect(at(80)), Errno::kNobufs);
  EXPECT_EQ(network_.open(AddressFamily::kInet4, SockType::kStream).error(), Errno::kNfile);
  EXPECT_EQ(connect_host(at(80)).error().kind(), ErrorKind::kOverloaded);
  sockets.pop_back();
  EXPECT_TRUE(network_.open(AddressFamily::kInet4, SockType::kStream));
}

TEST_F(LoopbackNetworkTest, UnixStream_ConnectsByNameUntilTheSocketGoes) {
  auto server = listener(unix_at("/run/app.sock"), 4, AddressFamily::kUnix);
  EXPECT_EQ(open(AddressFamily::kUnix)->bind(unix_at("/run/app.sock")), Errno::kAddrinuse);
  const auto client = open(AddressFamily::kUnix);
  EXPECT_EQ(client->connect(unix_at("/run/app.sock")), Errno::kSuccess);
  const auto accepted = *server->try_accept();
  EXPECT_EQ(accepted->local_address().path(), "/run/app.sock");
  EXPECT_EQ(accepted->peer_address()->path(), "");
  write(*client, "hello");
  EXPECT_EQ(read(*accepted), "hello");
  server.reset();
  EXPECT_EQ(open(AddressFamily::kUnix)->connect(unix_at("/run/app.sock")), Errno::kNoent);
  EXPECT_EQ(open(AddressFamily::kUnix)->connect(unix_at("@abstract")), Errno::kConnrefused);
}

TEST_F(LoopbackNetworkTest, SocketPair_IsConnected) {
  const SocketPair pair = *network_.open_pair(SockType::kStream);
  write(*pair.first, "there");
  write(*pair.second, "back");
  EXPECT_EQ(read(*pair.second), "there");
  EXPECT_EQ(read(*pair.first), "back");
  EXPECT_TRUE(pair.first->local_address().is_unix());
}

TEST_F(LoopbackNetworkTest, Sockets_OutliveTheirNetwork) {
  auto other = std::make_unique<LoopbackNetwork>(*reactor_);
  const SocketPair pair = *other->open_pair(SockType::kStream);
  other.reset();
  write(*pair.first, "still");
  EXPECT_EQ(read(*pair.second), "still");
}

}  // namespace
}  // namespace selvedge::wasix
