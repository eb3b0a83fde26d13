#include "io/task.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/system.h"
#include "io/channel.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/kernel_reactor.h"
#include "io/task_scope.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

class TaskTest : public ::testing::Test {
 protected:
  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> reactor_ = KernelReactor::create(clock_).value();
  Reactor& reactor() { return *reactor_; }
};

// Counts the live values of one kind, to see what a destroyed coroutine leaves behind.
class Tracked {
 public:
  explicit Tracked(int& live) : live_(&live) { ++live; }
  Tracked(Tracked&& other) noexcept : live_(std::exchange(other.live_, nullptr)) {}
  Tracked& operator=(Tracked&&) = delete;
  ~Tracked() {
    if (live_ != nullptr) {
      --*live_;
    }
  }

 private:
  int* live_;
};

Task<int> value_of(int value) { co_return value; }
Task<int> failure() { co_return fail(ErrorKind::kDenied, "no"); }
Task<int> sum_of(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    SELVEDGE_CO_TRY(const int value, co_await value_of(1));
    sum += value;
  }
  co_return sum;
}
Task<int> throws() {
  throw std::runtime_error("from the standard library");
  co_return 1;
}
Task<int> passes_on() {
  SELVEDGE_CO_TRY(const int value, co_await failure());
  co_return value;
}
Task<> wait_for(Event& event, Tracked /*held*/) {
  co_await event.wait();
  co_return {};
}

TEST_F(TaskTest, Run_Value_IsReturned) { EXPECT_EQ(reactor().run(value_of(7)).value(), 7); }

TEST_F(TaskTest, Run_Error_IsPassedThroughAwaits) {
  const auto result = reactor().run(passes_on());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kDenied);
}

TEST_F(TaskTest, Run_Exception_BecomesInternal) {
  const auto result = reactor().run(throws());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kInternal);
  EXPECT_NE(result.error().message().find("from the standard library"), std::string::npos);
}

TEST_F(TaskTest, Await_MillionThatCompleteAtOnce_DoesNotGrowTheStack) {
  EXPECT_EQ(reactor().run(sum_of(1'000'000)).value(), 1'000'000);
}

TEST_F(TaskTest, Ready_Awaited_YieldsItsResult) {
  EXPECT_EQ(reactor().run(Task<int>::ready(3)).value(), 3);
  EXPECT_FALSE(reactor().run(Task<int>::ready(fail(ErrorKind::kInvalid, "x"))));
}

TEST_F(TaskTest, Destroy_NeverStarted_ReleasesParameters) {
  int live = 0;
  Event event(reactor());
  {
    const Task<> task = wait_for(event, Tracked(live));
    EXPECT_EQ(live, 1);
  }
  EXPECT_EQ(live, 0);
}

Task<> sleep_then(Reactor& reactor, base::Duration duration, Tracked /*held*/, bool& finished) {
  co_await reactor.sleep(duration);
  finished = true;
  co_return {};
}

TEST_F(TaskTest, WithDeadline_Passed_DestroysTheTaskAndYieldsTimeout) {
  int live = 0;
  bool finished = false;
  const auto body = [&](this auto /*self*/) -> Task<> {
    const auto result = co_await with_deadline(sleep_then(reactor(), 1h, Tracked(live), finished),
                                               reactor().deadline_after(5ms));
    EXPECT_EQ(live, 0);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kTimeout);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_FALSE(finished);
}

TEST_F(TaskTest, WithDeadline_InTime_YieldsTheResult) {
  int live = 0;
  bool finished = false;
  const auto body = [&](this auto /*self*/) -> Task<int> {
    SELVEDGE_CO_TRY_VOID(co_await with_deadline(sleep_then(reactor(), 1ms, Tracked(live), finished),
                                                reactor().deadline_after(1h)));
    SELVEDGE_CO_TRY_VOID(co_await with_deadline(value_of(1), Deadline::never()));
    co_return co_await with_deadline(value_of(2), reactor().deadline_after(0s));
  };
  EXPECT_EQ(reactor().run(body()).value(), 2);
  EXPECT_TRUE(finished);
}

TEST_F(TaskTest, WithDeadline_Nested_InnerAndOuterEndInOrder) {
  int live = 0;
  bool finished = false;
  const auto inner = [&](this auto /*self*/) -> Task<> {
    const auto result = co_await with_deadline(sleep_then(reactor(), 1h, Tracked(live), finished),
                                               reactor().deadline_after(1h));
    ADD_FAILURE() << "the outer deadline destroys this task";
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_return co_await with_deadline(inner(), reactor().deadline_after(3ms));
  };
  EXPECT_EQ(reactor().run(body()).error().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(live, 0);
}

TEST_F(TaskTest, Event_SetAndDeadlineInOneTurn_IsNotATimeout) {
  Event event(reactor());
  const auto body = [&](this auto /*self*/) -> Task<> {
    const Deadline deadline = reactor().deadline_after(0s);
    event.set();
    co_return co_await event.wait(deadline);
  };
  EXPECT_TRUE(reactor().run(body()));
}

TEST_F(TaskTest, Event_WaitDeadlinePassed_YieldsTimeout) {
  Event event(reactor());
  const auto body = [&](this auto /*self*/) -> Task<> {
    co_return co_await event.wait(reactor().deadline_after(2ms));
  };
  EXPECT_EQ(reactor().run(body()).error().kind(), ErrorKind::kTimeout);
  EXPECT_FALSE(event.has_waiters());
}

TEST_F(TaskTest, Event_DestroyedWhileAwaited_Dies) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto event = std::make_unique<Event>(reactor());
        TaskScope scope(reactor());
        const auto body = [&](this auto /*self*/) -> Task<> {
          int live = 0;
          scope.spawn(wait_for(*event, Tracked(live)));
          co_await reactor().yield();
          event.reset();
          event = nullptr;
          co_return {};
        };
        static_cast<void>(reactor().run(body()));
      },
      "waits_ == 0");
}

