#pragma once

// Lets a shard's event loop run the guests of its scheduler, and their deadlines.

#include "engine/scheduler.h"
#include "io/reactor.h"
#include "io/timer_wheel.h"

namespace selvedge::wasix {

// Registers itself with the reactor for its lifetime. One shard's thread.
class GuestBackground final : public io::BackgroundWork {
 public:
  // Both outlive this.
  GuestBackground(io::Reactor& reactor [[clang::lifetimebound]],
                  engine::Scheduler& scheduler [[clang::lifetimebound]]) noexcept;
  ~GuestBackground() override;
  GuestBackground(const GuestBackground&) = delete;
  GuestBackground& operator=(const GuestBackground&) = delete;

  bool has_work() const noexcept override { return scheduler_.has_work(); }
  void run_slice() override;

 private:
  class DeadlineTimer final : public io::Timer {
   public:
    explicit DeadlineTimer(GuestBackground& owner) noexcept
        : Timer(&DeadlineTimer::fired), owner_(owner) {}

   private:
    static void fired(io::Timer& timer) noexcept;
    GuestBackground& owner_;
  };
  void arm_timer() noexcept;

  io::Reactor& reactor_;
  engine::Scheduler& scheduler_;
  DeadlineTimer timer_;
};

}  // namespace selvedge::wasix
