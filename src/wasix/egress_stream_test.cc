// TCP sockets of guests that go outside, over a simulated network.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulation.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/egress_world.h"

namespace selvedge::wasix {
namespace {

using testing::at;
using testing::EgressWorld;
using testing::ip;

class EgressStreamTest : public ::testing::Test {
 protected:
  // A server that the guest may talk to.
  std::unique_ptr<io::Listener> listen(std::string_view address = "93.184.216.34:80") {
    return *world_.server().network().listen(at(address));
  }
  std::unique_ptr<io::Stream> accept(io::Listener& listener) {
    world_.settle();
    auto stream = listener.try_accept();
    return stream ? *std::move(stream) : nullptr;
  }
  struct Connected {
    std::shared_ptr<Socket> guest;
    std::unique_ptr<io::Stream> peer;
  };
  Connected connected() {
    const auto listener = listen();
    auto guest = world_.open(AddressFamily::kInet4, SockType::kStream);
    EXPECT_EQ(guest->connect(at("93.184.216.34:80")), Errno::kInprogress);
    auto peer = accept(*listener);
    EXPECT_EQ(guest->finish_connect(), Errno::kSuccess);
    return {.guest = std::move(guest), .peer = std::move(peer)};
  }
  static std::string read(io::Stream& stream) {
    std::vector<std::byte> buffer(65'536);
    const io::Attempt count = stream.try_read(buffer);
    return !count    ? "error"
           : !*count ? "nothing"
                     : std::string(base::as_text(std::span(buffer).first(**count)));
  }
  static std::size_t write(io::Stream& stream, std::string_view text) {
    const io::Attempt count = stream.try_write(base::as_bytes(text));
    return count && *count ? **count : 0;
  }
  Errno connect(std::string_view address) {
    const auto socket =
        world_.open(address.starts_with('[') ? AddressFamily::kInet6 : AddressFamily::kInet4,
                    SockType::kStream);
    const Errno begun = socket->connect(at(address));
    if (begun != Errno::kInprogress) {
      return begun;
    }
    EXPECT_EQ(socket->finish_connect(), Errno::kAgain);
    world_.settle(std::chrono::minutes(5));
    return socket->finish_connect();
  }

  EgressWorld world_{{"public,10.9.9.9"}};
};

TEST_F(EgressStreamTest, AllowedAddress_CarriesBytesBothWaysAndHasAddresses) {
  const auto [guest, peer] = connected();
  ASSERT_NE(peer, nullptr);
  EXPECT_FALSE(guest->readable()->is_set());
  EXPECT_TRUE(guest->writable()->is_set());
  EXPECT_EQ(world_.send(*guest, "question"), 8U);
  world_.settle();
  EXPECT_EQ(read(*peer), "question");
  EXPECT_EQ(write(*peer, "answer"), 6U);
  world_.settle();
  EXPECT_TRUE(guest->readable()->is_set());
  EXPECT_EQ(guest->read_readiness().bytes, 6U);
  EXPECT_EQ(world_.receive(*guest, {.peek = true}), "answer");
  EXPECT_EQ(world_.receive(*guest), "answer");
  EXPECT_EQ(world_.receive(*guest), "kAgain");
  EXPECT_FALSE(guest->readable()->is_set());
  EXPECT_EQ(guest->peer_address(), at("93.184.216.34:80"));
  EXPECT_EQ(guest->local_address().ip(), io::IpAddress::any_v4());
  EXPECT_EQ(guest->status(), SockStatus::kOpened);
}

TEST_F(EgressStreamTest, Ipv6_ConnectsAlsoToMappedAddresses) {
  const auto v6 = listen("[2606:2800::1]:80");
  EXPECT_EQ(connect("[2606:2800::1]:80"), Errno::kSuccess);
  const auto v4 = listen();
  const auto guest = world_.open(AddressFamily::kInet6, SockType::kStream);
  EXPECT_EQ(guest->connect(at("[::ffff:93.184.216.34]:80")), Errno::kInprogress);
  world_.settle();
  EXPECT_EQ(guest->finish_connect(), Errno::kSuccess);
  EXPECT_EQ(guest->peer_address(), at("[::ffff:93.184.216.34]:80"));
}

TEST_F(EgressStreamTest, WhatThePolicyDoesNotAllow_IsAcces) {
  for (const std::string_view denied :
       {"10.0.0.2:80", "169.254.169.254:80", "192.168.0.1:80", "255.255.255.255:80", "[fd00::1]:80",
        "[fe80::1]:80", "[64:ff9b::a00:2]:80", "[::ffff:10.0.0.2]:80"}) {
    EXPECT_EQ(connect(denied), Errno::kAcces) << denied;
  }
  EXPECT_EQ(connect("10.9.9.9:80"), Errno::kConnrefused);
}

TEST_F(EgressStreamTest, WithoutAWayOut_IsAcces) {
  LoopbackNetwork closed(world_.guest().reactor());
  const auto socket = *closed.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(socket->connect(at("93.184.216.34:80")), Errno::kAcces);
}

TEST_F(EgressStreamTest, Loopback_StaysInside) {
  const auto host = *world_.guest().network().listen(at("127.0.0.1:80"));
  EXPECT_EQ(connect("127.0.0.1:80"), Errno::kConnrefused);
  EXPECT_EQ(connect("0.0.0.0:80"), Errno::kConnrefused);
  EXPECT_EQ(accept(*host), nullptr);
}

TEST_F(EgressStreamTest, LoopbackThatARuleNames_IsTheHosts) {
  world_.set_rules({"127.0.0.1:80"});
  const auto host = *world_.guest().network().listen(at("127.0.0.1:80"));
  EXPECT_EQ(connect("127.0.0.1:80"), Errno::kSuccess);
  EXPECT_NE(accept(*host), nullptr);
  // Other ports are those of `lo`.
  const auto listener = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(listener->bind(at("127.0.0.1:81")), Errno::kSuccess);
  EXPECT_EQ(listener->listen(1), Errno::kSuccess);
  EXPECT_EQ(connect("127.0.0.1:81"), Errno::kSuccess);
}

TEST_F(EgressStreamTest, FailedConnections_SayWhy) {
  EXPECT_EQ(connect("93.184.216.34:81"), Errno::kConnrefused);
  EXPECT_EQ(connect("8.8.8.8:80"), Errno::kTimedout);
  const auto guest = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(guest->connect(at("93.184.216.34:81")), Errno::kInprogress);
  EXPECT_EQ(guest->connect(at("93.184.216.34:81")), Errno::kAlready);
  EXPECT_EQ(guest->status(), SockStatus::kOpening);
  world_.settle();
  EXPECT_TRUE(guest->writable()->is_set());
  EXPECT_EQ(guest->status(), SockStatus::kFailed);
  EXPECT_EQ(guest->take_error(), Errno::kConnrefused);
  EXPECT_EQ(guest->take_error(), Errno::kSuccess);
}

TEST_F(EgressStreamTest, BoundToLoopback_CannotLeave) {
  const auto guest = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(guest->bind(at("127.0.0.1:0")), Errno::kSuccess);
  EXPECT_EQ(guest->connect(at("93.184.216.34:80")), Errno::kInval);
  const auto outside = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(outside->bind(at("93.184.216.34:80")), Errno::kAddrnotavail);
}

TEST_F(EgressStreamTest, HalfClose_LeavesTheOtherDirectionOpen) {
  const auto [guest, peer] = connected();
  EXPECT_EQ(world_.send(*guest, "all"), 3U);
  EXPECT_EQ(guest->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(world_.send_errno(*guest, "more"), Errno::kPipe);
  world_.settle();
  EXPECT_EQ(read(*peer), "all");
  EXPECT_EQ(read(*peer), "");
  EXPECT_EQ(write(*peer, "late"), 4U);
  EXPECT_TRUE(peer->shutdown_write());
  world_.settle();
  EXPECT_EQ(world_.receive(*guest), "late");
  EXPECT_EQ(world_.receive(*guest), "");
  EXPECT_EQ(world_.receive(*guest), "");
  EXPECT_TRUE(guest->read_readiness().hangup);
}

TEST_F(EgressStreamTest, ShutdownOfReading_EndsBehindWhatCame) {
  const auto [guest, peer] = connected();
  EXPECT_EQ(write(*peer, "before"), 6U);
  world_.settle();
  EXPECT_EQ(guest->shutdown(Sdflags::kRd), Errno::kSuccess);
  EXPECT_TRUE(guest->read_readiness().ended);
  EXPECT_EQ(world_.receive(*guest), "before");
  EXPECT_EQ(world_.receive(*guest), "");
  EXPECT_EQ(world_.send(*guest, "still"), 5U);
  world_.settle();
  EXPECT_EQ(read(*peer), "still");
}

TEST_F(EgressStreamTest, PeersReset_IsToldOnceThenTheEnd) {
  const auto [guest, peer] = connected();
  peer->abort();
  world_.settle();
  EXPECT_TRUE(guest->readable()->is_set());
  EXPECT_TRUE(guest->read_readiness().hangup);
  EXPECT_EQ(world_.receive(*guest), "kConnreset");
  EXPECT_EQ(world_.receive(*guest), "");
  EXPECT_EQ(world_.send_errno(*guest, "x"), Errno::kPipe);
  EXPECT_EQ(guest->status(), SockStatus::kFailed);
}

TEST_F(EgressStreamTest, GuestThatDoesNotRead_SlowsThePeerDown) {
  const auto [guest, peer] = connected();
  const std::string block(16'384, 'x');
  std::size_t sent = 0;
  for (std::size_t count = 1; count != 0;) {
    count = write(*peer, block);
    sent += count;
    world_.settle();
  }
  EXPECT_EQ(guest->read_readiness().bytes, SocketOptions::kBufferBytesDefault);
  EXPECT_LE(sent, 4 * SocketOptions::kBufferBytesDefault);
  std::size_t received = 0;
  for (std::string part; (part = world_.receive(*guest)) != "kAgain";) {
    received += part.size();
    world_.settle();
  }
  EXPECT_EQ(received, sent);
  EXPECT_GT(write(*peer, block), 0U);
}

TEST_F(EgressStreamTest, PeerThatDoesNotRead_MakesTheGuestWait) {
  const auto [guest, peer] = connected();
  const std::string block(16'384, 'x');
  std::size_t sent = 0;
  while (world_.send_errno(*guest, block) == Errno::kSuccess) {
    sent += block.size();
    world_.settle();
  }
  EXPECT_EQ(world_.send_errno(*guest, block), Errno::kAgain);
  EXPECT_FALSE(guest->writable()->is_set());
  while (read(*peer) != "nothing") {
    world_.settle();
  }
  EXPECT_TRUE(guest->writable()->is_set());
  EXPECT_GT(sent, 0U);
}

TEST_F(EgressStreamTest, ClosingWithUnreadBytes_IsAReset) {
  auto [guest, peer] = connected();
  EXPECT_EQ(write(*peer, "unread"), 6U);
  world_.settle();
  guest.reset();
  world_.settle();
  EXPECT_EQ(read(*peer), "error");
}

TEST_F(EgressStreamTest, Closing_DeliversWhatWasSent) {
  auto [guest, peer] = connected();
  EXPECT_EQ(world_.send(*guest, "last words"), 10U);
  guest.reset();
  world_.settle();
  EXPECT_EQ(read(*peer), "last words");
  EXPECT_EQ(read(*peer), "");
}

TEST_F(EgressStreamTest, SocketThatGoesWhileItConnects_LeavesNothing) {
  auto guest = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(guest->connect(at("8.8.8.8:80")), Errno::kInprogress);
  world_.settle(std::chrono::seconds(1));
  guest.reset();
  world_.settle(std::chrono::minutes(5));
  auto other = world_.open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(other->connect(at("8.8.8.8:80")), Errno::kInprogress);
  other->cancel_connect();
  EXPECT_EQ(other->finish_connect(), Errno::kNotconn);
}

TEST_F(EgressStreamTest, SocketsBeyondTheLimit_AreNfile) {
  world_.set_rules({"public"}, {.sockets_max = 2});
  const auto listener = listen();
  std::vector<std::shared_ptr<Socket>> sockets;
  for (int i = 0; i < 2; ++i) {
    sockets.push_back(world_.open(AddressFamily::kInet4, SockType::kStream));
    EXPECT_EQ(sockets.back()->connect(at("93.184.216.34:80")), Errno::kInprogress);
  }
  EXPECT_EQ(connect("93.184.216.34:80"), Errno::kNfile);
  // Also a failed attempt gives its place back.
  sockets.pop_back();
  EXPECT_EQ(connect("93.184.216.34:81"), Errno::kConnrefused);
  EXPECT_EQ(connect("93.184.216.34:80"), Errno::kSuccess);
}

TEST_F(EgressStreamTest, BytesBeyondTheLimit_AreDquot) {
  world_.set_rules({"public"}, {.bytes_max = 10});
  const auto [guest, peer] = connected();
  EXPECT_EQ(world_.send(*guest, "12345678"), 8U);
  EXPECT_EQ(write(*peer, "abcd"), 4U);
  world_.settle();
  EXPECT_EQ(world_.receive(*guest), "ab");
  EXPECT_EQ(world_.receive(*guest), "kDquot");
  EXPECT_EQ(world_.receive(*guest), "");
  EXPECT_EQ(world_.send_errno(*guest, "x"), Errno::kPipe);
}

}  // namespace
}  // namespace selvedge::wasix
