#pragma once

// Records and numbers of WASIX for libraries and functions that are called by number.

#include <cstddef>
#include <cstdint>

namespace selvedge::wasix::abi {

// dl_flags
inline constexpr std::uint32_t kDlLazy = 1;
inline constexpr std::uint32_t kDlNow = 2;
inline constexpr std::uint32_t kDlGlobal = 4;
inline constexpr std::uint32_t kDlNoload = 8;
inline constexpr std::uint32_t kDlNodelete = 16;
inline constexpr std::uint32_t kDlDeepbind = 32;
inline constexpr std::uint32_t kDlAll = 63;

// dl_handle: all symbols that are visible everywhere, and those that dlopen(NULL) means.
inline constexpr std::uint32_t kDlDefault = 0;
inline constexpr std::uint32_t kDlProgram = 1;

// reflection_result: what is known of a function.
struct ReflectionResult {
  std::uint8_t cacheable;  // 0: it may change its type
  std::uint8_t padding;
  std::uint16_t arguments;
  std::uint16_t results;
};
static_assert(sizeof(ReflectionResult) == 6 && offsetof(ReflectionResult, results) == 4);

// wasm_raw_value_with_type: an argument or result of call_dynamic2.
struct TypedValue {
  std::uint8_t type;
  std::uint8_t padding[7];
  std::uint64_t value[2];
};
static_assert(sizeof(TypedValue) == 24 && offsetof(TypedValue, value) == 8);

}  // namespace selvedge::wasix::abi
