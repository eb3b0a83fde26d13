#pragma once

// The buffers that a guest names with an array of iovecs.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "engine/guest_memory.h"
#include "wasix/abi.h"
#include "wasix/file_system.h"

namespace selvedge::wasix::internal {

// IOV_MAX on Linux.
inline constexpr std::uint32_t kIovecsMax = 1024;

// Views into guest memory; for the duration of one host call or poll. The array of iovecs is copied
// before any byte is moved, so a read that overwrites it changes nothing.
template <class Span>
class GuestBuffers {
 public:
  // kInval: more than kIovecsMax; kFault: the array, or a buffer, is not inside the memory. What
  // exceeds kTransferBytesMax in sum is left out: the guest sees a short count.
  Errno gather(engine::GuestMemory memory, engine::GuestPtr<abi::Iovec> iovecs,
               std::uint32_t count) {
    if (count > kIovecsMax) {
      return Errno::kInval;
    }
    if (count > inline_.size()) {
      large_.resize(count);
    }
    Span* const target = count > inline_.size() ? large_.data() : inline_.data();
    std::size_t room = kTransferBytesMax;
    for (std::uint32_t index = 0; index < count; ++index) {
      const auto iovec = memory.read(iovecs, index);
      if (!iovec) {
        return Errno::kFault;
      }
      const auto bytes = memory.bytes(iovec->buf, iovec->len);
      if (!bytes) {
        return Errno::kFault;
      }
      target[index] = bytes->first(std::min(bytes->size(), room));
      room -= target[index].size();
    }
    spans_ = std::span<const Span>(target, count);
    total_ = kTransferBytesMax - room;
    return Errno::kSuccess;
  }

  std::span<const Span> spans() const noexcept [[clang::lifetimebound]] { return spans_; }
  std::size_t total() const noexcept { return total_; }

 private:
  std::array<Span, 8> inline_;
  std::vector<Span> large_;
  std::span<const Span> spans_;
  std::size_t total_ = 0;
};

using ReadBuffers = GuestBuffers<base::MutableByteSpan>;
using WriteBuffers = GuestBuffers<base::ByteSpan>;

}  // namespace selvedge::wasix::internal
