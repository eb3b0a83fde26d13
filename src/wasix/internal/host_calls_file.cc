// Regular files and directories.

#include <algorithm>
#include <cstring>
#include <utility>

#include "wasix/internal/blocking.h"
#include "wasix/internal/disk.h"
#include "wasix/internal/file_read.h"
#include "wasix/internal/guest_buffers.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/write_attempt.h"

namespace selvedge::wasix::internal {

Errno fd_advise(Thread& thread, GuestFd fd, std::uint64_t offset, std::uint64_t len,
                std::uint32_t advice) {
  SELVEDGE_TRY_ERRNO(FileHandle* const file,
                     find_file(thread, fd, Rights::kFdAdvise, Errno::kSpipe));
  if (advice > static_cast<std::uint32_t>(Advice::kNoreuse)) {
    return Errno::kInval;
  }
  return errno_of(file->file()->advise(offset, len, static_cast<Advice>(advice)));
}

BlockingErrno fd_allocate(Thread& thread, GuestFd fd, std::uint64_t offset, std::uint64_t len) {
  const ErrnoResult<FileHandle*> found = find_file(thread, fd, Rights::kFdAllocate, Errno::kSpipe);
  if (!found) {
    return found.error();
  }
  const std::shared_ptr<File>& file = (*found)->file();
  return run_on_disk(thread, file->allocates_on_disk(),
                     [file, offset, len] { return file->allocate(offset, len); });
}

Errno fd_filestat_set_size(Thread& thread, GuestFd fd, std::uint64_t size) {
  SELVEDGE_TRY_ERRNO(FileHandle* const file,
                     find_file(thread, fd, Rights::kFdFilestatSetSize, Errno::kInval));
  return errno_of(file->file()->set_size(size));
}

namespace {

// A device in which offsets do not matter. kNotcapable: without all of `wanted`.
ErrnoResult<bool> ignores_offsets(Thread& thread, GuestFd fd, Rights wanted) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  if (!descriptor->handle->ignores_offsets()) {
    return false;
  }
  return has_all(descriptor->rights_base, wanted) ? ErrnoResult<bool>(true)
                                                  : refuse(Errno::kNotcapable);
}

}  // namespace

BlockingErrno fd_pread(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                       std::uint64_t offset, Ptr<std::uint32_t> nread) {
  // A read at an offset is a read and a seek: the rights for both are needed.
  constexpr Rights kWanted = Rights::kFdRead | Rights::kFdSeek;
  if (const auto ignores = ignores_offsets(thread, fd, kWanted); !ignores || *ignores) {
    return ignores ? fd_read(thread, fd, iovs, iovs_len, nread) : BlockingErrno(ignores.error());
  }
  const ErrnoResult<FileHandle*> found = find_file(thread, fd, kWanted, Errno::kSpipe);
  if (!found) {
    return found.error();
  }
  return read_file(thread, (*thread.process().handles().find(fd))->handle,
                   {.iovs = iovs, .iovs_len = iovs_len, .nread = nread, .offset = offset});
}

BlockingErrno fd_pwrite(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                        std::uint64_t offset, Ptr<std::uint32_t> nwritten) {
  constexpr Rights kWanted = Rights::kFdWrite | Rights::kFdSeek;
  const ErrnoResult<bool> ignores = ignores_offsets(thread, fd, kWanted);
  if (!ignores) {
    return ignores.error();
  }
  if (!*ignores) {
    const ErrnoResult<FileHandle*> found = find_file(thread, fd, kWanted, Errno::kSpipe);
    if (!found) {
      return found.error();
    }
  }
  const auto put = [offset](Thread& caller, Handle& handle, std::span<const ByteSpan> buffers,
                            std::uint64_t done) -> ErrnoResult<std::size_t> {
    FileHandle* const file = handle.as_file();
    auto count =
        file != nullptr ? file->file()->pwrite(buffers, offset + done) : handle.try_write(buffers);
    const bool ended =
        count && handle.counts_as_output() && !caller.process().account_output(caller, *count);
    return ended ? refuse(Errno::kIo) : std::move(count);
  };
  return attempt_or_wait(
      thread, (*thread.process().handles().find(fd))->handle, nullptr,
      WriteAttempt({.iovs = iovs, .iovs_len = iovs_len, .nwritten = nwritten}, put));
}

