#include "wasix/handle.h"

namespace selvedge::wasix {

Errno Handle::set_flags(Fdflags flags) {
  // The others have no effect where there is no offset and nothing to synchronize.
  if (has_any(flags, ~Fdflags::kAll)) {
    return Errno::kInval;
  }
  flags_ = flags;
  return Errno::kSuccess;
}

ErrnoResult<FileStat> Handle::filestat() { return FileStat{.filetype = filetype(), .nlink = 1}; }

ErrnoResult<std::size_t> Handle::try_read(std::span<const MutableByteSpan>) {
  return refuse(Errno::kBadf);
}

ErrnoResult<std::size_t> Handle::try_write(std::span<const ByteSpan>) {
  return refuse(Errno::kBadf);
}

}  // namespace selvedge::wasix
