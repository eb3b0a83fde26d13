#include "io/event.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "base/system.h"
#include "io/kernel_reactor.h"

namespace selvedge::io {
namespace {

class CountingObserver final : public EventObserver {
 public:
  CountingObserver() noexcept : EventObserver(&CountingObserver::told) {}
  int count = 0;
  // Leaves its event when told.
  bool leaves = false;

 private:
  static void told(EventObserver& observer) noexcept {
    auto& self = static_cast<CountingObserver&>(observer);
    ++self.count;
    if (self.leaves) {
      self.unlink();
    }
  }
};

class EventTest : public ::testing::Test {
 protected:
  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> reactor_ = KernelReactor::create(clock_).value();
};

TEST_F(EventTest, Observer_IsToldOfEachSetAndNotify_AlsoWhenItIsSet) {
  Event event(*reactor_);
  CountingObserver observer;
  event.observe(observer);
  EXPECT_EQ(observer.count, 0);
  event.set();
  event.set();
  EXPECT_EQ(observer.count, 2);
  event.reset();
  event.notify();
  EXPECT_EQ(observer.count, 3);
}

TEST_F(EventTest, Observer_ThatLeavesOrMoves_IsToldNoMore) {
  Event first(*reactor_);
  Event second(*reactor_);
  CountingObserver leaving;
  leaving.leaves = true;
  CountingObserver staying;
  CountingObserver moving;
  first.observe(leaving);
  first.observe(staying);
  first.observe(moving);
  second.observe(moving);
  first.set();
  first.set();
  second.set();
  EXPECT_EQ(leaving.count, 1);
  EXPECT_EQ(staying.count, 2);
  EXPECT_EQ(moving.count, 1);
}

TEST_F(EventTest, EventOrObserverGone_TheOtherLivesOn) {
  CountingObserver observer;
  std::optional<Event> event(std::in_place, *reactor_);
  event->observe(observer);
  event.reset();
  EXPECT_FALSE(observer.linked());
  event.emplace(*reactor_);
  {
    CountingObserver short_lived;
    event->observe(short_lived);
  }
  event->set();
  EXPECT_EQ(observer.count, 0);
}

}  // namespace
}  // namespace selvedge::io
