#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/bytes.h"

namespace selvedge::app::internal {

// The bytes of an upstream that were received and not consumed. One thread.
class ReceiveBuffer {
 public:
  static constexpr std::size_t kBytesMin = 16 * 1024;

  base::ByteSpan bytes() const noexcept [[clang::lifetimebound]] {
    return base::ByteSpan(storage_).subspan(begin_, end_ - begin_);
  }
  bool empty() const noexcept { return begin_ == end_; }
  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
  }
  // Room for more behind what is there, never empty: moves the bytes to the front, or grows. The
  // parser bounds how much can be unconsumed.
  base::MutableByteSpan space() [[clang::lifetimebound]] {
    if (end_ == storage_.size() && begin_ > 0) {
      const base::ByteSpan held = bytes();
      std::ranges::copy(held, storage_.begin());
      end_ = held.size();
      begin_ = 0;
    }
    if (end_ == storage_.size()) {
      storage_.resize(std::max(storage_.size() * 2, kBytesMin));
    }
    return base::MutableByteSpan(storage_).subspan(end_);
  }
  void commit(std::size_t count) noexcept { end_ += count; }
  void clear() noexcept { begin_ = end_ = 0; }

 private:
  std::vector<std::byte> storage_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace selvedge::app::internal
