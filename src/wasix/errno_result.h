#pragma once

// The result of what a guest asked for: a value, or the errno that the guest sees. Guest mistakes
// are no errors of ours, so they are not Result<T>: an Errno costs nothing to make and is exactly
// what the ABI returns.
//
//   ErrnoResult<std::uint64_t> tell(Process& process, GuestFd fd) {
//     SELVEDGE_TRY_ERRNO(const Entry* entry, process.handles().find(fd, Rights::kFdTell));
//     ...
//   }
//
// SELVEDGE_TRY_ERRNO works in functions that return ErrnoResult<T> and in those that return a plain
// Errno.

#include <expected>
#include <utility>

#include "base/result.h"
#include "wasix/abi.h"

namespace selvedge::wasix {

template <class T = void>
using ErrnoResult = std::expected<T, Errno>;

// What SELVEDGE_TRY_ERRNO returns: an errno that becomes whatever the function returns.
class ErrnoExit {
 public:
  constexpr explicit ErrnoExit(Errno error) noexcept : error_(error) {}
  // NOLINTNEXTLINE(google-explicit-constructor): becomes whatever the function returns
  constexpr operator Errno() const noexcept { return error_; }
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor): becomes whatever the function returns
  constexpr operator std::expected<T, Errno>() const noexcept {
    return std::unexpected(error_);
  }

 private:
  Errno error_;
};

constexpr ErrnoExit refuse(Errno error) noexcept { return ErrnoExit(error); }

}  // namespace selvedge::wasix

#define SELVEDGE_TRY_ERRNO_WITH(result, declaration, ...) \
  auto result = (__VA_ARGS__);                            \
  if (!result.has_value()) [[unlikely]] {                 \
    return ::selvedge::wasix::ErrnoExit(result.error());  \
  }                                                       \
  declaration = *std::move(result)

#define SELVEDGE_TRY_ERRNO(declaration, ...) \
  SELVEDGE_TRY_ERRNO_WITH(SELVEDGE_CONCAT(selvedge_result_, __LINE__), declaration, __VA_ARGS__)

#define SELVEDGE_TRY_ERRNO_VOID(...)                                \
  do {                                                              \
    auto selvedge_result = (__VA_ARGS__);                           \
    if (!selvedge_result.has_value()) [[unlikely]] {                \
      return ::selvedge::wasix::ErrnoExit(selvedge_result.error()); \
    }                                                               \
  } while (false)
