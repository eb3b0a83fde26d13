#pragma once

#include <mutex>

#include "base/random.h"

namespace selvedge::store::internal {

// Lets several threads use a source that is for one at a time.
class LockedRandom final : public base::Random {
 public:
  explicit LockedRandom(base::Random& random) noexcept : random_(random) {}
  void fill(base::MutableByteSpan bytes) noexcept override {
    const std::lock_guard lock(mutex_);
    random_.fill(bytes);
  }

 private:
  std::mutex mutex_;
  base::Random& random_;
};

}  // namespace selvedge::store::internal
