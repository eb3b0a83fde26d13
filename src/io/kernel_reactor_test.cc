// The reactor against the real kernel: threads, background work, descriptors, signals.

#include "io/kernel_reactor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/system.h"
#include "io/channel.h"
#include "io/helper_pool.h"
#include "io/kernel_network.h"
#include "io/shard.h"
#include "io/signal_source.h"
#include "io/task_scope.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

class KernelReactorTest : public ::testing::Test {
 protected:
  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> reactor_ = KernelReactor::create(clock_).value();
  KernelReactor& reactor() { return *reactor_; }
};

TEST_F(KernelReactorTest, Post_FromOtherThreads_RunsAllInOrderOfEachThread) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  Channel<int> done(reactor(), kThreads);
  std::vector<int> next(kThreads, 0);
  std::vector<std::thread> threads;
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kPosts; ++i) {
          reactor().post([&, t, i] {
            EXPECT_EQ(next[static_cast<std::size_t>(t)]++, i);
            if (i == kPosts - 1) {
              EXPECT_TRUE(done.try_send(int{t}));
            }
          });
        }
      });
    }
    for (int t = 0; t < kThreads; ++t) {
      SELVEDGE_CO_TRY_VOID(co_await done.receive(reactor().deadline_after(20s)));
    }
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(KernelReactorTest, TryPost_MailboxFull_IsRefused) {
  int ran = 0;
  for (std::size_t i = 0; i < Reactor::kMailboxMax; ++i) {
    ASSERT_TRUE(reactor().try_post([&] { ++ran; }));
  }
  EXPECT_FALSE(reactor().try_post([&] { ++ran; }));
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_await reactor().yield();
    co_await reactor().yield();
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_EQ(static_cast<std::size_t>(ran), Reactor::kMailboxMax);
  EXPECT_TRUE(reactor().try_post([] {}));  // destroyed unrun with the reactor
}

