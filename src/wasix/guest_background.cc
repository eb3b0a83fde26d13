#include "wasix/guest_background.h"

namespace selvedge::wasix {

GuestBackground::GuestBackground(io::Reactor& reactor, engine::Scheduler& scheduler) noexcept
    : reactor_(reactor), scheduler_(scheduler), timer_(*this) {
  reactor_.set_background(this);
}

GuestBackground::~GuestBackground() { reactor_.set_background(nullptr); }

void GuestBackground::run_slice() {
  scheduler_.run_slice();
  // A fiber that has just been started has work, so every new deadline is followed by a slice.
  arm_timer();
}

void GuestBackground::arm_timer() noexcept {
  if (const auto deadline = scheduler_.next_deadline()) {
    reactor_.timers().arm(timer_, *deadline);
  } else {
    timer_.cancel();
  }
}

void GuestBackground::DeadlineTimer::fired(io::Timer& timer) noexcept {
  GuestBackground& owner = static_cast<DeadlineTimer&>(timer).owner_;
  owner.scheduler_.expire_deadlines();
  owner.arm_timer();
}

}  // namespace selvedge::wasix
