#include "wasix/fs_host.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "base/unique_fd.h"
#include "wasix/fs_node.h"
#include "wasix/fs_path.h"
#include "wasix/host_errno.h"
#include "wasix/internal/host_file.h"
#include "wasix/internal/host_reader.h"

namespace selvedge::wasix {
namespace {

using base::UniqueFd;
using internal::host_result;

constexpr int kDirectoryFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
constexpr mode_t kFileMode = 0666;       // less the umask, as for any program
constexpr mode_t kDirectoryMode = 0777;  // likewise
// openat2 answers EAGAIN when something was renamed while it walked over `..`.
constexpr int kOpenat2AttemptsMax = 8;

ErrnoExit last_error() noexcept { return refuse(errno_from_host(errno)); }
// What all nodes of one mount share.
struct Volume {
  bool read_only = false;
  bool has_openat2 = false;
  dev_t root_dev = 0;
  ino_t root_ino = 0;
};

// A name for a system call.
class CName {
 public:
  explicit CName(std::string_view name) noexcept {
    const std::size_t size = std::min(name.size(), kNameBytesMax);
    name.copy(text_.data(), size);
    text_[size] = '\0';
  }
  const char* get() const noexcept [[clang::lifetimebound]] { return text_.data(); }

 private:
  std::array<char, kNameBytesMax + 1> text_;
};

int openat2_beneath(int fd, const char* path) noexcept {
  open_how how{};
  how.flags = kDirectoryFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, fd, path, &how, sizeof how));
}

class HostNode final : public DirectoryNode {
 public:
  HostNode(UniqueFd fd, std::shared_ptr<const Volume> volume) noexcept
      : fd_(std::move(fd)), volume_(std::move(volume)) {}

  ErrnoResult<FileStat> stat() override {
    struct stat host{};
    if (::fstat(fd_.get(), &host) != 0) {
      return last_error();
    }
    return internal::to_file_stat(host);
  }

