#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <native.h>

#include "base/bytes.h"

namespace selvedge::engine {

// Texts and bytes on their way to and from the Rust library: borrowed, never copied.
inline native::Bytes to_native(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline native::Bytes to_native(base::ByteSpan bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}
inline std::string_view text_of(native::Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}
inline base::ByteSpan bytes_of(native::Bytes bytes) noexcept {
  return {reinterpret_cast<const std::byte*>(bytes.data), bytes.size};
}

}  // namespace selvedge::engine
