#include "io/testing/simulation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulated_network.h"

namespace selvedge::io::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeed = 2026;

struct Two {
  explicit Two(std::uint64_t seed, SimulationOptions options = {}) : simulation(seed, options) {}
  Simulation simulation;
  SimulatedHost& server = simulation.add_host("server", {IpAddress::v4({10, 0, 0, 1})});
  SimulatedHost& client = simulation.add_host("client", {IpAddress::v4({10, 0, 0, 2})});
  SocketAddress address{IpAddress::v4({10, 0, 0, 1}), 80};
};

Task<> serve_echo(SimulatedHost& host, SocketAddress address) {
  SELVEDGE_CO_TRY(auto listener, host.network().listen(address));
  SELVEDGE_CO_TRY(auto stream, co_await listener->accept());
  std::vector<std::byte> buffer(1000);
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream->read(buffer));
    if (count == 0) {
      co_return stream->shutdown_write();
    }
    SELVEDGE_CO_TRY_VOID(co_await stream->write_all(ByteSpan(buffer).first(count)));
  }
}

Task<std::size_t> exchange(SimulatedHost& host, SocketAddress address, std::size_t bytes,
                           Deadline deadline) {
  SELVEDGE_CO_TRY(auto stream, co_await host.network().connect(address, deadline));
  const std::vector<std::byte> message(100);
  std::vector<std::byte> answer(message.size());
  std::size_t total = 0;
  while (total < bytes) {
    SELVEDGE_CO_TRY_VOID(co_await stream->write_all(message, deadline));
    SELVEDGE_CO_TRY_VOID(co_await stream->read_exactly(answer, deadline));
    total += answer.size();
  }
  co_return total;
}

