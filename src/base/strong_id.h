#pragma once

// Integers that cannot be mixed up: `using ShardId = StrongId<struct ShardIdTag, std::uint16_t>;`.

#include <compare>
#include <cstddef>
#include <functional>

namespace selvedge::base {

template <class Tag, class Rep>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() noexcept = default;
  constexpr explicit StrongId(Rep value) noexcept : value_(value) {}
  constexpr Rep value() const noexcept { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) noexcept = default;

 private:
  Rep value_{};
};

}  // namespace selvedge::base

template <class Tag, class Rep>
struct std::hash<selvedge::base::StrongId<Tag, Rep>> {
  std::size_t operator()(selvedge::base::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
