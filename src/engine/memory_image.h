#pragma once

// Copies of a process's memory that cost what differs. The memory of a module that forks is mapped
// from a file in memory. At a fork the file becomes the image that both processes map
// copy-on-write, so that only pages that the parent has changed since an earlier fork are copied.

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"

namespace selvedge::engine {

// Address space of one memory, page-aligned: the first `size` bytes are accessible, up to
// `reserved` may become so.
struct MemoryRegion {
  std::byte* data = nullptr;
  std::size_t size = 0;
  std::size_t reserved = 0;
};

// What one region is mapped from. Belongs to the memory, whose reservation goes first or is not
// touched any more. One thread at a time.
class MemoryImage {
 public:
  // Maps a new file over the region, which then reads as zeros. Internal: the system refuses.
  static Result<std::unique_ptr<MemoryImage>> create(const MemoryRegion& region);

  // Makes `child`, whose content goes, a copy of `region`, which is the one that this image is
  // mapped over, with its present size. `child` is as large, and nobody uses either meanwhile.
  // Internal: the system refuses; the region is unchanged.
  Result<std::unique_ptr<MemoryImage>> fork(const MemoryRegion& region, const MemoryRegion& child);

 private:
  explicit MemoryImage(std::shared_ptr<const base::UniqueFd> file) noexcept;

  // Shared by all who map it. A file that more than one maps does not change.
  std::shared_ptr<const base::UniqueFd> file_;
  // What is written to the region is written to the file; else the region has copies of its own.
  bool writes_through_ = false;
};

}  // namespace selvedge::engine