TEST_F(KernelReactorTest, Time_DuringATurn_StandsStill) {
  const auto body = [&](this auto /*self*/) -> Task<> {
    const auto before = reactor().now();
    const auto wall = reactor().clock().wall_now();
    while (clock_.now() < before + 3ms) {
    }
    EXPECT_EQ(reactor().now(), before);
    EXPECT_EQ(reactor().clock().now(), before);
    EXPECT_GE(reactor().clock().wall_now(), wall);
    co_await reactor().sleep(1ms);
    EXPECT_GE(reactor().now(), before + 4ms);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
}

class CountingWork final : public BackgroundWork {
 public:
  bool has_work() const noexcept override { return slices_left.load() > 0; }
  void run_slice() override { --slices_left; }
  std::atomic<int> slices_left{0};
};

TEST_F(KernelReactorTest, Background_HasWork_RunsBesideTimersAndTasks) {
  CountingWork work;
  work.slices_left = 1'000'000'000;
  reactor().set_background(&work);
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (int i = 0; i < 10; ++i) {
      const int before = work.slices_left;
      co_await reactor().sleep(2ms);
      EXPECT_LT(work.slices_left, before);
    }
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  reactor().set_background(nullptr);
}

// Goal: no wake-up is lost. Method: another thread makes one slice of work at a time, while the
// reactor has nothing else to wake it; a lost wake-up would stop both for good.
TEST_F(KernelReactorTest, Background_MadeByAnotherThread_WakeStartsItEveryTime) {
  constexpr int kRounds = 2000;
  CountingWork work;
  reactor().set_background(&work);
  Event finished(reactor());
  std::thread thread([&] {
    for (int i = 0; i < kRounds; ++i) {
      work.slices_left = 1;
      reactor().wake();
      while (work.slices_left != 0) {
        std::this_thread::yield();
      }
    }
    reactor().post([&] { finished.set(); });
  });
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_await finished.wait();
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  thread.join();
  reactor().set_background(nullptr);
}

// A clock that stands still until the test moves it.
class ManualClock final : public base::Clock {
 public:
  base::MonotonicTime now() const noexcept override { return base::MonotonicTime(time.load()); }
  base::WallTime wall_now() const noexcept override { return {}; }
  std::atomic<base::Duration> time{1s};
};

TEST(KernelReactorTimeTest, TimeAsleep_CountsSleepsOnly) {
  ManualClock clock;
  const auto reactor = KernelReactor::create(clock).value();
  Event woken(*reactor);
  std::thread thread;
  const auto body = [&](this auto /*self*/) -> Task<> {
    clock.time = 3s;  // a turn that takes two seconds
    thread = std::thread([&] {
      // Only a loop that sleeps shows the clock's time.
      while (reactor->time_asleep() < 5s) {
        clock.time = clock.time.load() + 1s;
        std::this_thread::yield();
      }
      reactor->post([&] { woken.set(); });
    });
    co_await woken.wait();
    const base::Duration slept = reactor->time_asleep();
    EXPECT_GE(slept, 5s);
    EXPECT_LE(slept, clock.time.load() - 3s);
    clock.time = clock.time.load() + 10s;
    EXPECT_EQ(reactor->time_asleep(), slept);
    co_return {};
  };
  EXPECT_TRUE(reactor->run(body()));
  thread.join();
}

TEST_F(KernelReactorTest, Sleep_TenThousandAtOnce_AllWakeInOrder) {
  constexpr int kSleepers = 10'000;
  int awake = 0;
  const auto sleeper = [&](this auto /*self*/, int i) -> Task<> {
    const auto start = reactor().now();
    const auto duration = std::chrono::milliseconds(1 + i % 50);
    co_await reactor().sleep(duration);
    EXPECT_GE(reactor().now(), start + duration);
    ++awake;
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    for (int i = 0; i < kSleepers; ++i) {
      EXPECT_TRUE(scope.spawn(sleeper(i)));
    }
    co_return co_await scope.close();
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_EQ(awake, kSleepers);
}

TEST_F(KernelReactorTest, InlineOperations_PeerAlwaysReady_OthersGetTheirTurn) {
  KernelNetwork network(reactor());
  bool stop = false;
  std::size_t total = 0;
  const auto pump = [&](this auto /*self*/, Stream& from, Stream& to) -> Task<> {
    std::vector<std::byte> buffer(1024);
    while (!stop) {  // the peer is ourselves: always ready
      SELVEDGE_CO_TRY_VOID(co_await to.write_all(buffer));
      SELVEDGE_CO_TRY(const std::size_t count, co_await from.read(buffer));
      total += count;
    }
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto listener, network.listen(SocketAddress(IpAddress::loopback_v4(), 0)));
    SELVEDGE_CO_TRY(auto client, co_await network.connect(listener->local_address(),
                                                          reactor().deadline_after(20s)));
    SELVEDGE_CO_TRY(auto server, co_await listener->accept(reactor().deadline_after(20s)));
    TaskScope scope(reactor());
    scope.spawn(pump(*server, *client));
    co_await reactor().sleep(5ms);
    stop = true;
    co_return co_await scope.close();
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_GT(total, 0U);
}

TEST_F(KernelReactorTest, Accept_OutOfDescriptors_ShedsTheConnectionAndGoesOn) {
  KernelNetwork network(reactor());
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old_limit), 0);
  const auto body = [&](this auto /*self*/) -> Task<> {
    const Deadline deadline = reactor().deadline_after(20s);
    SELVEDGE_CO_TRY(auto listener, network.listen(SocketAddress(IpAddress::loopback_v4(), 0)));
    SELVEDGE_CO_TRY(auto client, co_await network.connect(listener->local_address(), deadline));
    // The next free number is the limit: none is left.
    const base::UniqueFd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    rlimit limit = old_limit;
    limit.rlim_cur = static_cast<rlim_t>(probe.get()) + 1;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const auto none = co_await listener->accept(reactor().deadline_after(10ms));
    EXPECT_FALSE(none);
    EXPECT_EQ(listener->shed_count(), 1U);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old_limit), 0);
    std::array<std::byte, 8> buffer{};
    const auto end = co_await client->read(buffer, deadline);
    EXPECT_TRUE(!end || *end == 0);  // the client was told
    SELVEDGE_CO_TRY(auto second, co_await network.connect(listener->local_address(), deadline));
    SELVEDGE_CO_TRY(auto served, co_await listener->accept(deadline));
    EXPECT_NE(served, nullptr);
    co_return {};
  };
  const auto result = reactor().run(body());
  ::setrlimit(RLIMIT_NOFILE, &old_limit);
  EXPECT_TRUE(result) << result.error().message();
}

