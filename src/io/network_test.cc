// The same scenarios over the kernel's sockets (IPv4, IPv6, unix) and over the simulated network:
// what passes here is what code above io may rely on, whichever network it is given.

#include "io/network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "base/system.h"
#include "io/kernel_network.h"
#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

enum class Kind { kKernelV4, kKernelV6, kKernelUnix, kSimulatedV4, kSimulatedV6, kSimulatedUnix };

// A reactor with a network and an address to listen on.
class World {
 public:
  virtual ~World() = default;
  virtual Reactor& reactor() = 0;
  virtual Network& server() = 0;
  virtual Network& client() = 0;
  virtual SocketAddress address() = 0;
};

class KernelWorld final : public World {
 public:
  explicit KernelWorld(Kind kind) : kind_(kind) {}
  ~KernelWorld() override { std::filesystem::remove_all(directory_); }
  Reactor& reactor() override { return *reactor_; }
  Network& server() override { return network_; }
  Network& client() override { return network_; }
  SocketAddress address() override {
    if (kind_ == Kind::kKernelUnix) {
      std::string pattern =
          (std::filesystem::temp_directory_path() / "selvedge-io-XXXXXX").string();
      directory_ = ::mkdtemp(pattern.data());
      return SocketAddress::unix_path((directory_ / "socket").string()).value();
    }
    return SocketAddress(
        kind_ == Kind::kKernelV4 ? IpAddress::loopback_v4() : IpAddress::loopback_v6(), 0);
  }

 private:
  Kind kind_;
  std::filesystem::path directory_;
  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> reactor_ = KernelReactor::create(clock_).value();
  KernelNetwork network_{*reactor_};
};

class SimulatedWorld final : public World {
 public:
  static constexpr std::uint64_t kSeed = 17;
  explicit SimulatedWorld(Kind kind) : kind_(kind) {}
  Reactor& reactor() override { return host_.reactor(); }
  Network& server() override { return host_.network(); }
  Network& client() override { return host_.network(); }
  SocketAddress address() override {
    if (kind_ == Kind::kSimulatedUnix) {
      return SocketAddress::unix_path("/run/socket").value();
    }
    return SocketAddress(
        kind_ == Kind::kSimulatedV4 ? IpAddress::loopback_v4() : IpAddress::loopback_v6(), 0);
  }

 private:
  Kind kind_;
  testing::Simulation simulation_{kSeed};
  testing::SimulatedHost& host_ = simulation_.add_host(
      "host", {IpAddress::v4({10, 0, 0, 1}), IpAddress::parse("2001:db8::1").value()});
};

class NetworkTest : public ::testing::TestWithParam<Kind> {
 protected:
  NetworkTest() {
    const bool kernel = GetParam() <= Kind::kKernelUnix;
    if (kernel) {
      world_ = std::make_unique<KernelWorld>(GetParam());
    } else {
      world_ = std::make_unique<SimulatedWorld>(GetParam());
    }
  }
  bool is_unix() const {
    return GetParam() == Kind::kKernelUnix || GetParam() == Kind::kSimulatedUnix;
  }
  Reactor& reactor() { return world_->reactor(); }
  Deadline soon() { return reactor().deadline_after(20s); }

  struct Pair {
    std::unique_ptr<Stream> client;
    std::unique_ptr<Stream> server;
  };
  Task<Pair> connect_pair() {
    SELVEDGE_CO_TRY(auto listener, world_->server().listen(world_->address()));
    Pair pair;
    SELVEDGE_CO_TRY(pair.client,
                    co_await world_->client().connect(listener->local_address(), soon()));
    SELVEDGE_CO_TRY(pair.server, co_await listener->accept(soon()));
    co_return pair;
  }

  std::unique_ptr<World> world_;
};

Task<> echo(Stream& stream, Deadline deadline) {
  std::vector<std::byte> buffer(4096);
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer, deadline));
    if (count == 0) {
      co_return stream.shutdown_write();
    }
    SELVEDGE_CO_TRY_VOID(co_await stream.write_all(ByteSpan(buffer).first(count), deadline));
  }
}

Task<> write_pattern(Stream& stream, std::size_t bytes, Deadline deadline) {
  std::vector<std::byte> chunk(10'007);
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t size = std::min(chunk.size(), bytes - done);
    for (std::size_t i = 0; i < size; ++i) {
      chunk[i] = static_cast<std::byte>((done + i) % 251);
    }
    SELVEDGE_CO_TRY_VOID(co_await stream.write_all(ByteSpan(chunk).first(size), deadline));
    done += size;
  }
  co_return stream.shutdown_write();
}

