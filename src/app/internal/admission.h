#pragma once

// Bounds how much goes on at once: a number of permits, and a bounded queue, first come first
// served, in front of them. One reactor's thread.

#include <cstddef>
#include <utility>

#include "base/result.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::app::internal {

class Admission {
 public:
  Admission(io::Reactor& reactor, std::size_t permits_max, std::size_t queue_max) noexcept
      : reactor_(reactor), permits_max_(permits_max), queue_max_(queue_max) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // Gives its permit back when it dies.
  class [[nodiscard]] Permit {
   public:
    explicit Permit(Admission& owner) noexcept : owner_(&owner) {}
    Permit(Permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (owner_ != nullptr) {
        owner_->leave();
      }
    }

   private:
    Admission* owner_;
  };

  // kOverloaded at once when the queue is full; kTimeout when the deadline passes in it.
  io::Task<Permit> enter(io::Deadline deadline);

  std::size_t active() const noexcept { return active_; }
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  class Place;
  io::Task<Permit> wait_in_queue(io::Deadline deadline);
  void leave() noexcept;

  io::Reactor& reactor_;
  std::size_t permits_max_;
  std::size_t queue_max_;
  std::size_t active_ = 0;
  std::size_t waiting_ = 0;
  Place* first_ = nullptr;
  Place* last_ = nullptr;
};

}  // namespace selvedge::app::internal