TEST_F(KernelReactorTest, Listen_PortNotAllowedOrAddressNotOurs_SaysSo) {
  KernelNetwork network(reactor());
  const auto foreign = network.listen(SocketAddress::parse("192.0.2.1:0").value());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().kind(), ErrorKind::kNotFound);
  EXPECT_NE(foreign.error().message().find("192.0.2.1:0"), std::string::npos);
  const auto missing = network.listen(SocketAddress::parse("unix:/does/not/exist").value());
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
}

TEST_F(KernelReactorTest, Listen_ReusePort_SharesTheAddress) {
  KernelNetwork network(reactor());
  const ListenOptions options{.reuse_port = true};
  auto first = network.listen(SocketAddress(IpAddress::loopback_v4(), 0), options);
  ASSERT_TRUE(first);
  auto second = network.listen((*first)->local_address(), options);
  ASSERT_TRUE(second) << second.error().message();
}

TEST_F(KernelReactorTest, SignalSource_Raised_IsAwaited) {
  sigset_t old_mask;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &old_mask), 0);
  block_signals({SIGUSR1, SIGUSR2});
  const auto body = [&](this auto /*self*/) -> Task<> {
    SELVEDGE_CO_TRY(auto signals, SignalSource::create(reactor(), {SIGUSR1, SIGUSR2}));
    const auto none = co_await signals->next(reactor().deadline_after(2ms));
    EXPECT_EQ(none.error().kind(), ErrorKind::kTimeout);
    ::kill(::getpid(), SIGUSR2);
    SELVEDGE_CO_TRY(const int signal, co_await signals->next(reactor().deadline_after(20s)));
    EXPECT_EQ(signal, SIGUSR2);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  ::pthread_sigmask(SIG_SETMASK, &old_mask, nullptr);
}

// ---- Helper pool ----

TEST_F(KernelReactorTest, HelperPool_Run_CompletesOnTheReactorsThread) {
  ThreadHelperPool pool({.threads = 2});
  const auto body = [&](this auto /*self*/) -> Task<int> {
    const auto here = std::this_thread::get_id();
    std::thread::id there;
    SELVEDGE_CO_TRY(auto value, co_await pool.run(reactor(), [&]() -> Result<std::unique_ptr<int>> {
      there = std::this_thread::get_id();
      return std::make_unique<int>(5);
    }));
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    co_return *value;
  };
  EXPECT_EQ(reactor().run(body()).value(), 5);
}