  ErrnoResult<> set_times(const TimesChange& times) override {
    if (volume_->read_only) {
      return refuse(Errno::kRofs);
    }
    const internal::HostTimes host(times);
    return host_result(::utimensat(fd_.get(), ".", host.values, 0));
  }

  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    UniqueFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat host{};
    if (!fd || ::fstat(fd.get(), &host) != 0) {
      return last_error();
    }
    const bool is_root = host.st_dev == volume_->root_dev && host.st_ino == volume_->root_ino;
    return std::make_unique<internal::HostReader>(std::move(fd), is_root ? host.st_ino : 0);
  }

  bool waits_for_disk() const noexcept override { return true; }
  ErrnoResult<> sync() override {
    const UniqueFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd ? host_result(::fsync(fd.get())) : last_error();
  }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    const CName c_name(name);
    UniqueFd fd(::openat(fd_.get(), c_name.get(), kDirectoryFlags | O_NOFOLLOW));
    if (fd) {
      return make_node(std::move(fd));
    }
    if (errno != ENOTDIR) {
      return last_error();
    }
    char first = 0;
    const bool is_link = ::readlinkat(fd_.get(), c_name.get(), &first, 1) >= 0;
    return refuse(is_link ? Errno::kLoop : Errno::kNotdir);
  }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter_path(const std::string& path) override {
    if (!volume_->has_openat2 || path.size() >= PATH_MAX) {
      return refuse(Errno::kNosys);
    }
    for (int attempt = 0; attempt < kOpenat2AttemptsMax; ++attempt) {
      UniqueFd fd(openat2_beneath(fd_.get(), path.c_str()));
      if (fd) {
        return make_node(std::move(fd));
      }
      if (errno == EXDEV) {
        return refuse(Errno::kPerm);
      }
      if (errno != EAGAIN && errno != EINTR) {
        return last_error();
      }
    }
    return refuse(Errno::kNosys);
  }

  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override;

  ErrnoResult<FileStat> stat(std::string_view name) override {
    struct stat host{};
    if (::fstatat(fd_.get(), CName(name).get(), &host, AT_SYMLINK_NOFOLLOW) != 0) {
      return last_error();
    }
    return internal::to_file_stat(host);
  }

  ErrnoResult<> set_times(std::string_view name, const TimesChange& times) override {
    if (volume_->read_only) {
      return refuse(Errno::kRofs);
    }
    const internal::HostTimes host(times);
    return host_result(::utimensat(fd_.get(), CName(name).get(), host.values, AT_SYMLINK_NOFOLLOW));
  }

  ErrnoResult<std::string> read_link(std::string_view name) override {
    std::string target(PATH_MAX, '\0');
    const ssize_t count = ::readlinkat(fd_.get(), CName(name).get(), target.data(), target.size());
    if (count < 0) {
      return last_error();
    }
    target.resize(static_cast<std::size_t>(count));
    return target;
  }

  ErrnoResult<> make_directory(std::string_view name) override {
    if (auto writable = may_create(name); !writable) {
      return writable;
    }
    return host_result(::mkdirat(fd_.get(), CName(name).get(), kDirectoryMode));
  }

  ErrnoResult<> remove_directory(std::string_view name) override {
    if (volume_->read_only) {
      return refuse(Errno::kRofs);
    }
    return host_result(::unlinkat(fd_.get(), CName(name).get(), AT_REMOVEDIR));
  }

  ErrnoResult<> unlink(std::string_view name) override {
    if (volume_->read_only) {
      return refuse(Errno::kRofs);
    }
    return host_result(::unlinkat(fd_.get(), CName(name).get(), 0));
  }

  ErrnoResult<> make_symlink(std::string_view name, std::string_view target) override {
    if (auto writable = may_create(name); !writable) {
      return writable;
    }
    return host_result(::symlinkat(std::string(target).c_str(), fd_.get(), CName(name).get()));
  }

  // The host's programs that connect there are refused: only a kernel's bind(2) could serve them.
  ErrnoResult<> make_socket(std::string_view name) override {
    if (auto writable = may_create(name); !writable) {
      return writable;
    }
    return host_result(::mknodat(fd_.get(), CName(name).get(), S_IFSOCK | kDirectoryMode, 0));
  }

  ErrnoResult<> rename(std::string_view name, DirectoryNode& to,
                       std::string_view new_name) override {
    if (volume_->read_only) {
      return refuse(Errno::kRofs);
    }
    return host_result(
        ::renameat(fd_.get(), CName(name).get(), host_fd(to), CName(new_name).get()));
  }

  ErrnoResult<> link(std::string_view name, DirectoryNode& to, std::string_view new_name) override {
    if (auto writable = static_cast<HostNode&>(to).may_create(new_name); !writable) {
      return writable;
    }
    return host_result(
        ::linkat(fd_.get(), CName(name).get(), host_fd(to), CName(new_name).get(), 0));
  }

  const void* file_system() const noexcept override { return volume_.get(); }

 private:
  // `to` has our file_system(), so it is one of ours.
  static int host_fd(DirectoryNode& to) noexcept { return static_cast<HostNode&>(to).fd_.get(); }

  std::shared_ptr<DirectoryNode> make_node(UniqueFd fd) const {
    return std::make_shared<HostNode>(std::move(fd), volume_);
  }

  // On a read-only mount an existing name is reported first, as Linux does: programs that make sure
  // of a directory rely on it.
  ErrnoResult<> may_create(std::string_view name) {
    if (!volume_->read_only) {
      return {};
    }
    return refuse(stat(name) ? Errno::kExist : Errno::kRofs);
  }

  UniqueFd fd_;  // O_PATH
  std::shared_ptr<const Volume> volume_;
};

