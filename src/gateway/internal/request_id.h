#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.h"

namespace selvedge::gateway::internal {

// 16 hexadecimal digits.
class RequestId {
 public:
  explicit RequestId(std::uint64_t value) noexcept;
  std::string_view text() const noexcept [[clang::lifetimebound]] {
    return {digits_.data(), digits_.size()};
  }

 private:
  std::array<char, 16> digits_;
};

// Makes ids: a counter under a mixing function, from a random start. Unique in one process (the
// function is a bijection), not a sequence that clients could guess. One thread.
class RequestIds {
 public:
  explicit RequestIds(base::Random& random) : next_(random.next()) {}
  RequestId next() noexcept;

 private:
  std::uint64_t next_;
};

}  // namespace selvedge::gateway::internal
