// UDP sockets of guests that go outside, over a simulated network.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "io/datagram_socket.h"
#include "wasix/testing/egress_world.h"

namespace selvedge::wasix {
namespace {

using testing::at;
using testing::EgressWorld;

class EgressDatagramTest : public ::testing::Test {
 protected:
  struct Arrived {
    std::string text;
    io::SocketAddress from;
  };
  std::unique_ptr<io::DatagramSocket> server(std::string_view address = "93.184.216.34:53") {
    return *world_.server().network().bind_datagram(at(address));
  }
  Arrived receive(io::DatagramSocket& socket) {
    world_.settle();
    std::array<std::byte, 64> buffer{};
    io::ReceivedDatagram datagram{.buffer = buffer};
    const io::Attempt count = socket.try_receive(std::span(&datagram, 1));
    if (!count || !*count) {
      return {.text = "nothing", .from = {}};
    }
    return {.text = std::string(base::as_text(std::span(buffer).first(datagram.size))),
            .from = datagram.peer};
  }
  void send(io::DatagramSocket& socket, std::string_view text, const io::SocketAddress& to) {
    const io::OutgoingDatagram datagram{.payload = base::as_bytes(text), .peer = to};
    EXPECT_TRUE(socket.try_send(std::span(&datagram, 1)));
    world_.settle();
  }
  std::shared_ptr<Socket> open(AddressFamily family = AddressFamily::kInet4) {
    return world_.open(family, SockType::kDgram);
  }

