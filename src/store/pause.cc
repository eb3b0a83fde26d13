#include "store/pause.h"

namespace selvedge::store {

bool ThreadPause::wait(base::Duration duration) {
  std::unique_lock lock(mutex_);
  return !stopped_changed_.wait_for(lock, duration, [this] { return stopped_; });
}

void ThreadPause::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stopped_changed_.notify_all();
}

}  // namespace selvedge::store
