#include "wasix/internal/directory_cookies.h"

namespace selvedge::wasix::internal {

ErrnoResult<std::uint64_t> DirectoryCookies::to_guest(std::uint64_t cookie) {
  if (cookie < kFirstKept) {
    return cookie;
  }
  if (const auto known = places_.find(cookie); known != places_.end()) {
    return kFirstKept + known->second;
  }
  if (kept_.size() == kKeptMax) {
    return cookie < kFirstWide ? refuse(Errno::kOverflow) : ErrnoResult<std::uint64_t>(cookie);
  }
  const auto place = static_cast<std::uint32_t>(kept_.size());
  kept_.push_back(cookie);
  places_.emplace(cookie, place);
  return kFirstKept + place;
}

ErrnoResult<std::uint64_t> DirectoryCookies::to_store(std::uint64_t cookie) const {
  if (cookie < kFirstKept || cookie >= kFirstWide) {
    return cookie;
  }
  const std::uint64_t place = cookie - kFirstKept;
  if (place >= kept_.size()) {
    return refuse(Errno::kInval);
  }
  return kept_[static_cast<std::size_t>(place)];
}

}  // namespace selvedge::wasix::internal
