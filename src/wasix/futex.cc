#include "wasix/futex.h"

#include "base/assert.h"

namespace selvedge::wasix {

FutexWaiter::~FutexWaiter() { leave(); }

void FutexWaiter::leave() noexcept {
  if (table_ != nullptr) {
    table_->waiters_.erase(place_);
    table_ = nullptr;
  }
}

FutexTable::~FutexTable() { SELVEDGE_ASSERT(waiters_.empty()); }

void FutexTable::wait(std::uint64_t address, FutexWaiter& waiter) {
  SELVEDGE_ASSERT(!waiter.waiting());
  // Behind those of the same address.
  waiter.place_ = waiters_.emplace(address, &waiter);
  waiter.table_ = this;
}

std::size_t FutexTable::wake(std::uint64_t address, std::size_t count) noexcept {
  std::size_t woken = 0;
  while (woken < count) {
    const auto first = waiters_.lower_bound(address);
    if (first == waiters_.end() || first->first != address) {
      break;
    }
    FutexWaiter& waiter = *first->second;
    waiter.leave();
    waiter.woken();
    ++woken;
  }
  return woken;
}

}  // namespace selvedge::wasix
