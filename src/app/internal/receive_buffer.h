#pragma once

#include <cstddef>
#include <cstring>
#include <memory>

#include "base/bytes.h"

namespace selvedge::app::internal {

// The bytes of an upstream that were received and not consumed. One thread.
class ReceiveBuffer {
 public:
  // Most responses fit into the first; one that fills it has more to come.
  static constexpr std::size_t kBytesFirst = 2 * 1024;
  static constexpr std::size_t kBytesMin = 16 * 1024;

  base::ByteSpan bytes() const noexcept [[clang::lifetimebound]] {
    return {storage_.get() + begin_, end_ - begin_};
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
    if (size_ == 0 || (was_full_ && size_ < kBytesMin)) {
      grow(size_ == 0 ? kBytesFirst : kBytesMin);
    } else if (end_ == size_) {
      grow(begin_ > 0 ? size_ : size_ * 2);
    }
    return {storage_.get() + end_, size_ - end_};
  }
  void commit(std::size_t count) noexcept {
    end_ += count;
    was_full_ = was_full_ || end_ == size_;
  }

 private:
  // The bytes move to the front.
  void grow(std::size_t size) {
    const base::ByteSpan held = bytes();
    std::unique_ptr<std::byte[]> larger;
    if (size != size_) {
      larger = std::make_unique_for_overwrite<std::byte[]>(size);
    }
    std::byte* const target = larger != nullptr ? larger.get() : storage_.get();
    if (!held.empty()) {
      std::memmove(target, held.data(), held.size());
    }
    end_ = held.size();
    begin_ = 0;
    if (larger != nullptr) {
      storage_ = std::move(larger);
      size_ = size;
    }
  }

  std::unique_ptr<std::byte[]> storage_;
  std::size_t size_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool was_full_ = false;
};

}  // namespace selvedge::app::internal
