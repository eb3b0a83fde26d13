#include "wasix/internal/byte_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace selvedge::wasix::internal {

bool MemoryBudget::take(std::size_t bytes) noexcept {
  if (bytes > left_) {
    return false;
  }
  left_ -= bytes;
  return true;
}

std::size_t ByteRing::push(base::ByteSpan source, std::size_t size_max) {
  if (size_ >= size_max) {
    return 0;
  }
  std::size_t count = std::min(source.size(), size_max - size_);
  if (size_ + count > capacity_ && !grow(size_ + count)) {
    count = capacity_ - size_;
  }
  if (count == 0) {
    return 0;
  }
  const std::size_t end = wrap(begin_ + size_);
  const std::size_t first = std::min(count, capacity_ - end);
  std::memcpy(bytes_.get() + end, source.data(), first);
  if (count > first) {
    std::memcpy(bytes_.get(), source.data() + first, count - first);
  }
  size_ += count;
  return count;
}

std::size_t ByteRing::peek(base::MutableByteSpan target, std::size_t offset) const noexcept {
  if (offset >= size_ || target.empty()) {
    return 0;
  }
  const std::size_t count = std::min(target.size(), size_ - offset);
  const std::size_t begin = wrap(begin_ + offset);
  const std::size_t first = std::min(count, capacity_ - begin);
  std::memcpy(target.data(), bytes_.get() + begin, first);
  if (count > first) {
    std::memcpy(target.data() + first, bytes_.get(), count - first);
  }
  return count;
}

std::size_t ByteRing::pop(base::MutableByteSpan target) noexcept {
  const std::size_t count = peek(target, 0);
  size_ -= count;
  if (size_ != 0) {
    begin_ = wrap(begin_ + count);
  } else if (capacity_ > kKeptBytesMax) {
    clear();
  } else {
    begin_ = 0;
  }
  return count;
}

void ByteRing::clear() noexcept {
  budget_.give_back(capacity_);
  bytes_.reset();
  capacity_ = 0;
  begin_ = 0;
  size_ = 0;
}

bool ByteRing::grow(std::size_t needed) {
  const std::size_t capacity = std::max(std::bit_ceil(needed), kFirstBytes);
  if (!budget_.take(capacity)) {
    return false;
  }
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  peek({larger.get(), size_}, 0);
  budget_.give_back(capacity_);
  bytes_ = std::move(larger);
  capacity_ = capacity;
  begin_ = 0;
  return true;
}

}  // namespace selvedge::wasix::internal
