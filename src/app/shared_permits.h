#pragma once

// How many instances of a program a node runs at once, on all its shards together: whoever comes
// beyond waits for his turn, whatever shard he is on.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::app {

// Any thread. Permits and those who wait keep it alive.
class SharedPermits : public std::enable_shared_from_this<SharedPermits> {
 public:
  static std::shared_ptr<SharedPermits> create(std::size_t permits_max);

  // Gives its permit back when it dies.
  class [[nodiscard]] Permit {
   public:
    explicit Permit(std::shared_ptr<SharedPermits> owner) noexcept : owner_(std::move(owner)) {}
    Permit(Permit&& other) noexcept = default;
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (owner_ != nullptr) {
        owner_->leave();
      }
    }

   private:
    std::shared_ptr<SharedPermits> owner_;
  };

  // `here`: the calling thread's, which outlives the task. First come, first served. kTimeout.
  io::Task<Permit> enter(io::Reactor& here, io::Deadline deadline);

 private:
  struct Waiter {
    explicit Waiter(io::Reactor& here) : reactor(here), woken(here) {}
    io::Reactor& reactor;
    io::Event woken;
    bool granted = false;  // under the mutex
  };
  class Place;

  explicit SharedPermits(std::size_t permits_max) noexcept : free_(permits_max) {}
  void leave() noexcept;

  std::mutex mutex_;
  std::size_t free_;
  std::deque<std::shared_ptr<Waiter>> waiters_;  // as many as requests that were let in on shards
};

}  // namespace selvedge::app
