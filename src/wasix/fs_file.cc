#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/narrow.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {
namespace {

constexpr auto kOffsetMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
// What lies behind is left to the next call: the transfer is short.
constexpr std::size_t kBuffersMax = 64;

// The front of a list of buffers that one transfer may move: no empty ones, bounded in number and
// sum.
template <class Span>
class TransferBuffers {
 public:
  explicit TransferBuffers(std::span<const Span> buffers) {
    std::size_t room = kTransferBytesMax;
    for (const Span& buffer : buffers) {
      if (buffer.empty()) {
        continue;
      }
      if (count_ == buffers_.size() || room == 0) {
        break;
      }
      buffers_[count_] = buffer.first(std::min(room, buffer.size()));
      room -= buffers_[count_].size();
      ++count_;
    }
    bytes_ = kTransferBytesMax - room;
  }
  std::size_t bytes() const noexcept { return bytes_; }
  std::span<const Span> spans() const noexcept [[clang::lifetimebound]] {
    return std::span(buffers_).first(count_);
  }
  // Keeps the first `bytes` only.
  void truncate(std::size_t bytes) noexcept {
    bytes_ = std::min(bytes_, bytes);
    std::size_t room = bytes_;
    for (std::size_t i = 0; i < count_; ++i) {
      if (room == 0) {
        count_ = i;
        return;
      }
      buffers_[i] = buffers_[i].first(std::min(room, buffers_[i].size()));
      room -= buffers_[i].size();
    }
  }

 private:
  std::array<Span, kBuffersMax> buffers_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

ErrnoResult<TimeChange> time_change(Timestamp value, bool set, bool now) noexcept {
  if (set && now) {
    return refuse(Errno::kInval);
  }
  if (set && value > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  using Kind = TimeChange::Kind;
  return TimeChange{.kind = set ? Kind::kSet : now ? Kind::kNow : Kind::kKeep, .value = value};
}

}  // namespace

ErrnoResult<TimesChange> TimesChange::from(Timestamp atim, Timestamp mtim,
                                           Fstflags flags) noexcept {
  if (has_any(flags, ~Fstflags::kAll)) {
    return refuse(Errno::kInval);
  }
  const auto access =
      time_change(atim, has_any(flags, Fstflags::kAtim), has_any(flags, Fstflags::kAtimNow));
  const auto modification =
      time_change(mtim, has_any(flags, Fstflags::kMtim), has_any(flags, Fstflags::kMtimNow));
  if (!access || !modification) {
    return refuse(Errno::kInval);
  }
  return TimesChange{.atim = *access, .mtim = *modification};
}

ErrnoResult<std::size_t> File::pread(std::span<const base::MutableByteSpan> buffers,
                                     std::uint64_t offset, Wait wait) {
  if (!readable_) {
    return refuse(Errno::kBadf);
  }
  if (offset > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  TransferBuffers transfer(buffers);
  if (transfer.bytes() == 0) {
    return 0;
  }
  transfer.truncate(
      static_cast<std::size_t>(std::min<std::uint64_t>(transfer.bytes(), kOffsetMax - offset)));
  if (transfer.bytes() == 0) {
    return 0;
  }
  return do_read(transfer.spans(), offset, wait);
}

ErrnoResult<std::size_t> File::pwrite(std::span<const base::ByteSpan> buffers,
                                      std::uint64_t offset) {
  if (!writable_) {
    return refuse(Errno::kBadf);
  }
  if (offset > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  TransferBuffers transfer(buffers);
  if (transfer.bytes() == 0) {
    return 0;
  }
  if (offset == kOffsetMax) {
    return refuse(Errno::kFbig);
  }
  transfer.truncate(
      static_cast<std::size_t>(std::min<std::uint64_t>(transfer.bytes(), kOffsetMax - offset)));
  return do_write(transfer.spans(), offset);
}

ErrnoResult<std::size_t> File::read(std::span<const base::MutableByteSpan> buffers, Wait wait) {
  if (offset_is_the_hosts()) {
    if (!readable_) {
      return refuse(Errno::kBadf);
    }
    const TransferBuffers transfer(buffers);
    return transfer.bytes() == 0 ? 0 : do_read(transfer.spans(), kHostOffset, wait);
  }
  auto count = pread(buffers, offset_, wait);
  if (count) {
    offset_ += *count;
  }
  return count;
}

ErrnoResult<std::size_t> File::write(std::span<const base::ByteSpan> buffers) {
  if (!has_any(flags_, Fdflags::kAppend) && !offset_is_the_hosts()) {
    auto count = pwrite(buffers, offset_);
    if (count) {
      offset_ += *count;
    }
    return count;
  }
  if (!writable_) {
    return refuse(Errno::kBadf);
  }
  const TransferBuffers transfer(buffers);
  if (transfer.bytes() == 0) {
    return 0;
  }
  if (!has_any(flags_, Fdflags::kAppend)) {
    return do_write(transfer.spans(), kHostOffset);
  }
  auto appended = do_append(transfer.spans());
  if (!appended) {
    return refuse(appended.error());
  }
  offset_ = appended->end;
  return appended->written;
}

ErrnoResult<std::uint64_t> File::seek(std::int64_t delta, Whence whence) {
  std::uint64_t origin = 0;
  switch (whence) {
    case Whence::kSet:
      break;
    case Whence::kCur:
      origin = offset_;
      break;
    case Whence::kEnd: {
      auto now = stat();
      if (!now) {
        return refuse(now.error());
      }
      origin = now->size;
      break;
    }
    default:
      return refuse(Errno::kInval);
  }
  std::int64_t sum = 0;
  if (!std::in_range<std::int64_t>(origin) ||
      __builtin_add_overflow(static_cast<std::int64_t>(origin), delta, &sum) || sum < 0) {
    return refuse(Errno::kInval);
  }
  offset_ = static_cast<std::uint64_t>(sum);
  return offset_;
}

ErrnoResult<> File::set_flags(Fdflags flags) {
  if (has_any(flags, ~Fdflags::kAll)) {
    return refuse(Errno::kInval);
  }
  flags_ = flags;
  return {};
}

ErrnoResult<> File::set_size(std::uint64_t size) {
  if (!writable_ || size > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  return do_set_size(size);
}

ErrnoResult<> File::allocate(std::uint64_t offset, std::uint64_t length) {
  if (!writable_) {
    return refuse(Errno::kBadf);
  }
  if (length == 0 || offset > kOffsetMax || length > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  if (offset + length > kOffsetMax) {
    return refuse(Errno::kFbig);
  }
  return do_allocate(offset, length);
}

ErrnoResult<> File::advise(std::uint64_t offset, std::uint64_t length, Advice advice) {
  if (advice > Advice::kNoreuse || offset > kOffsetMax || length > kOffsetMax) {
    return refuse(Errno::kInval);
  }
  do_advise(offset, length, advice);
  return {};
}

}  // namespace selvedge::wasix
