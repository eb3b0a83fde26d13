#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/errno_error.h"
#include "base/format.h"
#include "base/unique_fd.h"

namespace selvedge::base {
Result<MappedFile> MappedFile::open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return fd ? map(fd.get(), path) : fail(errno_error(errno, path));
}

Result<MappedFile> MappedFile::map(int file, const std::string& path) {
  struct stat status{};
  if (::fstat(file, &status) != 0) {
    return fail(errno_error(errno, path));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail_format(ErrorKind::kInvalid, "{}: not a regular file", path);
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) {
    return MappedFile(MutableByteSpan());
  }
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (address == MAP_FAILED) {
    return fail(errno_error(errno, path));
  }
  return MappedFile(MutableByteSpan(static_cast<std::byte*>(address), size));
}

MappedFile::~MappedFile() {
  if (!mapping_.empty()) {
    ::munmap(mapping_.data(), mapping_.size());
  }
}

}  // namespace selvedge::base
