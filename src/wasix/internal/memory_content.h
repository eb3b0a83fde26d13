#pragma once

// The bytes of one file in memory: blocks that exist where something was written, and below them,
// in an overlay, the file of the lower file system.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "wasix/file_system.h"
#include "wasix/fs_memory.h"

namespace selvedge::wasix::internal {

// What the contents and names of one file system may use. Taken by its own thread; given back by
// any, since a helper thread may be the last to let go of a file.
class MemoryQuota {
 public:
  MemoryQuota(std::uint64_t bytes_max, std::uint64_t entries_max) noexcept
      : bytes_max_(bytes_max), entries_max_(entries_max) {}

  bool take_bytes(std::uint64_t count) noexcept { return take(bytes_, bytes_max_, count); }
  void give_bytes(std::uint64_t count) noexcept {
    bytes_.fetch_sub(count, std::memory_order_relaxed);
  }
  bool take_entry() noexcept { return take(entries_, entries_max_, 1); }
  void give_entry() noexcept { entries_.fetch_sub(1, std::memory_order_relaxed); }

  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t entries() const noexcept { return entries_.load(std::memory_order_relaxed); }

 private:
  static bool take(std::atomic<std::uint64_t>& used, std::uint64_t max,
                   std::uint64_t count) noexcept {
    if (count > max - used.load(std::memory_order_relaxed)) {
      return false;
    }
    used.fetch_add(count, std::memory_order_relaxed);
    return true;
  }
  const std::uint64_t bytes_max_;
  const std::uint64_t entries_max_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> entries_ = 0;
};

class MemoryContent {
 public:
  // `lower_size`: how much of the lower file shows through where there is no block.
  MemoryContent(MemoryQuota& quota, std::uint64_t lower_size) noexcept
      : quota_(quota), size_(lower_size), lower_size_(lower_size) {}
  MemoryContent(const MemoryContent&) = delete;
  MemoryContent& operator=(const MemoryContent&) = delete;
  ~MemoryContent();

  std::uint64_t size() const noexcept { return size_; }
  // false: the operations below may be given a null `lower`. Never becomes true again.
  bool needs_lower() const noexcept { return lower_size_ != 0; }
  // Nothing was written here; `lower_size`: of the lower file.
  bool shows_only_lower(std::uint64_t lower_size) const noexcept {
    return blocks_.empty() && size_ == lower_size && lower_size_ == lower_size;
  }

  // `lower` is the lower file opened for reading; null only when needs_lower() was false. A count
  // of 0 means the end. Everything before an error is reported as a short count.
  ErrnoResult<std::size_t> read(std::span<const base::MutableByteSpan> buffers,
                                std::uint64_t offset, File* lower, Wait wait) const;
  ErrnoResult<std::size_t> write(std::span<const base::ByteSpan> buffers, std::uint64_t offset,
                                 File* lower);
  void set_size(std::uint64_t size) noexcept;
  // Charges the quota for the range at once, all or nothing, except for what the lower file holds.
  ErrnoResult<> allocate(std::uint64_t offset, std::uint64_t length);

 private:
  // The first `capacity` bytes of a block; the rest of it is zeros.
  struct Block {
    std::unique_ptr<std::byte[]> bytes;  // null: zeros, allocated when written
    std::size_t capacity = 0;            // charged to the quota
  };

  ErrnoResult<std::size_t> read_piece(base::MutableByteSpan piece, std::uint64_t offset,
                                      File* lower, Wait wait) const;
  ErrnoResult<Block*> block_for_write(std::uint64_t index, std::size_t begin, std::size_t end,
                                      File* lower);
  ErrnoResult<> grow(Block& block, std::size_t capacity);
  std::size_t lower_bytes_of(std::uint64_t index) const noexcept;

  MemoryQuota& quota_;
  std::uint64_t size_;
  std::uint64_t lower_size_;
  std::map<std::uint64_t, Block> blocks_;  // by offset / kMemoryBlockBytes
};

}  // namespace selvedge::wasix::internal
