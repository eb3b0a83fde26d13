#include "gateway/internal/request_id.h"

#include "base/format.h"

namespace selvedge::gateway::internal {

std::string RequestIds::next() {
  // SplitMix64's output function.
  std::uint64_t value = next_;
  next_ += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return fmt::format("{:016x}", value ^ (value >> 31U));
}

}  // namespace selvedge::gateway::internal
