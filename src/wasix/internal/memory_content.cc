#include "wasix/internal/memory_content.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/assert.h"

namespace selvedge::wasix::internal {
namespace {

constexpr std::size_t kBlockBytesMin = 256;

}  // namespace

MemoryContent::~MemoryContent() {
  for (const auto& [index, block] : blocks_) {
    quota_.give_bytes(block.capacity);
  }
}

std::size_t MemoryContent::lower_bytes_of(std::uint64_t index) const noexcept {
  const std::uint64_t begin = index * kMemoryBlockBytes;
  return begin >= lower_size_ ? 0
                              : static_cast<std::size_t>(std::min<std::uint64_t>(
                                    kMemoryBlockBytes, lower_size_ - begin));
}

// Reads within one block and within the file.
ErrnoResult<std::size_t> MemoryContent::read_piece(base::MutableByteSpan piece,
                                                   std::uint64_t offset, File* lower,
                                                   Wait wait) const {
  const std::uint64_t index = offset / kMemoryBlockBytes;
  const auto begin = static_cast<std::size_t>(offset % kMemoryBlockBytes);
  std::size_t copied = 0;
  if (const auto found = blocks_.find(index); found != blocks_.end()) {
    const Block& block = found->second;
    if (block.bytes != nullptr && begin < block.capacity) {
      copied = std::min(piece.size(), block.capacity - begin);
      std::memcpy(piece.data(), block.bytes.get() + begin, copied);
    }
  } else if (offset < lower_size_) {
    SELVEDGE_ASSERT(lower != nullptr);
    const std::array wanted{piece.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), lower_size_ - offset)))};
    auto count = lower->pread(wanted, offset, wait);
    if (!count) {
      return count;
    }
    if (*count != 0 && *count < wanted[0].size()) {
      return count;
    }
    copied = *count;  // 0 only when the lower file shrank, against the contract: then zeros
  }
  std::memset(piece.data() + copied, 0, piece.size() - copied);
  return piece.size();
}

ErrnoResult<std::size_t> MemoryContent::read(std::span<const base::MutableByteSpan> buffers,
                                             std::uint64_t offset, File* lower, Wait wait) const {
  std::size_t done = 0;
  for (const base::MutableByteSpan& buffer : buffers) {
    std::size_t filled = 0;
    while (filled < buffer.size() && offset < size_) {
      const std::uint64_t room =
          std::min<std::uint64_t>(kMemoryBlockBytes - offset % kMemoryBlockBytes, size_ - offset);
      const base::MutableByteSpan piece = buffer.subspan(filled).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(room, buffer.size() - filled)));
      auto count = read_piece(piece, offset, lower, wait);
      if (!count) {
        return done == 0 ? count : done;
      }
      filled += *count;
      done += *count;
      offset += *count;
      if (*count < piece.size()) {
        return done;
      }
    }
  }
  return done;
}

ErrnoResult<> MemoryContent::grow(Block& block, std::size_t capacity) {
  if (capacity <= block.capacity) {
    return {};
  }
  capacity = std::min(std::bit_ceil(std::max(capacity, kBlockBytesMin)), kMemoryBlockBytes);
  if (!quota_.take_bytes(capacity - block.capacity)) {
    return refuse(Errno::kNospc);
  }
  if (block.bytes != nullptr) {
    auto bytes = std::make_unique<std::byte[]>(capacity);
    std::memcpy(bytes.get(), block.bytes.get(), block.capacity);
    block.bytes = std::move(bytes);
  }
  block.capacity = capacity;
  return {};
}

