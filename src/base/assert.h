#pragma once

// Three tiers of checks for our own bugs. What a peer, a guest, a file or a user can cause is never
// checked with these: it is a Result (base/result.h).
//
//   SELVEDGE_ASSERT(condition)   always checked; prints where and aborts. For what would corrupt
//   memory or leak tenants. SELVEDGE_DCHECK(condition)   checked in debug and sanitizer builds
//   only. For hot paths. SELVEDGE_BUG(message)        "cannot happen, and we can go on": aborts in
//   debug builds; in release it logs to stderr
//                                and counts (base::bug_count), and the caller takes its degraded
//                                path.

#include <cstdint>

namespace selvedge::base {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;
void bug_found(const char* message, const char* file, int line) noexcept;

// Bugs reported by SELVEDGE_BUG since the process began. Any thread.
std::uint64_t bug_count() noexcept;

}  // namespace selvedge::base

#define SELVEDGE_ASSERT(condition) \
  (static_cast<bool>(condition)    \
       ? static_cast<void>(0)      \
       : ::selvedge::base::assertion_failed(#condition, __FILE__, __LINE__))

#ifdef SELVEDGE_DEBUG
#define SELVEDGE_DCHECK(condition) SELVEDGE_ASSERT(condition)
#else
#define SELVEDGE_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#endif

#define SELVEDGE_BUG(message) ::selvedge::base::bug_found(message, __FILE__, __LINE__)