// Reads to the end and checks the pattern; the number of bytes.
Task<std::size_t> read_pattern(Stream& stream, Deadline deadline) {
  std::vector<std::byte> buffer(3001);
  std::size_t total = 0;
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer, deadline));
    if (count == 0) {
      co_return total;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (buffer[i] != static_cast<std::byte>((total + i) % 251)) {
        co_return fail_format(ErrorKind::kInternal, "wrong byte at {}", total + i);
      }
    }
    total += count;
  }
}

TEST_P(NetworkTest, Echo_MegabytesWithHalfClose_ComeBackWhole) {
  constexpr std::size_t kBytes = 3'000'001;
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    TaskScope scope(reactor());
    scope.spawn(echo(*pair.server, soon()));
    scope.spawn(write_pattern(*pair.client, kBytes, soon()));
    SELVEDGE_CO_TRY(const std::size_t total, co_await read_pattern(*pair.client, soon()));
    SELVEDGE_CO_TRY_VOID(co_await scope.close());
    co_return total;
  };
  const auto result = reactor().run(body());
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, kBytes);
}

TEST_P(NetworkTest, Echo_ByteAtATime_KeepsOrder) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    TaskScope scope(reactor());
    scope.spawn(echo(*pair.server, soon()));
    for (int i = 0; i < 300; ++i) {
      const auto sent = static_cast<std::byte>(i);
      SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(std::span(&sent, 1), soon()));
      std::byte received{};
      SELVEDGE_CO_TRY_VOID(co_await pair.client->read_exactly(std::span(&received, 1), soon()));
      EXPECT_EQ(received, sent);
    }
    pair.client->close();
    co_return co_await scope.close(soon());
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, WriteAll_GatheredPieces_ArriveInOrder) {
  const auto body = [&](this auto /*self*/) -> Task<std::string> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    const std::array<ByteSpan, 4> pieces{base::as_bytes("head, "), ByteSpan(),
                                         base::as_bytes("body"), base::as_bytes("!")};
    SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(pieces, soon()));
    SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(ByteSpan(), soon()));
    std::array<std::byte, 11> buffer{};
    SELVEDGE_CO_TRY_VOID(co_await pair.server->read_exactly(buffer, soon()));
    co_return std::string(base::as_text(buffer));
  };
  EXPECT_EQ(reactor().run(body()).value(), "head, body!");
}

TEST_P(NetworkTest, WriteAll_PeerDoesNotRead_WaitsAndGoesOnWhenItReads) {
  constexpr std::size_t kBytes = 20'000'000;
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    bool written = false;
    TaskScope scope(reactor());
    const auto writer = [&](this auto /*self*/) -> Task<> {
      SELVEDGE_CO_TRY_VOID(co_await write_pattern(*pair.client, kBytes, soon()));
      written = true;
      co_return {};
    };
    scope.spawn(writer());
    co_await reactor().sleep(50ms);
    EXPECT_FALSE(written);
    EXPECT_FALSE(pair.client->writable().is_set());
    SELVEDGE_CO_TRY(const std::size_t total, co_await read_pattern(*pair.server, soon()));
    SELVEDGE_CO_TRY_VOID(co_await scope.close());
    EXPECT_TRUE(written);
    co_return total;
  };
  const auto result = reactor().run(body());
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, kBytes);
}

