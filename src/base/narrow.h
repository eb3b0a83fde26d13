#pragma once

#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace selvedge::base {

// Converts an integer whose value must fit: that it does not is our bug. For input, use
// checked_narrow.
template <class To, class From>
  requires std::is_integral_v<To> && std::is_integral_v<From>
constexpr To narrow(From value) noexcept {
  SELVEDGE_ASSERT(std::in_range<To>(value));
  return static_cast<To>(value);
}

// Converts an integer that came from outside; nullopt when it does not fit.
template <class To, class From>
  requires std::is_integral_v<To> && std::is_integral_v<From>
constexpr std::optional<To> checked_narrow(From value) noexcept {
  if (!std::in_range<To>(value)) {
    return std::nullopt;
  }
  return static_cast<To>(value);
}

}  // namespace selvedge::base
