#pragma once

// What WASIX adds to the layouts of abi.h for terminals. As there, a value never changes.

#include <cstddef>
#include <cstdint>

namespace selvedge::wasix::abi {

// The flags are bools, not yet validated.
struct Tty {
  std::uint32_t cols;
  std::uint32_t rows;
  std::uint32_t width;
  std::uint32_t height;
  std::uint8_t stdin_tty;
  std::uint8_t stdout_tty;
  std::uint8_t stderr_tty;
  std::uint8_t echo;
  std::uint8_t line_buffered;
  std::uint8_t line_feeds;
  std::uint8_t padding[2];
};
static_assert(sizeof(Tty) == 24 && offsetof(Tty, height) == 12 && offsetof(Tty, stdin_tty) == 16 &&
              offsetof(Tty, echo) == 19 && offsetof(Tty, line_feeds) == 21);

}  // namespace selvedge::wasix::abi
