#include "engine/epoch_ticker.h"

#include <algorithm>

#include "base/assert.h"
#include "engine/engine.h"

namespace selvedge::engine {

EpochTicker::~EpochTicker() {
  SELVEDGE_ASSERT(slots_.empty());
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true, std::memory_order_relaxed);
    asleep_.store(false, std::memory_order_relaxed);
  }
  needed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

EpochTicker::Slot::Slot(EpochTicker& ticker) : ticker_(ticker) {
  const std::lock_guard lock(ticker_.mutex_);
  ticker_.slots_.push_back(this);
  if (!ticker_.thread_.joinable()) {
    ticker_.thread_ = std::thread([&ticker] { ticker.run(); });
  }
}

EpochTicker::Slot::~Slot() {
  const std::lock_guard lock(ticker_.mutex_);
  std::erase(ticker_.slots_, this);
}

void EpochTicker::run() noexcept {
  int idle_ticks = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(kEpochTick);
    native::selvedge_engine_tick(&engine_);
    ticks_.fetch_add(1, std::memory_order_relaxed);
    idle_ticks = guests_ran() ? 0 : idle_ticks + 1;
    if (idle_ticks >= kIdleTicksMax) {
      sleep_until_needed();
      idle_ticks = 0;
    }
  }
}

bool EpochTicker::guests_ran() noexcept {
  const std::lock_guard lock(mutex_);
  bool ran = false;
  for (Slot* slot : slots_) {
    const std::uint32_t slices = slot->slices_.load(std::memory_order_relaxed);
    ran |= slices != slot->slices_seen_ || slot->running_.load(std::memory_order_relaxed);
    slot->slices_seen_ = slices;
  }
  return ran;
}

void EpochTicker::sleep_until_needed() noexcept {
  std::unique_lock lock(mutex_);
  if (stopping_.load(std::memory_order_relaxed)) {
    return;
  }
  asleep_.store(true, std::memory_order_seq_cst);
  const bool running = std::ranges::any_of(
      slots_, [](const Slot* slot) { return slot->running_.load(std::memory_order_seq_cst); });
  if (running) {
    asleep_.store(false, std::memory_order_seq_cst);
    return;
  }
  needed_.wait(lock, [this] { return !asleep_.load(std::memory_order_relaxed); });
}

void EpochTicker::wake() noexcept {
  {
    const std::lock_guard lock(mutex_);
    asleep_.store(false, std::memory_order_seq_cst);
  }
  needed_.notify_one();
}

}  // namespace selvedge::engine