// One run of a lossy exchange; its digest and how long it took.
std::pair<std::uint64_t, base::Duration> run_once(std::uint64_t seed) {
  Two world(seed, {.segment_loss_ppm = 50'000});
  TaskScope scope(world.server.reactor());
  scope.spawn(serve_echo(world.server, world.address));
  const auto begin = world.simulation.now();
  const auto total =
      world.client.reactor().run(exchange(world.client, world.address, 20'000, Deadline::never()));
  EXPECT_EQ(total.value_or(0), 20'000U);
  return {world.simulation.trace_digest(), world.simulation.now() - begin};
}

TEST(Simulation, Run_SameSeed_HasTheSameTrace) {
  const auto first = run_once(kSeed);
  EXPECT_EQ(run_once(kSeed), first);
  EXPECT_NE(run_once(kSeed + 1).first, first.first);
  EXPECT_GT(first.second, 200ms);  // losses took their retransmissions
}

TEST(Simulation, Run_TaskThatNeverEnds_IsReportedInsteadOfHanging) {
  Two world(kSeed);
  Event never(world.client.reactor());
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_await never.wait();
    co_return {};
  };
  const auto result = world.client.reactor().run(body());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kInternal);
}

TEST(Simulation, Sleep_Year_TakesNoRealTime) {
  Two world(kSeed);
  const auto begin = world.simulation.now();
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_await world.client.reactor().sleep(24h * 365);
    co_return {};
  };
  EXPECT_TRUE(world.client.reactor().run(body()));
  EXPECT_GE(world.simulation.now() - begin, 24h * 365);
}

TEST(Simulation, WallClock_Stepped_LeavesMonotonicTimeAlone) {
  Two world(kSeed);
  const auto monotonic = world.simulation.now();
  const auto wall = world.client.reactor().clock().wall_now();
  world.simulation.step_wall_clock(-1h);
  EXPECT_EQ(world.client.reactor().clock().wall_now(), wall - 1h);
  EXPECT_EQ(world.simulation.now(), monotonic);
}

TEST(Simulation, Partition_Healed_StreamGoesOn) {
  Two world(kSeed);
  TaskScope scope(world.server.reactor());
  scope.spawn(serve_echo(world.server, world.address));
  world.simulation.at(world.simulation.now() + 20ms,
                      [&] { world.simulation.partition(world.server, world.client); });
  world.simulation.at(world.simulation.now() + 5s,
                      [&] { world.simulation.heal(world.server, world.client); });
  const auto begin = world.simulation.now();
  const auto result =
      world.client.reactor().run(exchange(world.client, world.address, 20'000, Deadline::never()));
  EXPECT_EQ(result.value_or(0), 20'000U);
  EXPECT_GT(world.simulation.now() - begin, 4s);
}

TEST(Simulation, Partition_Lasting_BreaksStreamsAndConnects) {
  Two world(kSeed);
  TaskScope scope(world.server.reactor());
  scope.spawn(serve_echo(world.server, world.address));
  world.simulation.at(world.simulation.now() + 20ms,
                      [&] { world.simulation.partition(world.server, world.client); });
  const auto broken = world.client.reactor().run(
      exchange(world.client, world.address, 1'000'000, Deadline::never()));
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind(), ErrorKind::kDisconnected);
  const auto unreachable =
      world.client.reactor().run(exchange(world.client, world.address, 1, Deadline::never()));
  EXPECT_EQ(unreachable.error().kind(), ErrorKind::kTimeout);
  const auto deadline = world.client.reactor().run(
      exchange(world.client, world.address, 1, world.client.reactor().deadline_after(100ms)));
  EXPECT_EQ(deadline.error().kind(), ErrorKind::kTimeout);
}

TEST(Simulation, ConnectionReset_Random_EndsTheExchange) {
  Two world(kSeed, {.connection_reset_ppm = 50'000});
  TaskScope scope(world.server.reactor());
  scope.spawn(serve_echo(world.server, world.address));
  const auto result = world.client.reactor().run(
      exchange(world.client, world.address, 1'000'000, Deadline::never()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
}

TEST(Simulation, Datagrams_LossyNetwork_SomeAreLostSomeDoubled) {
  Two world(kSeed, {.datagram_loss_ppm = 300'000, .datagram_duplication_ppm = 300'000});
  constexpr int kSent = 500;
  auto receiver = world.server.network().bind_datagram(world.address).value();
  auto sender = world.client.network().bind_datagram(SocketAddress(IpAddress::any_v4(), 0)).value();
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (int i = 0; i < kSent; ++i) {
      SELVEDGE_CO_TRY_VOID(
          co_await sender->send(std::as_bytes(std::span(&i, 1)), world.address, Deadline::never()));
      co_await world.client.reactor().sleep(1ms);
    }
    co_return {};
  };
  EXPECT_TRUE(world.client.reactor().run(body()));
  std::vector<int> copies(kSent, 0);
  const auto receive_all = [&](this auto /*self*/) -> Task<> {
    for (;;) {
      int value = 0;
      ReceivedDatagram slot{.buffer = std::as_writable_bytes(std::span(&value, 1))};
      const auto deadline = world.server.reactor().deadline_after(1s);
      const auto count = co_await receiver->receive(std::span(&slot, 1), deadline);
      if (!count) {
        co_return {};
      }
      EXPECT_EQ(slot.peer.ip(), world.client.addresses()[0]);
      ++copies[static_cast<std::size_t>(value)];
    }
  };
  EXPECT_TRUE(world.server.reactor().run(receive_all()));
  EXPECT_GT(std::ranges::count(copies, 0), kSent / 10);
  EXPECT_GT(std::ranges::count(copies, 2), kSent / 10);
}

TEST(Simulation, HelperPool_Run_CompletesInSimulatedTime) {
  Two world(kSeed);
  SimulatedHelperPool pool(world.simulation);
  const auto body = [&](this auto /*self*/) -> Task<int> {
    co_return co_await pool.run(world.client.reactor(), []() -> Result<int> { return 9; });
  };
  EXPECT_EQ(world.client.reactor().run(body()).value(), 9);
}

}  // namespace
}  // namespace selvedge::io::testing
