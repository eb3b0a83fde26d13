#include "app/shared_permits.h"

#include <algorithm>

namespace selvedge::app {

// A place in the queue. Whoever leaves it without taking what was granted passes it on.
class SharedPermits::Place {
 public:
  Place(SharedPermits& owner, std::shared_ptr<Waiter> waiter) noexcept
      : owner_(owner), waiter_(std::move(waiter)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (waiter_ != nullptr && !take_or_quit()) {
      return;
    }
    if (waiter_ != nullptr) {
      owner_.leave();
    }
  }

  // Whether the permit was granted; else the place is given up.
  bool take() noexcept {
    const bool granted = take_or_quit();
    waiter_.reset();
    return granted;
  }

 private:
  bool take_or_quit() noexcept {
    const std::lock_guard lock(owner_.mutex_);
    if (!waiter_->granted) {
      std::erase(owner_.waiters_, waiter_);
    }
    return waiter_->granted;
  }

  SharedPermits& owner_;
  std::shared_ptr<Waiter> waiter_;
};

std::shared_ptr<SharedPermits> SharedPermits::create(std::size_t permits_max) {
  return std::shared_ptr<SharedPermits>(new SharedPermits(permits_max));
}

io::Task<SharedPermits::Permit> SharedPermits::enter(io::Reactor& here, io::Deadline deadline) {
  const auto self = shared_from_this();
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex_);
    if (free_ > 0) {
      --free_;
    } else {
      waiter = std::make_shared<Waiter>(here);
      waiters_.push_back(waiter);
    }
  }
  if (waiter == nullptr) {
    co_return Permit(self);
  }
  Place place(*this, waiter);
  [[maybe_unused]] const auto woken = co_await waiter->woken.wait(deadline);
  if (!place.take()) {
    co_return fail(ErrorKind::kTimeout, "no instance became free in time");
  }
  co_return Permit(self);
}

void SharedPermits::leave() noexcept {
  const std::lock_guard lock(mutex_);
  if (waiters_.empty()) {
    ++free_;
    return;
  }
  std::shared_ptr<Waiter> next = std::move(waiters_.front());
  waiters_.pop_front();
  next->granted = true;
  // Under the mutex: its reactor lives for as long as its place, which needs the mutex to end.
  io::Reactor& reactor = next->reactor;
  reactor.post([next = std::move(next)] { next->woken.set(); });
}

}  // namespace selvedge::app
