#pragma once

// Guest threads that wait for a word of their process's memory: futex_wait and futex_wake of WASIX,
// and the instructions memory.atomic.wait and notify, which rewriting turns into host calls. One
// queue for each address, first come first served.

#include <cstddef>
#include <cstdint>
#include <map>

namespace selvedge::wasix {

class FutexTable;

// One that waits. Leaves the table when it is destroyed.
class FutexWaiter {
 public:
  FutexWaiter() noexcept = default;
  FutexWaiter(const FutexWaiter&) = delete;
  FutexWaiter& operator=(const FutexWaiter&) = delete;
  virtual ~FutexWaiter();

  bool waiting() const noexcept { return table_ != nullptr; }

 protected:
  // It has been taken out of the table. Must not destroy the waiter.
  virtual void woken() noexcept = 0;
  // Stops waiting. Idempotent.
  void leave() noexcept;

 private:
  friend class FutexTable;
  FutexTable* table_ = nullptr;
  std::multimap<std::uint64_t, FutexWaiter*>::iterator place_;
};

// Of one process; one shard's thread, so that nobody is woken between a look at the word and the
// beginning of the wait: who changes the word after the look wakes after that. Outlives its
// waiters.
class FutexTable {
 public:
  FutexTable() noexcept = default;
  FutexTable(const FutexTable&) = delete;
  FutexTable& operator=(const FutexTable&) = delete;
  ~FutexTable();

  // `waiter` does not wait yet.
  void wait(std::uint64_t address, FutexWaiter& waiter);
  // Wakes the `count` (or fewer) that have waited longest for this address; how many.
  std::size_t wake(std::uint64_t address, std::size_t count) noexcept;

 private:
  friend class FutexWaiter;
  std::multimap<std::uint64_t, FutexWaiter*> waiters_;
};

}  // namespace selvedge::wasix
