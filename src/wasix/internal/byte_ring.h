#pragma once

// A queue of bytes in one block of memory that grows with what is in it, up to what its owner
// allows, and is given back when the queue runs empty: most connections are idle most of the time.

#include <cstddef>
#include <memory>

#include "base/bytes.h"

namespace selvedge::wasix::internal {

// Bytes of memory that several queues may take together. Outlives them.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes_max) noexcept : left_(bytes_max) {}

  // False, and nothing is taken: there are not that many left.
  [[nodiscard]] bool take(std::size_t bytes) noexcept;
  void give_back(std::size_t bytes) noexcept { left_ += bytes; }

 private:
  std::size_t left_;
};

class ByteRing {
 public:
  // What an empty ring keeps, so that small messages do not allocate.
  static constexpr std::size_t kKeptBytesMax = 16'384;

  explicit ByteRing(MemoryBudget& budget) noexcept : budget_(budget) {}
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;
  ~ByteRing() { clear(); }

  std::size_t size() const noexcept { return size_; }
  // Takes a prefix of `source`, such that size() stays within `size_max` and the memory within the
  // budget; how much.
  std::size_t push(base::ByteSpan source, std::size_t size_max);
  // Makes room, so that a push() of that many bytes takes them all; false: the budget is used up.
  bool reserve(std::size_t bytes) { return size_ + bytes <= capacity_ || grow(size_ + bytes); }
  // Moves bytes out; how many.
  std::size_t pop(base::MutableByteSpan target) noexcept;
  // Copies bytes that lie `offset` behind the front, and leaves them; how many.
  std::size_t peek(base::MutableByteSpan target, std::size_t offset) const noexcept;
  // Drops everything.
  void clear() noexcept;

 private:
  static constexpr std::size_t kFirstBytes = 2048;

  bool grow(std::size_t needed);
  // The capacity is a power of two.
  std::size_t wrap(std::size_t position) const noexcept { return position & (capacity_ - 1); }

  MemoryBudget& budget_;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace selvedge::wasix::internal
