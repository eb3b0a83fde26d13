// The host's streams into the network of a guest.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "io/task_scope.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix {
namespace {

using io::IpAddress;
using io::SocketAddress;

class LoopbackStreamTest : public ::testing::Test {
 protected:
  std::shared_ptr<Socket> listener(const SocketAddress& address, std::uint32_t backlog = 8) {
    auto socket = *network_.open(
        address.ip().is_v6() ? AddressFamily::kInet6 : AddressFamily::kInet4, SockType::kStream);
    EXPECT_EQ(socket->bind(address), Errno::kSuccess);
    EXPECT_EQ(socket->listen(backlog), Errno::kSuccess);
    return socket;
  }
  static SocketAddress at(std::uint16_t port) { return {IpAddress::loopback_v4(), port}; }
  io::Deadline deadline(std::chrono::milliseconds after = std::chrono::seconds(10)) {
    return reactor_->deadline_at(clock_.now() + after);
  }
  Result<std::unique_ptr<io::Stream>> connect(const SocketAddress& address) {
    return reactor_->run(network_.connect(address, deadline()));
  }
  static std::string read(Socket& socket) {
    std::array<char, 64> text{};
    const MutableByteSpan buffer = std::as_writable_bytes(std::span(text));
    const auto count = socket.try_read(std::span(&buffer, 1));
    return count ? std::string(text.data(), *count) : "error";
  }
  static std::size_t write(Socket& socket, std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return socket.try_write(std::span(&bytes, 1)).value_or(0);
  }
  Result<std::string> read(io::Stream& stream) {
    std::array<std::byte, 64> buffer{};
    SELVEDGE_TRY(const std::size_t count, reactor_->run(stream.read(buffer, deadline())));
    return std::string(base::as_text(std::span(buffer).first(count)));
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  LoopbackNetwork network_{*reactor_};
};

TEST_F(LoopbackStreamTest, NobodyListens_IsDisconnected) {
  const auto stream = connect(at(8080));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind(), ErrorKind::kDisconnected);
  EXPECT_NE(stream.error().message().find("127.0.0.1:8080"), std::string::npos);
}

TEST_F(LoopbackStreamTest, Listening_TellsWhenTheGuestIsReady) {
  EXPECT_FALSE(network_.listening().is_set());
  EXPECT_EQ(network_.lowest_tcp_listener(), std::nullopt);
  const auto higher = listener(at(9000));
  auto lower = listener({IpAddress::any_v6(), 3000});
  EXPECT_TRUE(network_.listening().is_set());
  EXPECT_EQ(network_.lowest_tcp_listener(), SocketAddress(IpAddress::loopback_v6(), 3000));
  lower.reset();
  EXPECT_EQ(network_.lowest_tcp_listener(), at(9000));
}

TEST_F(LoopbackStreamTest, Connection_CarriesBytesBothWaysAndHasAddresses) {
  const auto server = listener(at(80));
  const auto stream = *connect(*network_.lowest_tcp_listener());
  const auto guest = *server->try_accept();
  EXPECT_EQ(stream->peer_address(), at(80));
  EXPECT_EQ(stream->local_address(), *guest->peer_address());
  EXPECT_TRUE(reactor_->run(stream->write_all(base::as_bytes("GET /"), deadline())));
  EXPECT_EQ(read(*guest), "GET /");
  write(*guest, "200");
  EXPECT_EQ(*read(*stream), "200");
}

TEST_F(LoopbackStreamTest, ShutdownWrite_GuestSeesTheEndAndMayAnswer) {
  const auto server = listener(at(80));
  const auto stream = *connect(at(80));
  const auto guest = *server->try_accept();
  EXPECT_TRUE(stream->shutdown_write());
  EXPECT_EQ(read(*guest), "");
  write(*guest, "bye");
  EXPECT_EQ(guest->shutdown(Sdflags::kWr), Errno::kSuccess);
  EXPECT_EQ(*read(*stream), "bye");
  EXPECT_EQ(*read(*stream), "");
  EXPECT_EQ(stream->try_write(base::as_bytes("x")).error().kind(), ErrorKind::kDisconnected);
}

TEST_F(LoopbackStreamTest, Close_WakesWaitersAndGuestSeesTheEnd) {
  const auto server = listener(at(80));
  const auto stream = *connect(at(80));
  const auto guest = *server->try_accept();
  stream->close();
  EXPECT_EQ(read(*stream).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(read(*guest), "");
}

TEST_F(LoopbackStreamTest, Abort_GuestSeesAReset) {
  const auto server = listener(at(80));
  auto stream = *connect(at(80));
  const auto guest = *server->try_accept();
  stream->abort();
  EXPECT_EQ(guest->take_error(), Errno::kConnreset);
}

TEST_F(LoopbackStreamTest, GuestResets_IsDisconnected) {
  const auto server = listener(at(80));
  const auto stream = *connect(at(80));
  auto guest = *server->try_accept();
  EXPECT_TRUE(reactor_->run(stream->write_all(base::as_bytes("unread"), deadline())));
  guest.reset();
  EXPECT_EQ(read(*stream).error().kind(), ErrorKind::kDisconnected);
}

io::Task<> write_much(io::Stream& stream, ByteSpan bytes, io::Deadline deadline, bool& done) {
  SELVEDGE_CO_TRY_VOID(co_await stream.write_all(bytes, deadline));
  done = true;
  co_return {};
}

io::Task<> drain(Socket& socket, std::size_t& total, std::size_t wanted) {
  std::array<std::byte, 4096> buffer{};
  const MutableByteSpan target(buffer);
  while (total < wanted) {
    const auto count = socket.try_read(std::span(&target, 1));
    total += count.value_or(0);
    if (!count) {
      co_await socket.readable()->wait();
    }
  }
  co_return {};
}

TEST_F(LoopbackStreamTest, Backpressure_WriterWaitsForTheGuest) {
  const auto server = listener(at(80));
  const auto stream = *connect(at(80));
  const auto guest = *server->try_accept();
  const std::string much(1'000'000, 'x');
  bool done = false;
  std::size_t total = 0;
  io::TaskScope scope(*reactor_);
  static_cast<void>(scope.spawn(write_much(*stream, base::as_bytes(much), deadline(), done)));
  EXPECT_TRUE(reactor_->run(drain(*guest, total, much.size())));
  EXPECT_TRUE(reactor_->run(scope.close()));
  EXPECT_TRUE(done);
  EXPECT_EQ(total, much.size());
}

TEST_F(LoopbackStreamTest, FullBacklog_WaitsUntilTheDeadline) {
  const auto server = listener(at(80), 1);
  const auto first = *connect(at(80));
  const auto second =
      reactor_->run(network_.connect(at(80), deadline(std::chrono::milliseconds(1))));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kTimeout);
  EXPECT_TRUE(server->try_accept());
  EXPECT_TRUE(connect(at(80)));
}

}  // namespace
}  // namespace selvedge::wasix
