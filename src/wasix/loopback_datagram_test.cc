// Datagrams of `lo`: UDP, multicast, unix.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "wasix/internal/datagram_socket.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix {
namespace {

using io::IpAddress;
using io::SocketAddress;

class LoopbackDatagramTest : public ::testing::Test {
 protected:
  std::shared_ptr<Socket> open(AddressFamily family = AddressFamily::kInet4) {
    return *network_.open(family, SockType::kDgram);
  }
  std::shared_ptr<Socket> bound(const SocketAddress& address, bool reuse = false) {
    auto socket = open(
        address.is_unix() ? AddressFamily::kUnix
                          : (address.ip().is_v6() ? AddressFamily::kInet6 : AddressFamily::kInet4));
    SocketOptions options;
    options.reuse_address = reuse;
    socket->set_options(options);
    EXPECT_EQ(socket->bind(address), Errno::kSuccess);
    return socket;
  }
  static SocketAddress at(std::uint16_t port) { return {IpAddress::loopback_v4(), port}; }
  static SocketAddress unix_at(std::string_view path) { return *SocketAddress::unix_path(path); }
  static Errno send(Socket& socket, std::string_view text, const SocketAddress& to) {
    const ByteSpan bytes = base::as_bytes(text);
    const auto sent = socket.try_send(std::span(&bytes, 1), &to);
    return sent ? Errno::kSuccess : sent.error();
  }
  static Errno send(Socket& socket, std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    const auto sent = socket.try_write(std::span(&bytes, 1));
    return sent ? Errno::kSuccess : sent.error();
  }
  // The bytes that fit, and the datagram's length.
  static std::string receive(Socket& socket, std::size_t size = 64, bool peek = false) {
    std::string text(size, '\0');
    const MutableByteSpan buffer = std::as_writable_bytes(std::span(text));
    const auto received = socket.try_receive(std::span(&buffer, 1), {.peek = peek});
    if (!received) {
      return "error " + std::to_string(static_cast<int>(received.error()));
    }
    return text.substr(0, received->count) + "/" + std::to_string(received->length);
  }
  static std::string error(Errno errno_value) {
    return "error " + std::to_string(static_cast<int>(errno_value));
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  LoopbackNetwork network_{*reactor_};
};

TEST_F(LoopbackDatagramTest, Datagrams_KeepTheirBoundsAndSender) {
  const auto server = bound(at(53));
  const auto client = open();
  EXPECT_EQ(send(*client, "one", at(53)), Errno::kSuccess);
  EXPECT_EQ(send(*client, "", at(53)), Errno::kSuccess);
  EXPECT_EQ(send(*client, "three", at(53)), Errno::kSuccess);
  EXPECT_EQ(server->read_readiness().bytes, 3U);
  std::array<std::byte, 16> buffer{};
  const MutableByteSpan target(buffer);
  const auto received = *server->try_receive(std::span(&target, 1), {});
  EXPECT_EQ(received.count, 3U);
  EXPECT_EQ(received.from, at(client->local_address().port()));
  EXPECT_EQ(receive(*server), "/0");
  EXPECT_EQ(receive(*server, 2, true), "th/5");
  EXPECT_EQ(receive(*server, 2), "th/5");
  EXPECT_EQ(receive(*server), error(Errno::kAgain));
  EXPECT_FALSE(server->readable()->is_set());
}

TEST_F(LoopbackDatagramTest, Connected_SendsThereAndTakesOnlyFromThere) {
  const auto server = bound(at(53));
  const auto stranger = bound(at(54));
  const auto client = open();
  EXPECT_EQ(send(*client, "x"), Errno::kDestaddrreq);
  EXPECT_EQ(client->connect(at(53)), Errno::kSuccess);
  EXPECT_EQ(*client->peer_address(), at(53));
  EXPECT_EQ(send(*client, "question"), Errno::kSuccess);
  EXPECT_EQ(receive(*server), "question/8");
  EXPECT_EQ(send(*stranger, "spoof", client->local_address()), Errno::kSuccess);
  EXPECT_EQ(send(*server, "answer", client->local_address()), Errno::kSuccess);
  EXPECT_EQ(receive(*client), "answer/6");
  EXPECT_EQ(receive(*client), error(Errno::kAgain));
  EXPECT_EQ(client->disconnect(), Errno::kSuccess);
  EXPECT_EQ(client->peer_address().error(), Errno::kNotconn);
}

TEST_F(LoopbackDatagramTest, NobodyThere_OnlyAConnectedSenderLearnsIt) {
  const auto client = open();
  EXPECT_EQ(send(*client, "x", at(53)), Errno::kSuccess);
  EXPECT_EQ(client->take_error(), Errno::kSuccess);
  EXPECT_EQ(client->connect(at(53)), Errno::kSuccess);
  EXPECT_EQ(send(*client, "x"), Errno::kSuccess);
  EXPECT_TRUE(client->read_readiness().ready);
  EXPECT_EQ(receive(*client), error(Errno::kConnrefused));
  EXPECT_EQ(receive(*client), error(Errno::kAgain));
}

TEST_F(LoopbackDatagramTest, FullQueue_DropsWhatComes) {
  const auto server = bound(at(53));
  const auto client = open();
  const std::string large(LoopbackNetwork::kDatagramBytesMax, 'x');
  EXPECT_EQ(send(*client, large, at(53)), Errno::kSuccess);
  EXPECT_EQ(send(*client, "dropped", at(53)), Errno::kSuccess);
  EXPECT_EQ(receive(*server, 1), "x/65507");
  EXPECT_EQ(receive(*server), error(Errno::kAgain));
  EXPECT_EQ(send(*client, large + "x", at(53)), Errno::kMsgsize);
}

TEST_F(LoopbackDatagramTest, ManySmallDatagrams_AreCountedToo) {
  const auto server = bound(at(53));
  SocketOptions options;
  options.receive_buffer_bytes = SocketOptions::kBufferBytesMax;
  server->set_options(options);
  const auto client = open();
  for (std::size_t index = 0; index < LoopbackNetwork::kDatagramsQueuedMax + 8; ++index) {
    EXPECT_EQ(send(*client, "x", at(53)), Errno::kSuccess);
  }
  std::size_t count = 0;
  while (receive(*server) == "x/1") {
    ++count;
  }
  EXPECT_EQ(count, LoopbackNetwork::kDatagramsQueuedMax);
}

TEST_F(LoopbackDatagramTest, AddressesOutsideLo_AreNotReached) {
  const SocketAddress outside(IpAddress::v4({192, 0, 2, 1}), 53);
  EXPECT_EQ(send(*open(), "x", outside), Errno::kAcces);
  EXPECT_EQ(open()->connect(outside), Errno::kAcces);
  EXPECT_EQ(open()->bind(outside), Errno::kAddrnotavail);
  EXPECT_EQ(send(*open(), "x", at(0)), Errno::kInval);
}

TEST_F(LoopbackDatagramTest, Shutdown_EndsDirections) {
  const auto socket = open();
  EXPECT_EQ(socket->shutdown(Sdflags::kRd), Errno::kNotconn);
  EXPECT_EQ(socket->connect(at(53)), Errno::kSuccess);
  EXPECT_EQ(socket->shutdown(Sdflags::kRd | Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(receive(*socket), "/0");
  EXPECT_EQ(send(*socket, "x"), Errno::kPipe);
  EXPECT_EQ(socket->listen(1), Errno::kNotsup);
}

TEST_F(LoopbackDatagramTest, IpV6_ReachesDualAndOnlyItsOwn) {
  const auto dual = bound({IpAddress::any_v6(), 53});
  EXPECT_EQ(send(*open(), "four", at(53)), Errno::kSuccess);
  EXPECT_EQ(receive(*dual), "four/4");
  const auto v6 = open(AddressFamily::kInet6);
  EXPECT_EQ(send(*v6, "six", {IpAddress::loopback_v6(), 53}), Errno::kSuccess);
  EXPECT_EQ(receive(*dual), "six/3");
  EXPECT_EQ(send(*v6, "x", at(53)), Errno::kAfnosupport);
}

TEST_F(LoopbackDatagramTest, Multicast_ReachesEveryMember) {
  const IpAddress group = IpAddress::v4({239, 1, 2, 3});
  const auto first = bound({IpAddress::any_v4(), 5353}, true);
  const auto second = bound({group, 5353}, true);
  const auto outsider = bound({IpAddress::any_v4(), 5353}, true);
  EXPECT_EQ(first->join_multicast(group), Errno::kSuccess);
  EXPECT_EQ(second->join_multicast(group), Errno::kSuccess);
  EXPECT_EQ(second->join_multicast(group), Errno::kAddrinuse);
  EXPECT_EQ(first->join_multicast(IpAddress::loopback_v4()), Errno::kInval);
  const auto sender = open();
  EXPECT_EQ(send(*sender, "all", {group, 5353}), Errno::kSuccess);
  EXPECT_EQ(receive(*first), "all/3");
  EXPECT_EQ(receive(*second), "all/3");
  EXPECT_EQ(receive(*outsider), error(Errno::kAgain));
  EXPECT_EQ(first->leave_multicast(group), Errno::kSuccess);
  EXPECT_EQ(first->leave_multicast(group), Errno::kAddrnotavail);
  SocketOptions options;
  options.multicast_loop_v4 = false;
  sender->set_options(options);
  EXPECT_EQ(send(*sender, "none", {group, 5353}), Errno::kSuccess);
  EXPECT_EQ(receive(*second), error(Errno::kAgain));
}

TEST_F(LoopbackDatagramTest, MulticastV6_ReachesMembersAndGroupsAreLimited) {
  const IpAddress group = *IpAddress::parse("ff02::fb");
  const auto member = bound({IpAddress::any_v6(), 5353});
  EXPECT_EQ(member->join_multicast(group), Errno::kSuccess);
  EXPECT_EQ(send(*open(AddressFamily::kInet6), "six", {group, 5353}), Errno::kSuccess);
  EXPECT_EQ(receive(*member), "six/3");
  for (std::uint8_t index = 1; index < LoopbackNetwork::kMulticastGroupsMax; ++index) {
    EXPECT_EQ(member->join_multicast(IpAddress::v6({0xff, 2, index})), Errno::kSuccess);
  }
  EXPECT_EQ(member->join_multicast(IpAddress::v6({0xff, 3})), Errno::kNobufs);
  EXPECT_EQ((*network_.open(AddressFamily::kInet6, SockType::kStream))->join_multicast(group),
            Errno::kNoprotoopt);
}

TEST_F(LoopbackDatagramTest, UnixDatagrams_GoByNameAndSendersWait) {
  auto server = bound(unix_at("/run/log"));
  const auto client = bound(unix_at("/run/client"));
  EXPECT_EQ(send(*client, "line", unix_at("/run/log")), Errno::kSuccess);
  std::array<std::byte, 16> buffer{};
  const MutableByteSpan target(buffer);
  EXPECT_EQ(server->try_receive(std::span(&target, 1), {})->from.path(), "/run/client");
  EXPECT_EQ(client->connect(unix_at("/run/log")), Errno::kSuccess);
  while (send(*client, std::string(1000, 'x')) == Errno::kSuccess) {
  }
  EXPECT_EQ(send(*client, "x"), Errno::kAgain);
  EXPECT_FALSE(client->writable()->is_set());
  EXPECT_EQ(receive(*server, 1), "x/1000");
  EXPECT_TRUE(client->writable()->is_set());
  EXPECT_EQ(send(*client, "x"), Errno::kSuccess);
  while (send(*client, std::string(1000, 'x')) == Errno::kSuccess) {
  }
  server.reset();
  EXPECT_TRUE(client->writable()->is_set());
  EXPECT_EQ(send(*client, "x"), Errno::kConnrefused);
  const auto stream = *network_.open(AddressFamily::kUnix, SockType::kStream);
  EXPECT_EQ(stream->connect(unix_at("/run/client")), Errno::kPrototype);
}

// An attack: sockets that wait for room and are closed, again and again.
TEST_F(LoopbackDatagramTest, UnixSendersThatAreGone_AreForgotten) {
  const auto server = bound(unix_at("/run/log"));
  const auto client = open(AddressFamily::kUnix);
  while (send(*client, std::string(1000, 'x'), unix_at("/run/log")) == Errno::kSuccess) {
  }
  for (int count = 0; count < 100; ++count) {
    EXPECT_EQ(send(*open(AddressFamily::kUnix), "x", unix_at("/run/log")), Errno::kAgain);
  }
  EXPECT_LE(static_cast<internal::DatagramSocket&>(*server).senders_waiting(), 2U);
  EXPECT_EQ(receive(*server, 1), "x/1000");
  EXPECT_TRUE(client->writable()->is_set());
}

TEST_F(LoopbackDatagramTest, DatagramPair_SendsToEachOtherUntilOneGoes) {
  SocketPair pair = *network_.open_pair(SockType::kDgram);
  EXPECT_EQ(send(*pair.first, "there"), Errno::kSuccess);
  EXPECT_EQ(send(*pair.second, "back"), Errno::kSuccess);
  EXPECT_EQ(receive(*pair.second), "there/5");
  EXPECT_EQ(receive(*pair.first), "back/4");
  pair.second.reset();
  EXPECT_EQ(send(*pair.first, "x"), Errno::kConnrefused);
}

}  // namespace
}  // namespace selvedge::wasix
