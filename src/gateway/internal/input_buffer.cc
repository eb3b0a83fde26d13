#include "gateway/internal/input_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace selvedge::gateway::internal {

base::MutableByteSpan InputBuffer::space() {
  if (!block_) {
    block_ = pool_.take();
    capacity_ = BlockPool::kBlockBytes;
    begin_ = end_ = 0;
  }
  if (end_ == capacity_ && begin_ > 0) {
    std::memmove(block_.get(), block_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_ && capacity_ < bytes_max_) {
    const std::size_t larger = std::min(capacity_ * 2, bytes_max_);
    Block grown = std::make_unique_for_overwrite<std::byte[]>(larger);
    std::memcpy(grown.get(), block_.get(), end_);
    block_ = std::move(grown);
    capacity_ = larger;
  }
  return {block_.get() + end_, capacity_ - end_};
}

void InputBuffer::release() {
  if (capacity_ == BlockPool::kBlockBytes) {
    pool_.give_back(std::move(block_));
  }
  block_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace selvedge::gateway::internal
