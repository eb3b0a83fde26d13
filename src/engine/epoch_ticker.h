#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <native.h>

namespace selvedge::engine {

// The thread that interrupts running guests every kEpochTick. It sleeps while no guest runs.
class EpochTicker {
 public:
  // `engine` outlives the ticker. The thread starts with the first Slot.
  explicit EpochTicker(const native::Engine& engine) noexcept : engine_(engine) {}
  // Every Slot is gone before.
  ~EpochTicker();
  EpochTicker(const EpochTicker&) = delete;
  EpochTicker& operator=(const EpochTicker&) = delete;

  // One thread that runs guests: tells the ticker when it does. A few nanoseconds each time.
  class alignas(64) Slot {
   public:
    explicit Slot(EpochTicker& ticker);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    friend class EpochTicker;
    EpochTicker& ticker_;
    std::atomic<bool> running_{false};
    std::atomic<std::uint32_t> slices_{0};
    // The ticker's memory of slices_.
    std::uint32_t slices_seen_ = 0;
  };

  // While it exists, the slot's thread runs guests.
  class Running {
   public:
    explicit Running(Slot& slot) noexcept : slot_(slot) { slot_.ticker_.enter(slot_); }
    ~Running() { slot_.running_.store(false, std::memory_order_release); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Slot& slot_;
  };

  // Ticks so far; for tests and metrics.
  std::uint64_t tick_count() const noexcept { return ticks_.load(std::memory_order_relaxed); }

 private:
  // Ticks without any guest after which the thread goes to sleep; keeps a busy shard from paying a
  // wake-up at each request.
  static constexpr int kIdleTicksMax = 20;

  void enter(Slot& slot) noexcept {
    slot.slices_.store(slot.slices_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    // Sequentially consistent against sleep_until_needed: either it sees us running, or we see it
    // asleep.
    slot.running_.store(true, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst)) [[unlikely]] {
      wake();
    }
  }
  void run() noexcept;
  bool guests_ran() noexcept;
  void sleep_until_needed() noexcept;
  void wake() noexcept;

  const native::Engine& engine_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> ticks_{0};
  std::mutex mutex_;
  std::condition_variable needed_;
  std::vector<Slot*> slots_;
  std::thread thread_;
};

}  // namespace selvedge::engine
