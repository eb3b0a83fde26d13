#pragma once

// Text on its way to and from native.h, where bytes are uint8_t.

#include <cstdint>
#include <string_view>

#include <native.h>

namespace selvedge::wire::internal {

inline native::Bytes to_native(std::string_view text) noexcept {
  return {.data = reinterpret_cast<const std::uint8_t*>(text.data()), .size = text.size()};
}

// Valid for as long as `bytes` is.
inline std::string_view from_native(native::Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

}  // namespace selvedge::wire::internal
