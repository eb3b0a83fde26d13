#include "base/assert.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace selvedge::base {
namespace {
constinit std::atomic<std::uint64_t> bugs{0};
}  // namespace

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "selvedge: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

void bug_found(const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "selvedge: bug: %s (%s:%d); please report it\n", message, file, line);
  bugs.fetch_add(1, std::memory_order_relaxed);
#ifdef SELVEDGE_DEBUG
  std::abort();
#endif
}

std::uint64_t bug_count() noexcept { return bugs.load(std::memory_order_relaxed); }

}  // namespace selvedge::base
