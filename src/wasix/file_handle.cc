#include "wasix/file_handle.h"

#include <utility>

namespace selvedge::wasix {

FileHandle::FileHandle(std::shared_ptr<File> file) noexcept : file_(std::move(file)) {}

Errno FileHandle::set_flags(Fdflags flags) {
  SELVEDGE_TRY_ERRNO_VOID(file_->set_flags(flags));
  return Errno::kSuccess;
}

ErrnoResult<std::size_t> FileHandle::try_read(std::span<const MutableByteSpan> buffers) {
  return file_->read(buffers, file_->waits_for_disk() ? Wait::kNever : Wait::kAllowed);
}

ErrnoResult<std::size_t> FileHandle::try_write(std::span<const ByteSpan> buffers) {
  return file_->write(buffers);
}

Readiness FileHandle::read_readiness() {
  Readiness readiness{.ready = true};
  if (const ErrnoResult<FileStat> stat = file_->stat(); stat && stat->size > file_->tell()) {
    readiness.bytes = stat->size - file_->tell();
  }
  return readiness;
}

DirectoryHandle::DirectoryHandle(std::shared_ptr<Directory> directory, std::string path) noexcept
    : directory_(std::move(directory)), path_(std::move(path)) {
  if (path_.size() > kPathBytesMax) {
    path_ = {};
  }
}

ErrnoResult<std::size_t> DirectoryHandle::try_read(std::span<const MutableByteSpan>) {
  return refuse(Errno::kIsdir);
}

ErrnoResult<std::size_t> DirectoryHandle::try_write(std::span<const ByteSpan>) {
  return refuse(Errno::kIsdir);
}

}  // namespace selvedge::wasix