TEST_P(NetworkTest, Read_DeadlinePassed_YieldsTimeoutAndTheStreamGoesOn) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    std::array<std::byte, 16> buffer{};
    const auto direct = co_await pair.server->read(buffer, reactor().deadline_after(5ms));
    EXPECT_EQ(direct.error().kind(), ErrorKind::kTimeout);
    const auto wrapped =
        co_await with_deadline(pair.server->read(buffer), reactor().deadline_after(5ms));
    EXPECT_EQ(wrapped.error().kind(), ErrorKind::kTimeout);
    SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(base::as_bytes("later"), soon()));
    SELVEDGE_CO_TRY(const std::size_t count, co_await pair.server->read(buffer, soon()));
    EXPECT_EQ(base::as_text(ByteSpan(buffer).first(count)),
              std::string_view("later").substr(0, count));
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Close_WhileReadingWritingAndAccepting_EndsTheWaitsWithDisconnected) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto listener, world_->server().listen(world_->address()));
    SELVEDGE_CO_TRY(auto client,
                    co_await world_->client().connect(listener->local_address(), soon()));
    SELVEDGE_CO_TRY(auto server, co_await listener->accept(soon()));
    TaskScope scope(reactor());
    int ended = 0;
    const auto reader = [&](this auto /*self*/) -> Task<> {
      std::array<std::byte, 16> buffer{};
      const auto result = co_await server->read(buffer);
      EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
      ++ended;
      co_return {};
    };
    const auto writer = [&](this auto /*self*/) -> Task<> {
      const auto result = co_await write_pattern(*server, 100'000'000, Deadline::never());
      EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
      ++ended;
      co_return {};
    };
    const auto accepter = [&](this auto /*self*/) -> Task<> {
      const auto result = co_await listener->accept();
      EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
      ++ended;
      co_return {};
    };
    scope.spawn(reader());
    scope.spawn(writer());
    scope.spawn(accepter());
    co_await reactor().sleep(20ms);
    EXPECT_EQ(ended, 0);
    server->close();
    listener->close();
    SELVEDGE_CO_TRY_VOID(co_await scope.close(soon()));
    EXPECT_EQ(ended, 3);
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Cancel_WhileReadingWritingAndAccepting_LeavesNothingBehind) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto listener, world_->server().listen(world_->address()));
    SELVEDGE_CO_TRY(auto client,
                    co_await world_->client().connect(listener->local_address(), soon()));
    SELVEDGE_CO_TRY(auto server, co_await listener->accept(soon()));
    std::array<std::byte, 16> buffer{};
    const auto reader = [&](this auto /*self*/) -> Task<> {
      co_return co_await server->read_exactly(buffer);
    };
    const auto accepter = [&](this auto /*self*/) -> Task<> {
      SELVEDGE_CO_TRY_VOID(co_await listener->accept());
      co_return {};
    };
    TaskScope scope(reactor());
    scope.spawn(reader());
    scope.spawn(write_pattern(*server, 100'000'000, Deadline::never()));
    scope.spawn(accepter());
    co_await reactor().sleep(20ms);
    scope.cancel();
    SELVEDGE_CO_TRY_VOID(co_await scope.close());
    EXPECT_FALSE(server->readable().has_waiters());
    EXPECT_FALSE(server->writable().has_waiters());
    EXPECT_FALSE(listener->acceptable().has_waiters());
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Abort_PeerReads_SeesADisconnect) {
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    pair.server->abort();
    std::array<std::byte, 16> buffer{};
    co_return co_await pair.client->read(buffer, soon());
  };
  const auto result = reactor().run(body());
  if (GetParam() != Kind::kKernelUnix) {  // unix sockets have no reset
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
  }
}

TEST_P(NetworkTest, Read_DataAndEndArriveTogether_BothAreSeen) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    std::array<std::byte, 64> buffer{};
    // Makes the server's end wait once, so that what follows arrives by events.
    const auto idle = co_await pair.server->read(buffer, reactor().deadline_after(2ms));
    EXPECT_FALSE(idle);
    SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(base::as_bytes("last words"), soon()));
    SELVEDGE_CO_TRY_VOID(pair.client->shutdown_write());
    std::size_t total = 0;
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await pair.server->read(buffer, soon()));
      if (count == 0) {
        break;
      }
      total += count;
    }
    EXPECT_EQ(total, 10U);
    SELVEDGE_CO_TRY(const std::size_t again, co_await pair.server->read(buffer, soon()));
    EXPECT_EQ(again, 0U);
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, HungUp_OnlyOnceTheConnectionIsOver) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(Pair pair, co_await connect_pair());
    SELVEDGE_CO_TRY_VOID(pair.client->shutdown_write());
    std::array<std::byte, 16> buffer{};
    SELVEDGE_CO_TRY(const std::size_t count, co_await pair.server->read(buffer, soon()));
    EXPECT_EQ(count, 0U);
    EXPECT_FALSE(pair.server->hung_up()) << "its peer still reads";
    SELVEDGE_CO_TRY_VOID(co_await pair.server->write_all(base::as_bytes("answer"), soon()));
    pair.client->abort();
    while (!pair.server->hung_up()) {
      pair.server->readable().reset();
      SELVEDGE_CO_TRY_VOID(co_await pair.server->readable().wait(soon()));
    }
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Connect_NobodyListens_IsRefused) {
  const auto body = [&](this auto /*self*/) -> Task<std::unique_ptr<Stream>> {
    SocketAddress address;
    {
      SELVEDGE_CO_TRY(auto listener, world_->server().listen(world_->address()));
      address = listener->local_address();
    }
    co_return co_await world_->client().connect(address, soon());
  };
  const auto result = reactor().run(body());
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().kind() == ErrorKind::kDisconnected ||
              (is_unix() && result.error().kind() == ErrorKind::kNotFound))
      << result.error().message();
}

