#include "gateway/internal/request_id.h"

namespace selvedge::gateway::internal {

RequestId::RequestId(std::uint64_t value) noexcept : digits_() {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (char& digit : digits_) {
    digit = kHex[value >> 60U];
    value <<= 4U;
  }
}

RequestId RequestIds::next() noexcept {
  // SplitMix64's output function.
  std::uint64_t value = next_;
  next_ += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return RequestId(value ^ (value >> 31U));
}

}  // namespace selvedge::gateway::internal
