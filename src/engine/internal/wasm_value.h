#pragma once

// How C++ values travel as Wasm values.

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "engine/guest_memory.h"

namespace selvedge::engine::internal {

template <class T>
struct IsGuestPtr : std::false_type {};
template <class T>
struct IsGuestPtr<GuestPtr<T>> : std::true_type {};

// How a C++ value travels as a Wasm value.
template <class T>
struct WasmValue {
  static consteval auto wire_type() {
    if constexpr (IsGuestPtr<T>::value) {
      return std::int32_t{};
    } else if constexpr (std::is_floating_point_v<T>) {
      static_assert(sizeof(T) == 4 || sizeof(T) == 8);
      return T{};
    } else {
      static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "not a value that Wasm can carry");
      if constexpr (sizeof(T) == 8) {
        return std::int64_t{};
      } else {
        return std::int32_t{};
      }
    }
  }
  using Wire = decltype(wire_type());

  static constexpr char kLetter = std::same_as<Wire, std::int32_t>   ? 'i'
                                  : std::same_as<Wire, std::int64_t> ? 'I'
                                  : std::same_as<Wire, float>        ? 'f'
                                                                     : 'F';

  static constexpr T from_wire(Wire wire) noexcept {
    if constexpr (IsGuestPtr<T>::value) {
      return T{static_cast<std::uint32_t>(wire)};
    } else {
      return static_cast<T>(wire);
    }
  }
  static constexpr Wire to_wire(T value) noexcept { return static_cast<Wire>(value); }
  static constexpr std::uint64_t to_bits(T value) noexcept {
    const Wire wire = to_wire(value);
    if constexpr (sizeof(Wire) == 8) {
      return std::bit_cast<std::uint64_t>(wire);
    } else {
      return std::bit_cast<std::uint32_t>(wire);
    }
  }
};

}  // namespace selvedge::engine::internal
