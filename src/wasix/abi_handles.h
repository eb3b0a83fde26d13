#pragma once

// What WASIX adds to the numbers and layouts of abi.h for descriptors: duplicates, events, epoll.
// As there, a value never changes.

#include <array>
#include <cstddef>
#include <cstdint>

#include "wasix/abi.h"

namespace selvedge::wasix {

// Flags of the descriptor, not of what it stands for.
enum class Fdflagsext : std::uint16_t { kNone = 0, kCloexec = 1, kAll = 1 };
template <>
inline constexpr bool kIsFlagSet<Fdflagsext> = true;

// Flags of fd_event. wasix-libc passes those of eventfd(2) as they are: kNonblock is its
// O_NONBLOCK; its O_CLOEXEC lies beyond the 16 bits and is lost.
enum class Eventfdflags : std::uint16_t { kNone = 0, kSemaphore = 1, kNonblock = 4, kAll = 5 };
template <>
inline constexpr bool kIsFlagSet<Eventfdflags> = true;

enum class EpollType : std::uint32_t {
  kNone = 0,
  kIn = 1,
  kOut = 2,
  kRdhup = 4,
  kPri = 8,
  kErr = 16,
  kHup = 32,
  kEdge = 64,
  kOneshot = 128,
  kAll = 255,
};
template <>
inline constexpr bool kIsFlagSet<EpollType> = true;

// The numbers of the ABI; and those of wasix-libc's epoll_ctl(), which passes its own: 1 to add, 2
// to delete, 3 to modify.
enum class EpollCtl : std::uint32_t { kAdd = 0, kModOrLibcAdd = 1, kDel = 2, kLibcMod = 3 };

namespace abi {

struct EpollEvent {
  EpollType events;
  std::uint32_t padding;
  // The guest's own: a pointer, a descriptor and two numbers. Returned as they came.
  std::array<std::uint64_t, 3> data;
};
static_assert(sizeof(EpollEvent) == 32 && offsetof(EpollEvent, data) == 8);

}  // namespace abi

}  // namespace selvedge::wasix
