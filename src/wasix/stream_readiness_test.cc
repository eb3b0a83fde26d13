// What epoll and poll tell of stream sockets and their ends: as Linux does.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "wasix/epoll.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix {
namespace {

constexpr EpollType kNone = EpollType::kNone;
constexpr EpollType kIn = EpollType::kIn;
constexpr EpollType kOut = EpollType::kOut;
constexpr EpollType kRdhup = EpollType::kRdhup;
constexpr EpollType kHup = EpollType::kHup;
constexpr EpollType kErr = EpollType::kErr;
constexpr EpollType kEnded = kIn | kOut | kRdhup;

class StreamReadinessTest : public ::testing::Test {
 protected:
  std::shared_ptr<Socket> open() {
    return *network_.open(AddressFamily::kInet4, SockType::kStream);
  }
  std::shared_ptr<Socket> listener() {
    auto socket = open();
    EXPECT_EQ(socket->bind({io::IpAddress::loopback_v4(), 0}), Errno::kSuccess);
    EXPECT_EQ(socket->listen(1), Errno::kSuccess);
    return socket;
  }
  SocketPair tcp() {
    const auto server = listener();
    auto client = open();
    EXPECT_EQ(client->connect(server->local_address()), Errno::kSuccess);
    return {.first = std::move(client), .second = *server->try_accept()};
  }
  SocketPair unix_pair() { return *network_.open_pair(SockType::kStream); }

  // What a new entry reports that asks for `events`.
  EpollType conditions(const std::shared_ptr<Handle>& handle,
                       EpollType events = kIn | kOut | kRdhup) {
    EpollHandle epoll(*reactor_, std::make_shared<EpollUsage>());
    EXPECT_EQ(epoll.add(3, {.handle = handle, .rights_base = handle->rights_base()},
                        {.events = events, .data = {}}),
              Errno::kSuccess);
    const auto found = epoll.collect(1);
    return found.empty() ? kNone : found.front().events;
  }
  static ErrnoResult<std::size_t> write(Socket& socket, std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return socket.try_write(std::span(&bytes, 1));
  }
  static ErrnoResult<std::size_t> read(Socket& socket) {
    std::array<std::byte, 64> buffer;
    const MutableByteSpan bytes(buffer);
    return socket.try_read(std::span(&bytes, 1));
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  LoopbackNetwork network_{*reactor_};
};

TEST_F(StreamReadinessTest, NeverConnected_IsHungUpAndHasNothingToRead) {
  const auto socket = open();
  EXPECT_EQ(conditions(socket), kOut | kHup);
  EXPECT_EQ(conditions(socket, kNone), kHup);
  EXPECT_EQ(conditions(listener()), kNone);
  const auto shut = listener();
  EXPECT_EQ(shut->shutdown(Sdflags::kRd), Errno::kSuccess);
  EXPECT_EQ(conditions(shut), kOut | kHup);
}

TEST_F(StreamReadinessTest, NeverConnected_SendsIntoABrokenPipe) {
  const auto socket = open();
  EXPECT_EQ(write(*socket, "x").error(), Errno::kPipe);
  EXPECT_EQ(read(*socket).error(), Errno::kNotconn);
  const auto local = *network_.open(AddressFamily::kUnix, SockType::kStream);
  EXPECT_EQ(write(*local, "x").error(), Errno::kNotconn);
}

TEST_F(StreamReadinessTest, TcpPeerHasFinished_IsTheEndOfOneDirection) {
  const SocketPair pair = tcp();
  EXPECT_EQ(conditions(pair.first), kOut);
  EXPECT_EQ(pair.second->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(conditions(pair.first), kEnded);
  EXPECT_EQ(conditions(pair.first, kNone), kNone);
  EXPECT_EQ(conditions(pair.second), kOut);
  EXPECT_EQ(pair.first->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(conditions(pair.first), kEnded | kHup);
  EXPECT_EQ(conditions(pair.second), kEnded | kHup);
}

TEST_F(StreamReadinessTest, TcpPeerHasClosed_IsHungUpOnceThatIsKnown) {
  SocketPair pair = tcp();
  pair.second.reset();
  EXPECT_EQ(conditions(pair.first), kEnded);
  EXPECT_FALSE(pair.first->read_readiness().hangup);
  EXPECT_EQ(write(*pair.first, "x").error(), Errno::kPipe);
  EXPECT_EQ(conditions(pair.first), kEnded | kHup);
  EXPECT_TRUE(pair.first->read_readiness().hangup);
}

TEST_F(StreamReadinessTest, TcpPeerHasShutBothDirections_IsHungUpOnceThatIsKnown) {
  const SocketPair pair = tcp();
  EXPECT_EQ(pair.second->shutdown(Sdflags::kRd | Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(conditions(pair.first), kEnded);
  EXPECT_EQ(write(*pair.first, "x").error(), Errno::kPipe);
  EXPECT_EQ(conditions(pair.first), kEnded | kHup);
}

TEST_F(StreamReadinessTest, HangUpByOwnShutdown_WakesAWatcherThatAskedForNothing) {
  const SocketPair pair = tcp();
  EpollHandle epoll(*reactor_, std::make_shared<EpollUsage>());
  EXPECT_EQ(epoll.add(3, {.handle = pair.first, .rights_base = pair.first->rights_base()}, {}),
            Errno::kSuccess);
  EXPECT_EQ(pair.second->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_TRUE(epoll.collect(1).empty());
  EXPECT_EQ(pair.first->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(epoll.collect(1).size(), 1U);
}

TEST_F(StreamReadinessTest, OwnShutdown_OfReadingAndOfBoth) {
  for (const SocketPair& pair : {tcp(), unix_pair()}) {
    EXPECT_EQ(pair.first->shutdown(Sdflags::kRd), Errno::kSuccess);
    EXPECT_EQ(conditions(pair.first), kEnded);
    EXPECT_EQ(conditions(pair.second), kOut);
    EXPECT_EQ(pair.first->shutdown(Sdflags::kWr), Errno::kSuccess);
    EXPECT_EQ(conditions(pair.first), kEnded | kHup);
  }
}

TEST_F(StreamReadinessTest, Reset_IsAnErrorUntilItIsTold) {
  for (SocketPair& pair : std::array{tcp(), unix_pair()}) {
    write(*pair.first, "unread");
    pair.second.reset();
    EXPECT_EQ(conditions(pair.first), kEnded | kHup | kErr);
    EXPECT_EQ(read(*pair.first).error(), Errno::kConnreset);
    EXPECT_EQ(conditions(pair.first), kEnded | kHup);
  }
}

TEST_F(StreamReadinessTest, UnixPeerHasClosed_IsHungUpAtOnce) {
  SocketPair pair = unix_pair();
  EXPECT_EQ(pair.second->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(conditions(pair.first), kEnded);
  pair.second.reset();
  EXPECT_EQ(conditions(pair.first), kEnded | kHup);
}

TEST_F(StreamReadinessTest, UnixPeerThatDoesNotRead_RefusesWrites) {
  const SocketPair pair = unix_pair();
  write(*pair.first, "before");
  EXPECT_EQ(pair.second->shutdown(Sdflags::kRd), Errno::kSuccess);
  EXPECT_EQ(write(*pair.first, "x").error(), Errno::kPipe);
  EXPECT_EQ(read(*pair.second), 6U);
  EXPECT_EQ(read(*pair.second), 0U);
}

}  // namespace
}  // namespace selvedge::wasix
