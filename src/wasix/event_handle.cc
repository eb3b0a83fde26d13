#include "wasix/event_handle.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "engine/guest_memory.h"

namespace selvedge::wasix {

namespace {

template <class Span>
std::size_t total_size(std::span<const Span> buffers) noexcept {
  std::size_t total = 0;
  for (const Span buffer : buffers) {
    total += buffer.size();
  }
  return total;
}

}  // namespace

EventHandle::EventHandle(io::Reactor& reactor, Options options) noexcept
    : count_(options.count), semaphore_(options.semaphore), readable_(reactor), writable_(reactor) {
  SELVEDGE_DCHECK(count_ <= kCountMax);
  if (count_ > 0) {
    readable_.set();
  }
  writable_.set();
}

ErrnoResult<std::size_t> EventHandle::try_read(std::span<const MutableByteSpan> buffers) {
  if (total_size(buffers) < sizeof(count_)) {
    return refuse(Errno::kInval);
  }
  if (count_ == 0) {
    return refuse(Errno::kAgain);
  }
  const std::uint64_t taken = semaphore_ ? 1 : count_;
  ByteSpan rest = std::as_bytes(std::span(&taken, 1));
  for (const MutableByteSpan buffer : buffers) {
    const std::size_t size = std::min(buffer.size(), rest.size());
    if (size > 0) {
      std::memcpy(buffer.data(), rest.data(), size);
      rest = rest.subspan(size);
    }
  }
  count_ -= taken;
  if (count_ == 0) {
    readable_.reset();
  }
  writable_.set();
  return sizeof(taken);
}

ErrnoResult<std::size_t> EventHandle::try_write(std::span<const ByteSpan> buffers) {
  if (total_size(buffers) < sizeof(count_)) {
    return refuse(Errno::kInval);
  }
  std::uint64_t added = 0;
  MutableByteSpan rest = std::as_writable_bytes(std::span(&added, 1));
  for (const ByteSpan buffer : buffers) {
    const std::size_t size = std::min(buffer.size(), rest.size());
    if (size > 0) {
      std::memcpy(rest.data(), buffer.data(), size);
      rest = rest.subspan(size);
    }
  }
  engine::settle_copy(added);
  if (added > kCountMax) {
    return refuse(Errno::kInval);
  }
  if (added > kCountMax - count_) {
    // A smaller number may still fit, but who failed with this one waits for a read.
    writable_.reset();
    return refuse(Errno::kAgain);
  }
  count_ += added;
  if (count_ > 0) {
    readable_.set();
  }
  return sizeof(added);
}

Readiness EventHandle::read_readiness() {
  return {.ready = count_ > 0, .bytes = count_ > 0 ? sizeof(count_) : 0};
}

Readiness EventHandle::write_readiness() {
  return {.ready = count_ < kCountMax, .bytes = count_ < kCountMax ? sizeof(count_) : 0};
}

}  // namespace selvedge::wasix