TEST_P(NetworkTest, Listen_AddressInUse_IsRefused) {
  auto first = world_->server().listen(world_->address());
  ASSERT_TRUE(first);
  const auto second = world_->server().listen((*first)->local_address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kOverloaded);
}

TEST_P(NetworkTest, Addresses_ConnectedPair_MirrorEachOther) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(const Pair pair, co_await connect_pair());
    EXPECT_EQ(pair.client->peer_address(), pair.server->local_address());
    EXPECT_EQ(pair.client->local_address(), pair.server->peer_address());
    EXPECT_EQ(pair.server->local_address().is_unix(), is_unix());
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Connections_Hundred_AreServedAtOnce) {
  constexpr int kConnections = 100;
  int served = 0;
  const auto serve = [&](this auto /*self*/, std::unique_ptr<Stream> stream) -> Task<> {
    SELVEDGE_CO_TRY_VOID(co_await echo(*stream, soon()));
    ++served;
    co_return {};
  };
  const auto accept_all = [&](this auto /*self*/, Listener& listener, TaskScope& scope) -> Task<> {
    for (int i = 0; i < kConnections; ++i) {
      SELVEDGE_CO_TRY(auto stream, co_await listener.accept(soon()));
      scope.spawn(serve(std::move(stream)));
    }
    co_return {};
  };
  const auto client = [&](this auto /*self*/, SocketAddress address) -> Task<> {
    SELVEDGE_CO_TRY(auto stream, co_await world_->client().connect(address, soon()));
    TaskScope scope(reactor());
    scope.spawn(write_pattern(*stream, 50'000, soon()));
    SELVEDGE_CO_TRY(const std::size_t total, co_await read_pattern(*stream, soon()));
    EXPECT_EQ(total, 50'000U);
    co_return co_await scope.close();
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto listener, world_->server().listen(world_->address()));
    TaskScope scope(reactor());
    scope.spawn(accept_all(*listener, scope));
    for (int i = 0; i < kConnections; ++i) {
      scope.spawn(client(listener->local_address()));
    }
    while (served < kConnections && !scope.empty()) {
      co_await reactor().sleep(1ms);
    }
    co_return co_await scope.close(soon());
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
  EXPECT_EQ(served, kConnections);
}

TEST_P(NetworkTest, Datagrams_ThatNobodyTakes_AreReportedToWhoAsks) {
  if (is_unix()) {
    return;
  }
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto server, world_->server().bind_datagram(world_->address()));
    SELVEDGE_CO_TRY(auto gone, world_->server().bind_datagram(world_->address()));
    const SocketAddress closed = gone->local_address();
    gone.reset();
    SELVEDGE_CO_TRY(auto other, world_->client().bind_datagram(world_->address()));
    SELVEDGE_CO_TRY(auto client,
                    world_->client().bind_datagram(world_->address(), {.report_refusals = true}));
    client->set_time_to_live(64);
    SELVEDGE_CO_TRY_VOID(co_await other->send(base::as_bytes("lost"), closed, soon()));
    SELVEDGE_CO_TRY_VOID(co_await client->send(base::as_bytes("lost"), closed, soon()));
    SELVEDGE_CO_TRY_VOID(
        co_await client->send(base::as_bytes("kept"), server->local_address(), soon()));
    std::array<std::byte, 100> buffer{};
    ReceivedDatagram slot{.buffer = buffer};
    const Deadline deadline = soon();
    std::optional<SocketAddress> refused = client->take_refused_peer();
    while (!refused) {
      const Attempt attempt = client->try_receive(std::span(&slot, 1));
      EXPECT_TRUE(attempt && !*attempt);
      SELVEDGE_CO_TRY_VOID(co_await client->readable().wait(deadline));
      refused = client->take_refused_peer();
    }
    EXPECT_EQ(*refused, closed);
    EXPECT_FALSE(client->take_refused_peer());
    EXPECT_FALSE(other->take_refused_peer());
    // Both go on.
    SELVEDGE_CO_TRY_VOID(co_await server->receive(std::span(&slot, 1), soon()));
    SELVEDGE_CO_TRY_VOID(co_await server->send(base::as_bytes("answer"), slot.peer, soon()));
    SELVEDGE_CO_TRY_VOID(co_await client->receive(std::span(&slot, 1), soon()));
    EXPECT_EQ(slot.size, 6U);
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

TEST_P(NetworkTest, Datagrams_SentBothWays_ArriveWithTheirSender) {
  if (is_unix()) {
    EXPECT_EQ(world_->server().bind_datagram(world_->address()).error().kind(),
              ErrorKind::kUnsupported);
    return;
  }
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto server, world_->server().bind_datagram(world_->address()));
    SELVEDGE_CO_TRY(auto client, world_->client().bind_datagram(world_->address()));
    SELVEDGE_CO_TRY_VOID(
        co_await client->send(base::as_bytes("question"), server->local_address(), soon()));
    std::array<std::byte, 100> buffer{};
    std::array<ReceivedDatagram, 2> slots{ReceivedDatagram{.buffer = buffer},
                                          ReceivedDatagram{.buffer = buffer}};
    SELVEDGE_CO_TRY(const std::size_t count, co_await server->receive(slots, soon()));
    EXPECT_EQ(count, 1U);
    EXPECT_EQ(base::as_text(ByteSpan(buffer).first(slots[0].size)), "question");
    EXPECT_EQ(slots[0].peer, client->local_address());
    slots[0].buffer = MutableByteSpan(buffer).first(3);
    SELVEDGE_CO_TRY_VOID(co_await server->send(base::as_bytes("answer"), slots[0].peer, soon()));
    SELVEDGE_CO_TRY_VOID(co_await client->receive(slots, soon()));
    EXPECT_EQ(slots[0].size, 3U);
    EXPECT_TRUE(slots[0].truncated);
    const auto none = co_await client->receive(slots, reactor().deadline_after(2ms));
    EXPECT_EQ(none.error().kind(), ErrorKind::kTimeout);
    client->close();
    const auto closed = co_await client->receive(slots, soon());
    EXPECT_EQ(closed.error().kind(), ErrorKind::kDisconnected);
    co_return {};
  };
  const auto result = reactor().run(body());
  EXPECT_TRUE(result) << result.error().message();
}

std::string name_of(const ::testing::TestParamInfo<Kind>& info) {
  constexpr std::array kNames{"KernelV4",    "KernelV6",    "KernelUnix",
                              "SimulatedV4", "SimulatedV6", "SimulatedUnix"};
  return kNames[static_cast<std::size_t>(info.param)];
}

TEST(KernelNetworkTest, CheckFree_FreePort_IsNamedAndLeftUnserved) {
  const base::SystemClock clock;
  const auto reactor = KernelReactor::create(clock).value();
  KernelNetwork network(*reactor);
  const auto address = KernelNetwork::check_free({IpAddress::loopback_v4(), 0});
  ASSERT_TRUE(address);
  EXPECT_NE(address->port(), 0);
  const auto body = [&](this auto /*self*/) -> Task<std::unique_ptr<Stream>> {
    co_return co_await network.connect(*address, reactor->deadline_after(10s));
  };
  EXPECT_FALSE(reactor->run(body()));
  EXPECT_TRUE(network.listen(*address));
}

TEST(KernelNetworkTest, CheckFree_OthersShareThePort_IsRefused) {
  const base::SystemClock clock;
  const auto reactor = KernelReactor::create(clock).value();
  KernelNetwork network(*reactor);
  const auto shared = network.listen({IpAddress::loopback_v4(), 0}, {.reuse_port = true});
  ASSERT_TRUE(shared);
  const auto address = KernelNetwork::check_free((*shared)->local_address());
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().kind(), ErrorKind::kOverloaded);
}

INSTANTIATE_TEST_SUITE_P(All, NetworkTest,
                         ::testing::Values(Kind::kKernelV4, Kind::kKernelV6, Kind::kKernelUnix,
                                           Kind::kSimulatedV4, Kind::kSimulatedV6,
                                           Kind::kSimulatedUnix),
                         name_of);

}  // namespace
}  // namespace selvedge::io
