// What the hot paths of io cost. Compare CPU time per iteration between runs on one machine only;
// the raw epoll echo is the floor to compare the stream echo with.

#include <benchmark/benchmark.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include "base/assert.h"
#include "base/system.h"
#include "base/unique_fd.h"
#include "io/internal/kernel_address.h"
#include "io/kernel_network.h"
#include "io/shard.h"
#include "io/task_scope.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMessageBytes = 128;
using Message = std::array<std::byte, kMessageBytes>;

Task<int> one() { co_return 1; }

void task_await(benchmark::State& state) {
  const base::SystemClock clock;
  auto reactor = KernelReactor::create(clock).value();
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (auto _ : state) {
      const auto result = co_await one();
      benchmark::DoNotOptimize(result);
    }
    co_return {};
  };
  static_cast<void>(reactor->run(body()));
}
BENCHMARK(task_await);

void yield_through_the_queue(benchmark::State& state) {
  const base::SystemClock clock;
  auto reactor = KernelReactor::create(clock).value();
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (auto _ : state) {
      co_await reactor->yield();
    }
    co_return {};
  };
  static_cast<void>(reactor->run(body()));
}
BENCHMARK(yield_through_the_queue);

void timer_arm_cancel(benchmark::State& state) {
  const base::MonotonicTime start{1h};
  TimerWheel wheel(start);
  Timer timer([](Timer&) noexcept {});
  std::int64_t i = 0;
  for (auto _ : state) {
    wheel.arm(timer, start + 30s + std::chrono::milliseconds(++i & 0xfff));
    timer.cancel();
  }
}
BENCHMARK(timer_arm_cancel);

void frame_allocation(benchmark::State& state) {
  for (auto _ : state) {
    void* frame = internal::allocate_frame(200);
    benchmark::DoNotOptimize(frame);
    internal::free_frame(frame, 200);
  }
}
BENCHMARK(frame_allocation);

// A connected pair of TCP sockets over loopback.
struct TcpPair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};
Task<TcpPair> connect_pair(KernelNetwork& network) {
  SELVEDGE_CO_TRY(auto listener, network.listen(SocketAddress(IpAddress::loopback_v4(), 0)));
  TcpPair pair;
  SELVEDGE_CO_TRY(pair.client,
                  co_await network.connect(listener->local_address(), Deadline::never()));
  SELVEDGE_CO_TRY(pair.server, co_await listener->accept());
  co_return pair;
}

Task<> echo(Reactor& reactor, Stream& stream) {
  Message buffer;
  for (;;) {
    const Deadline deadline = reactor.deadline_after(30s);
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer, deadline));
    if (count == 0) {
      co_return {};
    }
    SELVEDGE_CO_TRY_VOID(co_await stream.write_all(ByteSpan(buffer).first(count), deadline));
  }
}

// Both ends on one reactor: two messages, four system calls and two turns for each iteration.
void stream_echo_round_trip(benchmark::State& state) {
  const base::SystemClock clock;
  auto reactor = KernelReactor::create(clock).value();
  KernelNetwork network(*reactor);
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(TcpPair pair, co_await connect_pair(network));
    TaskScope scope(*reactor);
    scope.spawn(echo(*reactor, *pair.server));
    Message message{};
    for (auto _ : state) {
      SELVEDGE_CO_TRY_VOID(co_await pair.client->write_all(message));
      SELVEDGE_CO_TRY_VOID(co_await pair.client->read_exactly(message));
    }
    pair.client->close();
    co_return co_await scope.close();
  };
  SELVEDGE_ASSERT(reactor->run(body()).has_value());
}
BENCHMARK(stream_echo_round_trip);

void watch(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.fd = fd}};
  SELVEDGE_ASSERT(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

int connect_blocking_pair(base::UniqueFd& client) {
  const base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SELVEDGE_ASSERT(::listen(listener.get(), 1) == 0);
  internal::KernelAddress address = internal::KernelAddress::empty();
  SELVEDGE_ASSERT(::getsockname(listener.get(), address.data(), &address.length) == 0);
  client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SELVEDGE_ASSERT(::connect(client.get(), address.data(), address.length) == 0);
  return ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
}

// The floor: the same system calls (epoll_wait, recv, send for each message) and nothing else.
void raw_epoll_echo_round_trip(benchmark::State& state) {
  base::UniqueFd client;
  const base::UniqueFd server(connect_blocking_pair(client));
  const base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  watch(epoll.get(), client.get());
  watch(epoll.get(), server.get());
  Message message{};
  for (auto _ : state) {
    SELVEDGE_ASSERT(::send(client.get(), message.data(), message.size(), MSG_NOSIGNAL) > 0);
    for (bool answered = false; !answered;) {
      std::array<epoll_event, 8> events;
      const int count = ::epoll_wait(epoll.get(), events.data(), 8, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        SELVEDGE_ASSERT(::recv(fd, message.data(), message.size(), MSG_DONTWAIT) > 0);
        if (fd == client.get()) {
          answered = true;
        } else {
          SELVEDGE_ASSERT(::send(fd, message.data(), message.size(), MSG_NOSIGNAL) > 0);
        }
      }
    }
  }
}
BENCHMARK(raw_epoll_echo_round_trip);

// Messages to a busy shard: what the sender pays, and the receiver's part in parallel.
void cross_shard_post(benchmark::State& state) {
  const base::SystemClock clock;
  auto reactor = KernelReactor::create(clock).value();
  std::thread thread([&] {
    bool stop = false;
    const auto body = [&](this auto /*self*/) -> Task<> {
      Event stopped(*reactor);
      for (auto _ : state) {
        while (!reactor->try_post([] {})) {
          co_await reactor->yield();
        }
      }
      stop = true;
      co_return {};
    };
    static_cast<void>(reactor->run(body()));
  });
  thread.join();
}
BENCHMARK(cross_shard_post)->UseRealTime();

// A function goes to another shard and one comes back: two wake-ups of sleeping threads.
void cross_shard_round_trip(benchmark::State& state) {
  const base::SystemClock clock;
  auto group = ShardGroup::create(clock, {.shards = 2}).value();
  group->start([&](this auto /*self*/, Shard& shard) -> Task<> {
    if (shard.id().value() == 1) {
      co_await shard.stop_requested().wait();
      co_return {};
    }
    KernelReactor& here = shard.reactor();
    KernelReactor& there = group->shard(1).reactor();
    Event answered(here);
    for (auto _ : state) {
      answered.reset();
      there.post([&] { here.post([&] { answered.set(); }); });
      co_await answered.wait();
    }
    group->request_stop();
    co_return {};
  });
  static_cast<void>(group->join());
}
BENCHMARK(cross_shard_round_trip)->UseRealTime();

}  // namespace
}  // namespace selvedge::io