  EgressWorld world_{{"public"}};
  const io::SocketAddress server_at_ = at("93.184.216.34:53");
};

TEST_F(EgressDatagramTest, SentDatagrams_ArriveAndAreAnswered) {
  const auto peer = server();
  const auto guest = open();
  EXPECT_EQ(guest->bind(at("0.0.0.0:4000")), Errno::kSuccess);
  EXPECT_EQ(world_.send(*guest, "question", &server_at_), 8U);
  const Arrived question = receive(*peer);
  EXPECT_EQ(question.text, "question");
  EXPECT_FALSE(guest->readable()->is_set());
  send(*peer, "answer", question.from);
  EXPECT_TRUE(guest->readable()->is_set());
  std::array<std::byte, 64> buffer{};
  const MutableByteSpan bytes(buffer);
  const auto received = guest->try_receive(std::span(&bytes, 1), {});
  ASSERT_TRUE(received);
  EXPECT_EQ(received->count, 6U);
  EXPECT_EQ(received->from, server_at_);
  EXPECT_EQ(guest->local_address(), at("0.0.0.0:4000"));
}

TEST_F(EgressDatagramTest, Strangers_AreNotHeard) {
  const auto peer = server();
  const auto stranger = server("93.184.216.34:54");
  const auto guest = open();
  EXPECT_EQ(world_.send(*guest, "question", &server_at_), 8U);
  const io::SocketAddress from = receive(*peer).from;
  send(*stranger, "forged", from);
  EXPECT_EQ(world_.receive(*guest), "kAgain");
  send(*peer, "answer", from);
  EXPECT_EQ(world_.receive(*guest), "answer");
}

TEST_F(EgressDatagramTest, Connected_HearsOnlyItsPeer) {
  const auto peer = server();
  const auto other = server("93.184.216.34:54");
  const io::SocketAddress other_at = at("93.184.216.34:54");
  const auto guest = open();
  EXPECT_EQ(world_.send(*guest, "hello", &other_at), 5U);
  const io::SocketAddress from = receive(*other).from;
  EXPECT_EQ(guest->connect(server_at_), Errno::kSuccess);
  EXPECT_EQ(guest->peer_address(), server_at_);
  EXPECT_EQ(guest->local_address().ip(), io::IpAddress::any_v4());
  EXPECT_EQ(world_.send(*guest, "question"), 8U);
  EXPECT_EQ(receive(*peer).text, "question");
  send(*other, "late", from);
  EXPECT_EQ(world_.receive(*guest), "kAgain");
  send(*peer, "answer", from);
  EXPECT_EQ(world_.receive(*guest), "answer");
}

TEST_F(EgressDatagramTest, Connected_IsToldThatNobodyTakesItsDatagrams) {
  const io::SocketAddress other = at("93.184.216.34:54");
  const auto guest = open();
  const auto unconnected = open();
  EXPECT_EQ(guest->connect(server_at_), Errno::kSuccess);
  // Of others, and to others, it hears nothing.
  EXPECT_EQ(world_.send(*unconnected, "question", &server_at_), 8U);
  EXPECT_EQ(world_.send(*guest, "question", &other), 8U);
  world_.settle();
  EXPECT_FALSE(guest->readable()->is_set());
  EXPECT_EQ(world_.receive(*unconnected), "kAgain");
  EXPECT_EQ(world_.send(*guest, "question"), 8U);
  world_.settle();
  EXPECT_TRUE(guest->readable()->is_set());
  EXPECT_EQ(world_.receive(*guest), "kConnrefused");
  EXPECT_EQ(world_.receive(*guest), "kAgain");
  // Once is told, not for how many.
  EXPECT_EQ(world_.send(*guest, "1"), 1U);
  EXPECT_EQ(world_.send(*guest, "2"), 1U);
  world_.settle();
  EXPECT_EQ(guest->take_error(), Errno::kConnrefused);
  EXPECT_EQ(guest->take_error(), Errno::kSuccess);
  const auto peer = server();
  EXPECT_EQ(world_.send(*guest, "again"), 5U);
  EXPECT_EQ(receive(*peer).text, "again");
}

TEST_F(EgressDatagramTest, OneSocket_TalksToBothFamiliesAndToLoopback) {
  const auto v4 = server();
  const auto v6 = server("[2606:2800::1]:53");
  const auto inside = open();
  EXPECT_EQ(inside->bind(at("127.0.0.1:53")), Errno::kSuccess);
  const auto guest = open(AddressFamily::kInet6);
  const io::SocketAddress to_v4 = at("[::ffff:93.184.216.34]:53");
  const io::SocketAddress to_v6 = at("[2606:2800::1]:53");
  const io::SocketAddress to_inside = at("[::ffff:127.0.0.1]:53");
  EXPECT_EQ(world_.send(*guest, "four", &to_v4), 4U);
  EXPECT_EQ(world_.send(*guest, "six", &to_v6), 3U);
  EXPECT_EQ(world_.send(*guest, "lo", &to_inside), 2U);
  const Arrived four = receive(*v4);
  EXPECT_EQ(four.text, "four");
  EXPECT_EQ(receive(*v6).text, "six");
  EXPECT_EQ(world_.receive(*inside), "lo");
  send(*v4, "4", four.from);
  EXPECT_EQ(world_.receive(*guest), "4");
}

TEST_F(EgressDatagramTest, WhatThePolicyDoesNotAllow_IsAcces) {
  const auto guest = open();
  for (const std::string_view denied :
       {"10.0.0.2:53", "169.254.169.254:53", "255.255.255.255:53"}) {
    const io::SocketAddress to = at(denied);
    EXPECT_EQ(world_.send_errno(*guest, "x", &to), Errno::kAcces) << denied;
    EXPECT_EQ(guest->connect(to), Errno::kAcces) << denied;
  }
  const auto bound = open();
  EXPECT_EQ(bound->bind(at("127.0.0.1:0")), Errno::kSuccess);
  EXPECT_EQ(world_.send_errno(*bound, "x", &server_at_), Errno::kInval);
}

TEST_F(EgressDatagramTest, Limits_AreKept) {
  world_.set_rules({"public"}, {.sockets_max = 1, .bytes_max = 10});
  const auto guest = open();
  const auto second = open();
  EXPECT_EQ(world_.send(*guest, "12345678", &server_at_), 8U);
  EXPECT_EQ(world_.send_errno(*second, "1", &server_at_), Errno::kNfile);
  EXPECT_EQ(world_.send_errno(*guest, "123", &server_at_), Errno::kDquot);
  EXPECT_EQ(world_.send(*guest, "12", &server_at_), 2U);
}

}  // namespace
}  // namespace selvedge::wasix
