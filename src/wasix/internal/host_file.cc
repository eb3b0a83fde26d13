#include "wasix/internal/host_file.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/assert.h"
#include "base/narrow.h"
#include "wasix/host_errno.h"

namespace selvedge::wasix::internal {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::size_t kVectorsMax = 64;
constexpr std::size_t kLoadBytes = std::size_t{64} << 10;

// The buffers in the kernel's form.
class IoVectors {
 public:
  template <class Span>
  explicit IoVectors(std::span<const Span> buffers) noexcept {
    SELVEDGE_ASSERT(buffers.size() <= kVectorsMax);
    for (const Span& buffer : buffers) {
      // The kernel's iovec has no const form.
      vectors_[count_++] = {.iov_base = const_cast<std::byte*>(buffer.data()),
                            .iov_len = buffer.size()};
    }
  }
  const iovec* data() const noexcept { return vectors_.data(); }
  int size() const noexcept { return static_cast<int>(count_); }

 private:
  std::array<iovec, kVectorsMax> vectors_;
  std::size_t count_ = 0;
};

Timestamp to_timestamp(const timespec& time) noexcept {
  if (time.tv_sec < 0) {
    return 0;
  }
  return static_cast<std::uint64_t>(time.tv_sec) * kNanosecondsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

timespec to_timespec(const TimeChange& change) noexcept {
  switch (change.kind) {
    case TimeChange::Kind::kKeep:
      return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
    case TimeChange::Kind::kNow:
      return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
    case TimeChange::Kind::kSet:
      return {.tv_sec = static_cast<time_t>(change.value / kNanosecondsPerSecond),
              .tv_nsec = static_cast<long>(change.value % kNanosecondsPerSecond)};
  }
  return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
}

int host_advice(Advice advice) noexcept {
  switch (advice) {
    case Advice::kNormal:
      return POSIX_FADV_NORMAL;
    case Advice::kSequential:
      return POSIX_FADV_SEQUENTIAL;
    case Advice::kRandom:
      return POSIX_FADV_RANDOM;
    case Advice::kWillneed:
      return POSIX_FADV_WILLNEED;
    case Advice::kDontneed:
      return POSIX_FADV_DONTNEED;
    case Advice::kNoreuse:
      return POSIX_FADV_NOREUSE;
  }
  return POSIX_FADV_NORMAL;
}

}  // namespace

ErrnoResult<> host_result(long value) noexcept {
  if (value < 0) {
    return refuse(errno_from_host(errno));
  }
  return {};
}

Filetype to_filetype(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return Filetype::kRegularFile;
    case S_IFDIR:
      return Filetype::kDirectory;
    case S_IFLNK:
      return Filetype::kSymbolicLink;
    case S_IFCHR:
      return Filetype::kCharacterDevice;
    case S_IFBLK:
      return Filetype::kBlockDevice;
    case S_IFSOCK:
      return Filetype::kSocketStream;
    default:
      return Filetype::kUnknown;
  }
}

FileStat to_file_stat(const struct stat& host) noexcept {
  return {.dev = host.st_dev,
          .ino = host.st_ino,
          .filetype = to_filetype(host.st_mode),
          .nlink = host.st_nlink,
          .size = static_cast<std::uint64_t>(host.st_size),
          .atim = to_timestamp(host.st_atim),
          .mtim = to_timestamp(host.st_mtim),
          .ctim = to_timestamp(host.st_ctim)};
}

HostTimes::HostTimes(const TimesChange& change) noexcept
    : values{to_timespec(change.atim), to_timespec(change.mtim)} {}

int HostFile::write_flags() const noexcept {
  if (has_any(flags(), Fdflags::kSync | Fdflags::kRsync)) {
    return RWF_SYNC;
  }
  return has_any(flags(), Fdflags::kDsync) ? RWF_DSYNC : 0;
}

ErrnoResult<FileStat> HostFile::stat() {
  struct stat host{};
  if (auto done = host_result(::fstat(fd_.get(), &host)); !done) {
    return refuse(done.error());
  }
  return to_file_stat(host);
}

ErrnoResult<> HostFile::set_times(const TimesChange& times) {
  if (read_only_mount_) {
    return refuse(Errno::kRofs);
  }
  const HostTimes host(times);
  return host_result(::futimens(fd_.get(), host.values));
}

ErrnoResult<> HostFile::sync() { return host_result(::fsync(fd_.get())); }
ErrnoResult<> HostFile::datasync() { return host_result(::fdatasync(fd_.get())); }

void HostFile::load(std::uint64_t offset, std::size_t length) noexcept {
  std::vector<std::byte> scratch(std::min(length, kLoadBytes));
  for (std::size_t done = 0; done < length;) {
    const ssize_t count =
        ::pread(fd_.get(), scratch.data(), std::min(scratch.size(), length - done),
                static_cast<off_t>(offset + done));
    if (count <= 0) {
      return;
    }
    done += static_cast<std::size_t>(count);
  }
}

ErrnoResult<std::size_t> HostFile::do_read(std::span<const base::MutableByteSpan> buffers,
                                           std::uint64_t offset, Wait wait) {
  const IoVectors vectors(buffers);
  const auto position = static_cast<off_t>(offset);
  int flags = wait == Wait::kNever ? RWF_NOWAIT : 0;
  for (;;) {
    const ssize_t count = ::preadv2(fd_.get(), vectors.data(), vectors.size(), position, flags);
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno == EOPNOTSUPP && flags != 0) {
      flags = 0;  // this file system cannot tell; its files are in memory as a rule (tmpfs)
    } else if (errno != EINTR) {
      return refuse(errno_from_host(errno));
    }
  }
}

ErrnoResult<std::size_t> HostFile::do_write(std::span<const base::ByteSpan> buffers,
                                            std::uint64_t offset) {
  const IoVectors vectors(buffers);
  for (;;) {
    const ssize_t count = ::pwritev2(fd_.get(), vectors.data(), vectors.size(),
                                     static_cast<off_t>(offset), write_flags());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      return refuse(errno_from_host(errno));
    }
  }
}

ErrnoResult<File::Appended> HostFile::do_append(std::span<const base::ByteSpan> buffers) {
  const IoVectors vectors(buffers);
  for (;;) {
    // RWF_APPEND rather than O_APPEND: with the latter, pwrite would append too.
    const ssize_t count =
        ::pwritev2(fd_.get(), vectors.data(), vectors.size(), -1, write_flags() | RWF_APPEND);
    if (count >= 0) {
      const off_t end = ::lseek(fd_.get(), 0, SEEK_CUR);
      return Appended{.written = static_cast<std::size_t>(count),
                      .end = static_cast<std::uint64_t>(std::max<off_t>(end, 0))};
    }
    if (errno != EINTR) {
      return refuse(errno_from_host(errno));
    }
  }
}

ErrnoResult<> HostFile::do_set_size(std::uint64_t size) {
  return host_result(::ftruncate(fd_.get(), static_cast<off_t>(size)));
}

ErrnoResult<> HostFile::do_allocate(std::uint64_t offset, std::uint64_t length) {
  return host_result(
      ::fallocate(fd_.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(length)));
}

void HostFile::do_advise(std::uint64_t offset, std::uint64_t length, Advice advice) {
  // Advice that the kernel does not take has no consequence for the guest.
  static_cast<void>(::posix_fadvise(fd_.get(), static_cast<off_t>(offset),
                                    static_cast<off_t>(length), host_advice(advice)));
}

}  // namespace selvedge::wasix::internal
