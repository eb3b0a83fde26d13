#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "gateway/internal/block_pool.h"

namespace selvedge::gateway::internal {

// The bytes of a connection that were received and not consumed. One thread.
class InputBuffer {
 public:
  // `bytes_max`: the most that may have to be held at once (a head that is not complete).
  InputBuffer(BlockPool& pool, std::size_t bytes_max) noexcept
      : pool_(pool), bytes_max_(bytes_max) {}
  ~InputBuffer() { release(); }
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;

  bool empty() const noexcept { return begin_ == end_; }
  base::ByteSpan bytes() const noexcept [[clang::lifetimebound]] {
    return {block_.get() + begin_, end_ - begin_};
  }
  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
  }
  // Room for more, after what is there; empty when bytes_max are held. Takes a block, moves the
  // bytes to its front, or takes a larger one as needed.
  base::MutableByteSpan space() [[clang::lifetimebound]];
  void commit(std::size_t count) noexcept { end_ += count; }
  // Gives the block back if nothing is held.
  void release_if_empty() {
    if (empty()) {
      release();
    }
  }

 private:
  void release();

  BlockPool& pool_;
  std::size_t bytes_max_;
  Block block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace selvedge::gateway::internal
