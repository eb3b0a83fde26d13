#include "wasix/internal/mapped_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"
#include "wasix/file_system.h"

namespace selvedge::wasix::internal {
namespace {

// The pages around `bytes`. System calls take them as a pointer that they do not write through.
struct Pages {
  void* begin = nullptr;
  std::size_t bytes = 0;
  std::size_t count = 0;
};

Pages pages_around(base::ByteSpan bytes) noexcept {
  const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = std::bit_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t first = begin / page_bytes * page_bytes;
  const std::uintptr_t count = (begin + bytes.size() - first + page_bytes - 1) / page_bytes;
  return {.begin = std::bit_cast<void*>(first),
          .bytes = count * page_bytes,
          .count = static_cast<std::size_t>(count)};
}

}  // namespace

bool is_in_memory(base::ByteSpan bytes) noexcept {
  if (bytes.empty()) {
    return true;
  }
  constexpr std::size_t kSmallestPageBytes = 4096;
  std::array<unsigned char, kTransferBytesMax / kSmallestPageBytes + 1> resident;
  const Pages pages = pages_around(bytes);
  SELVEDGE_ASSERT(pages.count <= resident.size());
  if (::mincore(pages.begin, pages.bytes, resident.data()) != 0) {
    return true;
  }
  return std::ranges::all_of(std::span(resident).first(pages.count),
                             [](unsigned char page) { return (page & 1U) != 0; });
}

void fetch_to_memory(base::ByteSpan bytes) noexcept {
  if (bytes.empty()) {
    return;
  }
  const Pages pages = pages_around(bytes);
  static_cast<void>(::madvise(pages.begin, pages.bytes, MADV_POPULATE_READ));
}

}  // namespace selvedge::wasix::internal