// The block, with what the lower file has outside [begin, end) copied up and room until `end`.
ErrnoResult<MemoryContent::Block*> MemoryContent::block_for_write(std::uint64_t index,
                                                                  std::size_t begin,
                                                                  std::size_t end, File* lower) {
  const auto [found, is_new] = blocks_.try_emplace(index);
  Block& block = found->second;
  const std::size_t lower_bytes = is_new ? lower_bytes_of(index) : 0;
  if (auto grown = grow(block, std::max(end, lower_bytes)); !grown) {
    if (is_new) {
      blocks_.erase(found);
    }
    return refuse(grown.error());
  }
  if (block.bytes == nullptr) {
    block.bytes = std::make_unique<std::byte[]>(block.capacity);
  }
  const bool covered = begin == 0 && end >= lower_bytes;
  for (std::size_t done = 0; !covered && done < lower_bytes;) {
    SELVEDGE_ASSERT(lower != nullptr);
    const std::array rest{base::MutableByteSpan(block.bytes.get() + done, lower_bytes - done)};
    auto count = lower->pread(rest, index * kMemoryBlockBytes + done, Wait::kAllowed);
    if (!count) {
      quota_.give_bytes(block.capacity);
      blocks_.erase(found);
      return refuse(count.error());
    }
    if (*count == 0) {
      break;
    }
    done += *count;
  }
  return &block;
}

ErrnoResult<std::size_t> MemoryContent::write(std::span<const base::ByteSpan> buffers,
                                              std::uint64_t offset, File* lower) {
  std::size_t done = 0;
  for (base::ByteSpan buffer : buffers) {
    while (!buffer.empty()) {
      const auto begin = static_cast<std::size_t>(offset % kMemoryBlockBytes);
      const std::size_t count = std::min(buffer.size(), kMemoryBlockBytes - begin);
      auto block = block_for_write(offset / kMemoryBlockBytes, begin, begin + count, lower);
      if (!block) {
        return done == 0 ? std::unexpected(block.error()) : ErrnoResult<std::size_t>(done);
      }
      std::memcpy((*block)->bytes.get() + begin, buffer.data(), count);
      buffer = buffer.subspan(count);
      done += count;
      offset += count;
      size_ = std::max(size_, offset);
    }
  }
  return done;
}

void MemoryContent::set_size(std::uint64_t size) noexcept {
  if (size >= size_) {
    size_ = size;
    return;
  }
  const auto tail = static_cast<std::size_t>(size % kMemoryBlockBytes);
  const std::uint64_t first_gone = size / kMemoryBlockBytes + (tail == 0 ? 0 : 1);
  for (auto block = blocks_.lower_bound(first_gone); block != blocks_.end();) {
    quota_.give_bytes(block->second.capacity);
    block = blocks_.erase(block);
  }
  if (const auto last = blocks_.find(size / kMemoryBlockBytes);
      tail != 0 && last != blocks_.end() && last->second.bytes != nullptr &&
      tail < last->second.capacity) {
    std::memset(last->second.bytes.get() + tail, 0, last->second.capacity - tail);
  }
  // Where the lower file was cut it must not show through again when this one grows.
  lower_size_ = std::min(lower_size_, size);
  size_ = size;
}

ErrnoResult<> MemoryContent::allocate(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length;
  const std::uint64_t first = offset / kMemoryBlockBytes;
  const std::uint64_t last = (end - 1) / kMemoryBlockBytes;
  // Blocks of the lower file are charged when they are written.
  const std::uint64_t first_own = std::max(
      first, lower_size_ / kMemoryBlockBytes + (lower_size_ % kMemoryBlockBytes == 0 ? 0 : 1));
  std::uint64_t missing =
      first_own > last ? 0 : (last - first_own + 1) * std::uint64_t{kMemoryBlockBytes};
  for (auto block = blocks_.lower_bound(first_own); block != blocks_.end() && block->first <= last;
       ++block) {
    missing -= block->second.capacity;
  }
  if (!quota_.take_bytes(missing)) {
    return refuse(Errno::kNospc);
  }
  quota_.give_bytes(missing);
  for (std::uint64_t index = first_own; index <= last; ++index) {
    Block& block = blocks_[index];
    if (auto grown = grow(block, kMemoryBlockBytes); !grown) {
      return grown;
    }
  }
  size_ = std::max(size_, end);
  return {};
}

}  // namespace selvedge::wasix::internal