TEST_F(TaskTest, TaskScope_Close_WaitsForAllAndYieldsTheFirstError) {
  int live = 0;
  const auto fails = [&](this auto /*self*/, std::string message) -> Task<> {
    co_await reactor().sleep(1ms);
    co_return fail(ErrorKind::kInvalid, message);
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    bool finished = false;
    EXPECT_TRUE(scope.spawn(sleep_then(reactor(), 3ms, Tracked(live), finished)));
    EXPECT_TRUE(scope.spawn(fails("first")));
    EXPECT_TRUE(scope.spawn(fails("second")));
    EXPECT_EQ(scope.size(), 3U);
    auto result = co_await scope.close();
    EXPECT_TRUE(finished);
    EXPECT_TRUE(scope.empty());
    EXPECT_FALSE(scope.spawn(fails("refused")));
    co_return result;
  };
  EXPECT_EQ(reactor().run(body()).error().message(), "first");
  EXPECT_EQ(live, 0);
}

TEST_F(TaskTest, TaskScope_CloseWithGrace_CancelsTheRest) {
  int live = 0;
  bool finished = false;
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished));
    SELVEDGE_CO_TRY_VOID(co_await scope.close(reactor().deadline_after(2ms)));
    EXPECT_EQ(live, 0);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_FALSE(finished);
}

TEST_F(TaskTest, TaskScope_CancelledByItsOwnTask_RunsOnToTheNextAwait) {
  int live = 0;
  bool finished = false;
  bool ran_on = false;
  const auto canceller = [&](this auto /*self*/, TaskScope& scope) -> Task<> {
    co_await reactor().yield();
    scope.cancel();
    ran_on = true;
    co_await reactor().sleep(1h);
    ADD_FAILURE() << "a cancelled task is not resumed";
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished));
    scope.spawn(canceller(scope));
    co_return co_await scope.close();
  };
  EXPECT_TRUE(reactor().run(body()));
  EXPECT_TRUE(ran_on);
  EXPECT_FALSE(finished);
  EXPECT_EQ(live, 0);
}

TEST_F(TaskTest, TaskScope_DestroyedWithRunningTasks_DestroysThem) {
  int live = 0;
  bool finished = false;
  const auto body = [&](this auto /*self*/) -> Task<> {
    {
      TaskScope scope(reactor());
      for (int i = 0; i < 100; ++i) {
        scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished));
      }
      EXPECT_EQ(live, 100);
      co_await reactor().yield();
      scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished));  // not started yet
    }
    EXPECT_EQ(live, 0);
    co_return {};
  };
  EXPECT_TRUE(reactor().run(body()));
}

TEST_F(TaskTest, TaskScope_AtItsLimit_RefusesTheTask) {
  int live = 0;
  bool finished = false;
  TaskScope scope(reactor(), 1);
  EXPECT_TRUE(scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished)));
  EXPECT_FALSE(scope.spawn(sleep_then(reactor(), 1h, Tracked(live), finished)));
  EXPECT_EQ(live, 1);
}

TEST_F(TaskTest, Channel_Full_MakesTheSenderWaitAndKeepsOrder) {
  Channel<std::unique_ptr<int>> channel(reactor(), 2);
  std::vector<int> received;
  const auto sender = [&](this auto /*self*/) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      SELVEDGE_CO_TRY_VOID(co_await channel.send(std::make_unique<int>(i)));
      EXPECT_LE(channel.size(), 2U);
    }
    channel.close();
    co_return {};
  };
  const auto body = [&](this auto /*self*/) -> Task<> {
    TaskScope scope(reactor());
    scope.spawn(sender());
    for (;;) {
      auto item = co_await channel.receive();
      if (!item) {
        EXPECT_EQ(item.error().kind(), ErrorKind::kDisconnected);
        break;
      }
      received.push_back(**item);
    }
    co_return co_await scope.close();
  };
  EXPECT_TRUE(reactor().run(body()));
  ASSERT_EQ(received.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(received));
}

TEST_F(TaskTest, Channel_Closed_FailsWaitingSendersAndDrainsReceivers) {
  Channel<int> channel(reactor(), 1);
  EXPECT_TRUE(channel.try_send(1));
  EXPECT_FALSE(channel.try_send(2));
  const auto sender = [&](this auto /*self*/) -> Task<> { co_return co_await channel.send(2); };
  const auto body = [&](this auto /*self*/) -> Task<int> {
    TaskScope scope(reactor());
    scope.spawn(sender());
    co_await reactor().yield();
    channel.close();
    const auto sent = co_await scope.close();
    EXPECT_EQ(sent.error().kind(), ErrorKind::kDisconnected);
    co_return co_await channel.receive();
  };
  EXPECT_EQ(reactor().run(body()).value(), 1);
  EXPECT_FALSE(channel.try_receive().has_value());
}

TEST_F(TaskTest, Channel_ReceiveDeadline_YieldsTimeout) {
  Channel<int> channel(reactor(), 1);
  const auto body = [&](this auto /*self*/) -> Task<int> {
    co_return co_await channel.receive(reactor().deadline_after(2ms));
  };
  EXPECT_EQ(reactor().run(body()).error().kind(), ErrorKind::kTimeout);
}

}  // namespace
}  // namespace selvedge::io
