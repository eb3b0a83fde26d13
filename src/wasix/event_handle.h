#pragma once

// A counter behind a descriptor: what eventfd(2) makes, and fd_event.

#include <cstdint>
#include <limits>

#include "io/reactor.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

// Reads and writes move one number of 8 bytes. A read takes the whole counter, or 1 of it as a
// semaphore, and would block when it is 0. A write adds, and would block when the sum is more than
// kCountMax. One shard's thread.
class EventHandle final : public Handle {
 public:
  static constexpr std::uint64_t kCountMax = std::numeric_limits<std::uint64_t>::max() - 1;

  struct Options {
    std::uint64_t count = 0;  // at most kCountMax
    bool semaphore = false;
  };
  EventHandle(io::Reactor& reactor, Options options) noexcept;

  Filetype filetype() const noexcept override { return Filetype::kUnknown; }
  Rights rights_base() const noexcept override {
    return kStreamRights | Rights::kFdRead | Rights::kFdWrite;
  }
  // kInval: buffers of less than 8 bytes in all; a write of the number beyond kCountMax.
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  io::Event* readable() noexcept override { return &readable_; }
  io::Event* writable() noexcept override { return &writable_; }
  Readiness read_readiness() override;
  Readiness write_readiness() override;
  bool takes_messages() const noexcept override { return true; }

 private:
  std::uint64_t count_;
  bool semaphore_;
  io::Event readable_;
  io::Event writable_;
};

}  // namespace selvedge::wasix
