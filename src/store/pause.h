#pragma once

// Waiting on a helper thread, as a capability: before a retry, and for a lock of another process.

#include <condition_variable>
#include <mutex>

#include "base/clock.h"

namespace selvedge::store {

class Pause {
 public:
  virtual ~Pause() = default;
  // Blocks the calling thread for about `duration`. False, at once or later, when the process is
  // ending and the caller should give up. Any thread, several at once.
  [[nodiscard]] virtual bool wait(base::Duration duration) = 0;
};

class ThreadPause final : public Pause {
 public:
  bool wait(base::Duration duration) override;
  // Ends all present and future waits.
  void stop() noexcept;

 private:
  std::mutex mutex_;
  std::condition_variable stopped_changed_;
  bool stopped_ = false;
};

}  // namespace selvedge::store