ErrnoResult<> refuse_to_open(Filetype filetype) noexcept {
  switch (filetype) {
    case Filetype::kRegularFile:
      return {};
    case Filetype::kDirectory:
      return refuse(Errno::kIsdir);
    case Filetype::kSymbolicLink:
      return refuse(Errno::kLoop);
    case Filetype::kSocketStream:
      return refuse(Errno::kNxio);
    default:
      return refuse(Errno::kAcces);
  }
}

int open_flags(const NodeOpenOptions& options) noexcept {
  // O_NONBLOCK and O_NOCTTY: should the file become a fifo or a terminal after it was looked at.
  int flags = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  if (options.write || options.truncate) {
    flags |= options.read || !options.write ? O_RDWR : O_WRONLY;
  }
  return flags | (options.create ? O_CREAT : 0) | (options.exclusive ? O_EXCL : 0) |
         (options.truncate ? O_TRUNC : 0);
}

ErrnoResult<std::shared_ptr<File>> HostNode::open_file(std::string_view name,
                                                       const NodeOpenOptions& options) {
  const auto existing = stat(name);
  if (!existing && (existing.error() != Errno::kNoent || !options.create)) {
    return refuse(existing.error());
  }
  if (existing) {
    if (options.create && options.exclusive) {
      return refuse(Errno::kExist);
    }
    // Looked at before it is opened, because opening a device or fifo can itself have effects.
    if (auto allowed = refuse_to_open(existing->filetype); !allowed) {
      return refuse(allowed.error());
    }
  }
  if (volume_->read_only && (!existing || options.write || options.truncate)) {
    return refuse(Errno::kRofs);
  }
  NodeOpenOptions effective = options;
  effective.exclusive = options.create && options.exclusive;
  UniqueFd fd(::openat(fd_.get(), CName(name).get(), open_flags(effective), kFileMode));
  struct stat host{};
  if (!fd || ::fstat(fd.get(), &host) != 0) {
    return last_error();
  }
  if (auto allowed = refuse_to_open(internal::to_filetype(host.st_mode)); !allowed) {
    return refuse(allowed.error());
  }
  return std::make_shared<internal::HostFile>(
      std::move(fd), internal::HostFile::Options{.read = options.read,
                                                 .write = options.write,
                                                 .fdflags = options.fdflags,
                                                 .read_only_mount = volume_->read_only});
}

std::unexpected<Error> open_failure(const std::string& path, int error) {
  const ErrorKind kind = error == ENOENT                      ? ErrorKind::kNotFound
                         : error == EACCES || error == EPERM  ? ErrorKind::kDenied
                         : error == ENOTDIR || error == ELOOP ? ErrorKind::kInvalid
                                                              : ErrorKind::kInternal;
  return fail_format(kind, "cannot mount the directory '{}': {}", path,
                     std::generic_category().message(error));
}

}  // namespace

Result<std::shared_ptr<HostDirectory>> HostDirectory::create(const HostDirectoryOptions& options) {
  if (options.path.empty() || options.path.find('\0') != std::string::npos) {
    return fail(ErrorKind::kInvalid, "the path of a directory to mount is empty or contains a NUL");
  }
  UniqueFd fd(::open(options.path.c_str(), kDirectoryFlags));
  struct stat host{};
  if (!fd || ::fstat(fd.get(), &host) != 0) {
    return open_failure(options.path, errno);
  }
  Volume volume{.read_only = options.read_only,
                .has_openat2 = false,
                .root_dev = host.st_dev,
                .root_ino = host.st_ino};
  if (!options.avoid_openat2) {
    // Missing before Linux 5.6, and forbidden by some container sandboxes.
    volume.has_openat2 = static_cast<bool>(UniqueFd(openat2_beneath(fd.get(), ".")));
  }
  auto root =
      std::make_shared<HostNode>(std::move(fd), std::make_shared<const Volume>(std::move(volume)));
  return std::make_shared<HostDirectory>(Key(), std::move(root));
}

}  // namespace selvedge::wasix