TEST_F(KernelReactorTest, HelperPool_FunctionFailsOrThrows_YieldsTheError) {
  ThreadHelperPool pool;
  const auto body = [&](this auto /*self*/) -> Task<> {
    const auto failed = co_await pool.run(
        reactor(), []() -> Result<> { return fail(ErrorKind::kDenied, "not this file"); });
    EXPECT_EQ(failed.error().kind(), ErrorKind::kDenied);
    const auto thrown =
        co_await pool.run(reactor(), []() -> Result<int> { return std::vector<int>().at(3); });
    EXPECT_EQ(thrown.error().kind(), ErrorKind::kInternal);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
}

// Goal: one job after another runs on the thread that is warm.
TEST_F(KernelReactorTest, HelperPool_OneJobAtATime_StaysOnOneThread) {
  constexpr std::size_t kThreads = 4;
  ThreadHelperPool pool({.threads = kThreads});
  std::set<std::thread::id> threads;
  const auto body = [&](this auto /*self*/) -> Task<> {
    for (int job = 0; job < 100; ++job) {
      while (pool.idle_threads() < kThreads) {
        co_await reactor().yield();
      }
      SELVEDGE_CO_TRY_VOID(co_await pool.run(reactor(), [&]() -> Result<> {
        threads.insert(std::this_thread::get_id());
        return {};
      }));
    }
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_EQ(threads.size(), 1u);
}

TEST_F(KernelReactorTest, HelperPool_QueueFullAndShutdown_FailWithoutHanging) {
  ThreadHelperPool pool({.threads = 1, .queue_max = 1});
  std::atomic<bool> started{false};
  std::atomic<bool> release{false};
  const auto blocker = [&](this auto /*self*/) -> Task<> {
    co_return co_await pool.run(reactor(), [&]() -> Result<> {
      started = true;
      while (!release) {
        std::this_thread::yield();
      }
      return {};
    });
  };
  std::vector<ErrorKind> kinds;
  const auto job = [&](this auto /*self*/) -> Task<> {
    const auto result = co_await pool.run(reactor(), []() -> Result<> { return {}; });
    kinds.push_back(result ? ErrorKind::kInvalid : result.error().kind());
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    scope.spawn(blocker());
    while (!started) {
      co_await reactor().sleep(1ms);
    }
    scope.spawn(job());  // waits in the queue
    co_await reactor().yield();
    scope.spawn(job());  // finds it full
    co_await reactor().yield();
    EXPECT_EQ(kinds, std::vector{ErrorKind::kOverloaded});
    std::thread stopper([&] { pool.shutdown(); });
    while (kinds.size() < 2) {
      co_await reactor().sleep(1ms);
    }
    EXPECT_EQ(kinds[1], ErrorKind::kDisconnected);
    release = true;
    SELVEDGE_CO_TRY_VOID(co_await scope.close());
    stopper.join();
    scope.spawn(job());
    co_await job();
    EXPECT_EQ(kinds.back(), ErrorKind::kOverloaded);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
}

TEST_F(KernelReactorTest, HelperPool_TaskDestroyedWhileTheJobRuns_ResultIsDropped) {
  std::atomic<bool> release{false};
  const auto body = [&](this auto /*self*/) -> Task<> {
    ThreadHelperPool pool({.threads = 1});
    const auto result = co_await with_deadline(pool.run(reactor(),
                                                        [&]() -> Result<std::unique_ptr<int>> {
                                                          while (!release) {
                                                            std::this_thread::yield();
                                                          }
                                                          return std::make_unique<int>(1);
                                                        }),
                                               reactor().deadline_after(3ms));
    EXPECT_EQ(result.error().kind(), ErrorKind::kTimeout);
    release = true;
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
}

// ---- Shards ----

// Goal: messages between shards neither get lost nor race. Method: a token for each shard travels
// round the ring of shards, each hop a posted function, until it has made its hops.
TEST(ShardGroup, PingPong_TokensRoundTheRing_AllArrive) {
  constexpr int kHops = 2000;
  constexpr std::size_t kShards = 4;
  const base::SystemClock clock;
  auto group = ShardGroup::create(clock, {.shards = kShards}).value();
  std::atomic<int> arrived{0};
  struct Token {
    ShardGroup& group;
    std::atomic<int>& arrived;
    int hops_left;
    std::size_t at;
    void hop(std::unique_ptr<Token> self) {
      if (--hops_left == 0) {
        if (++arrived == static_cast<int>(kShards)) {
          group.request_stop();
        }
        return;
      }
      at = (at + 1) % group.size();
      KernelReactor& next = group.shard(at).reactor();
      EXPECT_TRUE(next.try_post(
          [token = std::move(self)]() mutable { token->hop(std::exchange(token, nullptr)); }));
    }
  };
  group->start([&](Shard& shard) -> Task<> {
    auto token = std::make_unique<Token>(*group, arrived, kHops, shard.id().value());
    token->hop(std::exchange(token, nullptr));
    return [](Shard& here) -> Task<> {
      const ShardAffinity affinity;
      co_await here.stop_requested().wait();
      affinity.assert_here();
      co_return {};
    }(shard);
  });
  EXPECT_TRUE(group->join());
  EXPECT_EQ(arrived, static_cast<int>(kShards));
}

TEST(ShardGroup, Join_OneShardFails_StopsTheOthersAndYieldsItsError) {
  const base::SystemClock clock;
  auto group = ShardGroup::create(clock, {.shards = 3, .pin_threads = true}).value();
  group->start([](Shard& shard) -> Task<> {
    if (shard.id().value() == 1) {
      co_return fail(ErrorKind::kOverloaded, "the port is in use");
    }
    co_await shard.stop_requested().wait();
    co_return {};
  });
  const auto result = group->join();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "the port is in use");
}

TEST(ShardGroup, Destroyed_WhileRunning_StopsAndJoins) {
  const base::SystemClock clock;
  auto group = ShardGroup::create(clock, {}).value();
  EXPECT_GE(group->size(), 1U);
  group->start([](Shard& shard) -> Task<> {
    co_await shard.stop_requested().wait();
    co_return {};
  });
}

}  // namespace
}  // namespace selvedge::io
