#pragma once

// The Reactor over Linux epoll: edge-triggered, descriptors registered once and never modified, an
// eventfd to wake it from other threads.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "io/internal/mailbox.h"
#include "io/internal/sleep_time.h"
#include "io/reactor.h"

namespace selvedge::io {

// Created on any thread; belongs to the thread that calls run().
class KernelReactor final : public Reactor {
 public:
  // Kernel events taken in one turn.
  static constexpr int kEventsMax = 256;
  // The loop asks the kernel again when slices of background work have taken this long.
  static constexpr base::Duration kBackgroundTurnMax = std::chrono::microseconds(500);
  // Slices that end sooner run in a row for this long before what they made ready does: answers of
  // short guests then leave in bursts, which spares the peer's core a wake-up for each.
  static constexpr base::Duration kBackgroundBatchMax = std::chrono::microseconds(100);

  // `clock` must outlive the reactor. kOverloaded when the process is out of descriptors.
  static Result<std::unique_ptr<KernelReactor>> create(const base::Clock& clock
                                                       [[clang::lifetimebound]]);
  ~KernelReactor() override;

  void post(std::move_only_function<void()> function) override;
  bool try_post(std::move_only_function<void()> function) override;
  void wake() noexcept override;
  base::Duration time_asleep() const noexcept override { return sleep_time_.total(exact_now()); }

  // What a descriptor tells. Called from the loop while kernel events are taken: it only marks
  // events, which queues those who wait.
  class Source {
   public:
    // `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR.
    virtual void on_kernel_events(std::uint32_t events) noexcept = 0;

   protected:
    ~Source() = default;
  };
  // Registers `fd` edge-triggered for reading, writing and hang-up; what is ready now is reported
  // in the next turn. `source` must stay valid until remove(). kUnsupported: a kind of file that is
  // always ready (regular files); kOverloaded: out of kernel watches.
  Result<> add(int fd, Source& source);
  // The same, for reading only, of a descriptor that other reactors watch too: what is ready wakes
  // one of them, not all.
  Result<> add_shared(int fd, Source& source);
  // Before `fd` is closed. `source` is not called any more.
  void remove(int fd) noexcept;

 protected:
  bool run_until(const bool& done) override;

 private:
  struct Private {
    explicit Private() = default;
  };

 public:
  // For create().
  KernelReactor(Private, const base::Clock& clock, base::UniqueFd epoll,
                base::UniqueFd wake_event) noexcept;

 private:
  Result<> watch(int fd, std::uint32_t events, Source& source);
  int timeout_ms() noexcept;
  // Before and after the kernel is asked; the first answers for how many milliseconds, as
  // epoll_wait(2) takes them. With the second begins the turn's time.
  int begin_wait() noexcept;
  void end_wait() noexcept;
  void take_kernel_events() noexcept;
  void run_posted();
  void run_background(const bool& done);
  bool has_background_work() const noexcept;
  void signal_wake() noexcept;

  base::UniqueFd epoll_;
  base::UniqueFd wake_event_;
  internal::Mailbox mailbox_;
  // True while the loop blocks, or is about to: whoever makes it false must write wake_event_.
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> wake_requested_{false};
  internal::SleepTime sleep_time_;
  std::atomic<std::thread::id> thread_;
};

}  // namespace selvedge::io