namespace {

Errno seek(Thread& thread, GuestFd fd, std::int64_t offset, Whence whence,
           Ptr<std::uint64_t> newoffset) {
  // Asking for the position is not moving it: the right to tell is enough.
  const bool tells = offset == 0 && whence == Whence::kCur;
  const Rights wanted = tells ? Rights::kFdTell : Rights::kFdSeek;
  SELVEDGE_TRY_ERRNO(const bool ignored, ignores_offsets(thread, fd, wanted));
  if (ignored) {
    return thread.memory().write(newoffset, std::uint64_t{0}) ? Errno::kSuccess : Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(FileHandle* const file, find_file(thread, fd, wanted, Errno::kSpipe));
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(newoffset.address, sizeof(std::uint64_t))) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const std::uint64_t position, file->file()->seek(offset, whence));
  return memory.write(newoffset, position) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace

Errno fd_seek(Thread& thread, GuestFd fd, std::int64_t offset, std::uint32_t whence,
              Ptr<std::uint64_t> newoffset) {
  if (whence > static_cast<std::uint32_t>(Whence::kEnd)) {
    return Errno::kInval;
  }
  return seek(thread, fd, offset, static_cast<Whence>(whence), newoffset);
}

Errno snapshot0_fd_seek(Thread& thread, GuestFd fd, std::int64_t offset, std::uint32_t whence,
                        Ptr<std::uint64_t> newoffset) {
  switch (static_cast<Snapshot0Whence>(std::min(whence, 0xFFU))) {
    case Snapshot0Whence::kCur:
      return seek(thread, fd, offset, Whence::kCur, newoffset);
    case Snapshot0Whence::kEnd:
      return seek(thread, fd, offset, Whence::kEnd, newoffset);
    case Snapshot0Whence::kSet:
      return seek(thread, fd, offset, Whence::kSet, newoffset);
  }
  return Errno::kInval;
}

Errno fd_tell(Thread& thread, GuestFd fd, Ptr<std::uint64_t> offset) {
  SELVEDGE_TRY_ERRNO(const bool ignored, ignores_offsets(thread, fd, Rights::kFdTell));
  if (ignored) {
    return thread.memory().write(offset, std::uint64_t{0}) ? Errno::kSuccess : Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(FileHandle* const file, find_file(thread, fd, Rights::kFdTell, Errno::kSpipe));
  return thread.memory().write(offset, file->file()->tell()) ? Errno::kSuccess : Errno::kFault;
}

namespace {

// Bytes of directory entries made before the event loop gets its turn.
constexpr std::size_t kReaddirStepBytes = 16'384;

// Writes entries into the guest's buffer until it, or the step, is full. The entry that does not
// fit is cut off at the buffer's end, as WASI demands: a buffer filled to its last byte tells that
// there is more.
class DirentWriter final : public DirectoryEntrySink {
 public:
  DirentWriter(base::MutableByteSpan buffer, std::uint64_t cookie) noexcept
      : buffer_(buffer), next_cookie_(cookie) {}

  bool add(const DirectoryEntry& entry) override {
    abi::Dirent dirent{};
    dirent.next = entry.next_cookie;
    dirent.ino = entry.ino;
    dirent.namlen = static_cast<std::uint32_t>(entry.name.size());
    dirent.filetype = entry.filetype;
    append(std::as_bytes(std::span(&dirent, 1)));
    append(base::as_bytes(entry.name));
    next_cookie_ = entry.next_cookie;
    step_ended_ = used_ >= kReaddirStepBytes;
    return used_ < buffer_.size() && !step_ended_;
  }

  std::size_t used() const noexcept { return used_; }
  std::uint64_t next_cookie() const noexcept { return next_cookie_; }
  // There is room left, and perhaps more entries.
  bool unfinished() const noexcept { return step_ended_ && used_ < buffer_.size(); }

 private:
  void append(base::ByteSpan bytes) noexcept {
    const std::size_t count = std::min(bytes.size(), buffer_.size() - used_);
    if (count > 0) {
      std::memcpy(buffer_.data() + used_, bytes.data(), count);
      used_ += count;
    }
  }

  base::MutableByteSpan buffer_;
  std::uint64_t next_cookie_;
  std::size_t used_ = 0;
  bool step_ended_ = false;
};

// fd_readdir in steps.
class ReaddirStep {
 public:
  ReaddirStep(std::shared_ptr<Directory> directory, Ptr<std::uint8_t> buf, std::uint32_t buf_len,
              std::uint64_t cookie, Ptr<std::uint32_t> bufused) noexcept
      : directory_(std::move(directory)),
        buf_(buf),
        buf_len_(buf_len),
        cookie_(cookie),
        bufused_(bufused) {}

  std::optional<Errno> operator()(Thread& thread) {
    const engine::GuestMemory memory = thread.memory();
    const auto buffer = memory.bytes(buf_.address, buf_len_);
    if (!buffer || !memory.bytes(bufused_.address, sizeof(std::uint32_t))) {
      return Errno::kFault;
    }
    if (!buffer->empty()) {
      DirentWriter writer(buffer->subspan(used_), cookie_);
      if (const ErrnoResult<> result = directory_->read_entries(cookie_, writer); !result) {
        return result.error();
      }
      used_ += writer.used();
      cookie_ = writer.next_cookie();
      if (writer.unfinished()) {
        return std::nullopt;
      }
    }
    return memory.write(bufused_, static_cast<std::uint32_t>(used_)) ? Errno::kSuccess
                                                                     : Errno::kFault;
  }

 private:
  std::shared_ptr<Directory> directory_;
  Ptr<std::uint8_t> buf_;
  std::uint32_t buf_len_;
  std::uint64_t cookie_;
  Ptr<std::uint32_t> bufused_;
  std::size_t used_ = 0;
};

}  // namespace

BlockingErrno fd_readdir(Thread& thread, GuestFd fd, Ptr<std::uint8_t> buf, std::uint32_t buf_len,
                         std::uint64_t cookie, Ptr<std::uint32_t> bufused) {
  if (const auto found = find_directory(thread, fd, Rights::kFdReaddir); !found) {
    return found.error();
  }
  const Descriptor& descriptor = **thread.process().handles().find(fd);
  return run_in_steps(thread, ReaddirStep(descriptor.handle->as_directory()->directory(), buf,
                                          buf_len, cookie, bufused));
}

}  // namespace selvedge::wasix::internal
