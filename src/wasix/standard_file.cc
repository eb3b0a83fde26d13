#include "wasix/standard_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/unique_fd.h"
#include "wasix/host_errno.h"
#include "wasix/internal/host_file.h"

namespace selvedge::wasix {
namespace {

class SharedHostFile final : public internal::HostFile {
 public:
  SharedHostFile(base::UniqueFd fd, const Options& options) noexcept
      : HostFile(std::move(fd), options) {}

  std::uint64_t tell() const noexcept override {
    return static_cast<std::uint64_t>(std::max<off_t>(::lseek(host_fd(), 0, SEEK_CUR), 0));
  }
  ErrnoResult<std::uint64_t> seek(std::int64_t delta, Whence whence) override {
    const int from = whence == Whence::kSet   ? SEEK_SET
                     : whence == Whence::kCur ? SEEK_CUR
                                              : SEEK_END;
    const off_t offset = ::lseek(host_fd(), delta, from);
    if (offset < 0) {
      return refuse(errno_from_host(errno));
    }
    return static_cast<std::uint64_t>(offset);
  }
  ErrnoResult<> set_times(const TimesChange& times) override {
    return writable() ? HostFile::set_times(times) : refuse(Errno::kPerm);
  }

 private:
  bool offset_is_the_hosts() const noexcept override { return true; }
};

}  // namespace

std::shared_ptr<StandardFileHandle> StandardFileHandle::open(int fd) {
  struct stat host{};
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0 || ::fstat(fd, &host) != 0 || !S_ISREG(host.st_mode)) {
    return nullptr;
  }
  base::UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) {
    return nullptr;
  }
  const int access = flags & O_ACCMODE;
  const bool appends = (flags & O_APPEND) != 0;
  auto file = std::make_shared<SharedHostFile>(
      std::move(own),
      internal::HostFile::Options{.read = access == O_RDONLY || access == O_RDWR,
                                  .write = access == O_WRONLY || access == O_RDWR,
                                  .fdflags = appends ? Fdflags::kAppend : Fdflags::kNone});
  return std::make_shared<StandardFileHandle>(Key(), std::move(file), appends);
}

StandardFileHandle::StandardFileHandle(Key /*key*/, std::shared_ptr<File> file,
                                       bool appends) noexcept
    : FileHandle(std::move(file)), appends_(appends) {}

Rights StandardFileHandle::rights_base() const noexcept {
  Rights rights = kRights;
  if (!file()->readable()) {
    rights &= ~Rights::kFdRead;
  }
  if (!file()->writable()) {
    rights &= ~Rights::kFdWrite;
  }
  return rights;
}

Errno StandardFileHandle::set_flags(Fdflags flags) {
  return FileHandle::set_flags(appends_ ? flags | Fdflags::kAppend : flags);
}

}  // namespace selvedge::wasix
