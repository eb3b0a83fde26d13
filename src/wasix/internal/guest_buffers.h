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
  struct Part {
    // Bytes at the front that are left out.
    std::uint64_t skip = 0;
    // At most kTransferBytesMax.
    std::size_t bytes_max = kTransferBytesMax;
  };
  // kInval: more than kIovecsMax; kFault: the array, or a buffer, is not inside the memory. What
  // exceeds `part` is left out.
  Errno gather(engine::GuestMemory memory, engine::GuestPtr<abi::Iovec> iovecs, std::uint32_t count,
               Part part = {}) {
    if (count > kIovecsMax) {
      return Errno::kInval;
    }
    if (count > inline_.size()) {
      large_.resize(count);
    }
    Span* const target = count > inline_.size() ? large_.data() : inline_.data();
    std::size_t room = part.bytes_max;
    bytes_in_all_ = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
      const auto iovec = memory.read(iovecs, index);
      if (!iovec) {
        return Errno::kFault;
      }
      const auto bytes = memory.bytes(iovec->buf, iovec->len);
      if (!bytes) {
        return Errno::kFault;
      }
      const auto skipped =
          static_cast<std::size_t>(std::min<std::uint64_t>(part.skip, bytes->size()));
      part.skip -= skipped;
      const Span rest = bytes->subspan(skipped);
      bytes_in_all_ += rest.size();
      target[index] = rest.first(std::min(rest.size(), room));
      room -= target[index].size();
    }
    spans_ = std::span<Span>(target, count);
    total_ = part.bytes_max - room;
    return Errno::kSuccess;
  }
  // Leaves out the first `count` <= total() bytes too.
  void drop(std::size_t count) noexcept {
    total_ -= count;
    bytes_in_all_ -= count;
    while (count > 0) {
      Span& first = spans_.front();
      const std::size_t dropped = std::min(count, first.size());
      first = first.subspan(dropped);
      count -= dropped;
      if (first.empty()) {
        spans_ = spans_.subspan(1);
      }
    }
  }

  std::span<const Span> spans() const noexcept [[clang::lifetimebound]] { return spans_; }
  std::size_t total() const noexcept { return total_; }
  // With what exceeds the part's bytes_max.
  std::uint64_t bytes_in_all() const noexcept { return bytes_in_all_; }

 private:
  std::array<Span, 8> inline_;
  std::vector<Span> large_;
  std::span<Span> spans_;
  std::size_t total_ = 0;
  std::uint64_t bytes_in_all_ = 0;
};

using ReadBuffers = GuestBuffers<base::MutableByteSpan>;
using WriteBuffers = GuestBuffers<base::ByteSpan>;

}  // namespace selvedge::wasix::internal
