#include "wasix/internal/host_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/utf8.h"
#include "wasix/host_errno.h"
#include "wasix/internal/host_file.h"

namespace selvedge::wasix::internal {
namespace {

Filetype filetype_of_entry(int fd, const dirent64& entry) noexcept {
  if (entry.d_type != DT_UNKNOWN) {
    return to_filetype(static_cast<mode_t>(DTTOIF(entry.d_type)));
  }
  struct stat host{};
  if (::fstatat(fd, entry.d_name, &host, AT_SYMLINK_NOFOLLOW) != 0) {
    return Filetype::kUnknown;
  }
  return to_filetype(host.st_mode);
}

}  // namespace

ErrnoResult<> HostReader::read(std::uint64_t cookie, DirectoryEntrySink& sink) {
  if (cookie == 0 || cookie != cookie_) {
    SELVEDGE_TRY_ERRNO_VOID(host_result(::lseek(fd_.get(), static_cast<off_t>(cookie), SEEK_SET)));
    cookie_ = cookie;
    begin_ = end_ = 0;
  }
  for (;;) {
    if (begin_ == end_) {
      SELVEDGE_TRY_ERRNO(const bool more, fill());
      if (!more) {
        return {};
      }
    }
    // The kernel aligns its records for this type.
    const auto& entry = *reinterpret_cast<const dirent64*>(buffer_.data() + begin_);
    if (!give(entry, sink)) {
      return {};
    }
    begin_ += entry.d_reclen;
    cookie_ = static_cast<std::uint64_t>(entry.d_off);
  }
}

ErrnoResult<bool> HostReader::fill() {
  const ssize_t count = ::getdents64(fd_.get(), buffer_.data(), buffer_.size());
  if (count < 0) {
    return refuse(errno_from_host(errno));
  }
  begin_ = 0;
  end_ = static_cast<std::size_t>(count);
  return count > 0;
}

bool HostReader::give(const dirent64& entry, DirectoryEntrySink& sink) {
  const std::string_view name(entry.d_name);
  if (!base::is_utf8(name)) {
    return true;
  }
  const bool above_root = name == ".." && parent_ino_at_root_ != 0;
  return sink.add({.name = name,
                   .ino = above_root ? parent_ino_at_root_ : entry.d_ino,
                   .filetype = filetype_of_entry(fd_.get(), entry),
                   .next_cookie = static_cast<std::uint64_t>(entry.d_off)});
}

}  // namespace selvedge::wasix::internal
