#pragma once

// Connections to the program that wait for another request. One reactor's thread.

#include <cstddef>
#include <deque>
#include <memory>

#include "base/clock.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/timer_wheel.h"

namespace selvedge::app::internal {

class UpstreamPool {
 public:
  // Of at most `connections_max` connections, each for at most `idle_time_max`.
  UpstreamPool(io::Reactor& reactor, std::size_t connections_max,
               base::Duration idle_time_max) noexcept
      : reactor_(reactor),
        connections_max_(connections_max),
        idle_time_max_(idle_time_max),
        expiry_(*this) {}
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;

  // The one used last, if it has been idle for less than `idle_max`; null when there is none.
  // Connections that have ended, or on which something came unasked, are dropped on the way.
  std::unique_ptr<io::Stream> take(base::Duration idle_max);
  // When there are too many, the one that has been idle longest is closed.
  void put(std::unique_ptr<io::Stream> stream);
  void clear() noexcept;
  std::size_t size() const noexcept { return idle_.size(); }

 private:
  struct Idle {
    std::unique_ptr<io::Stream> stream;
    base::MonotonicTime since;
  };
  class Expiry final : public io::Timer {
   public:
    explicit Expiry(UpstreamPool& pool) noexcept : Timer(&Expiry::fired), pool_(pool) {}

   private:
    static void fired(Timer& timer) noexcept { static_cast<Expiry&>(timer).pool_.expire(); }
    UpstreamPool& pool_;
  };
  void expire() noexcept;

  io::Reactor& reactor_;
  std::size_t connections_max_;
  base::Duration idle_time_max_;
  std::deque<Idle> idle_;  // the one used last at the back
  Expiry expiry_;
};

}  // namespace selvedge::app::internal
