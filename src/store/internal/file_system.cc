#include "store/internal/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "base/format.h"

namespace selvedge::store::internal {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
constexpr int kCreateAttemptsMax = 16;

}  // namespace

Error system_error(int number, std::string_view what) {
  const std::string reason = std::generic_category().message(number);
  switch (number) {
    case EROFS:
    case EACCES:
    case EPERM:
      return Error(ErrorKind::kDenied,
                   fmt::format("{} cannot be changed or read by this process: {}", what, reason));
    case ENOSPC:
    case EDQUOT:
      return Error(ErrorKind::kOverloaded, fmt::format("the disk of {} is full: {}", what, reason));
    case EMFILE:
    case ENFILE:
      return Error(ErrorKind::kOverloaded, fmt::format("{}: {}", what, reason));
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return Error(ErrorKind::kInvalid,
                   fmt::format("{}: a document cannot be the folder of another", what));
    default:
      return Error(ErrorKind::kInternal, fmt::format("{}: {}", what, reason));
  }
}

Result<> write_all(int file, base::ByteSpan bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(system_error(errno, what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::size_t> read_full(int file, base::MutableByteSpan out, std::string_view what) {
  std::size_t total = 0;
  while (total < out.size()) {
    const ssize_t count = ::read(file, out.data() + total, out.size() - total);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(system_error(errno, what));
    }
    if (count == 0) {
      break;
    }
    total += static_cast<std::size_t>(count);
  }
  return total;
}

Result<> sync_file(int file, std::string_view what) {
  if (::fsync(file) != 0) {
    return fail(system_error(errno, what));
  }
  return {};
}

Result<> sync_folder(const std::filesystem::path& folder) {
  const base::UniqueFd file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) {
    return fail(system_error(errno, folder.native()));
  }
  return sync_file(file.get(), folder.native());
}

Result<> make_folders(const std::filesystem::path& folder) {
  std::filesystem::path path;
  for (const std::filesystem::path& part : folder) {
    const std::filesystem::path parent = path.empty() ? std::filesystem::path(".") : path;
    path /= part;
    if (::mkdir(path.c_str(), 0700) == 0) {
      SELVEDGE_TRY_VOID(sync_folder(parent));
      continue;
    }
    // A folder that exists may lie on a disk that refuses to make one.
    const int number = errno;
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      return fail(system_error(number, path.native()));
    }
    if (!S_ISDIR(status.st_mode)) {
      return fail(system_error(ENOTDIR, path.native()));
    }
  }
  return {};
}

Result<std::optional<OpenFile>> open_file(const std::filesystem::path& path) {
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::nullopt;
    }
    return fail(system_error(errno, path.native()));
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return fail(system_error(errno, path.native()));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return OpenFile{.file = std::move(file), .size = static_cast<std::uint64_t>(status.st_size)};
}

Result<> copy_to_sink(const OpenFile& from, BlobSink& sink, std::string_view what) {
  // No larger than the file and not cleared: each page of memory that a thread touches for the
  // first time costs about as much as reading it. One byte more than the file has shows its end.
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(from.size + 1, kPieceBytes));
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(size);
  const base::MutableByteSpan piece(memory.get(), size);
  while (true) {
    SELVEDGE_TRY(const std::size_t count, read_full(from.file.get(), piece, what));
    if (count > 0) {
      SELVEDGE_TRY_VOID(sink.write(piece.first(count)));
    }
    if (count < size) {
      return {};
    }
  }
}

Result<TemporaryFile> TemporaryFile::create(std::string pattern) {
  for (int attempt = 0; attempt < kCreateAttemptsMax; ++attempt) {
    std::string path = pattern;
    base::UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
    if (!file) {
      return fail(system_error(errno, pattern));
    }
    struct stat status{};
    // Between the two calls another process may have taken it for abandoned.
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(file.get(), &status) == 0 &&
        status.st_nlink == 1) {
      return TemporaryFile(std::move(path), std::move(file));
    }
    ::unlink(path.c_str());
  }
  return fail_format(ErrorKind::kInternal, "{}: no temporary file can be kept there", pattern);
}

std::size_t TemporaryFile::remove_abandoned(const std::filesystem::path& folder) {
  std::size_t removed = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), &::closedir);
  while (entries != nullptr) {
    // readdir(3) is safe while each stream has one thread.
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) {
      break;
    }
    const std::filesystem::path path = folder / static_cast<const char*>(entry->d_name);
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      removed += ::unlink(path.c_str()) == 0 ? 1 : 0;
    }
  }
  return removed;
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), file_(std::move(other.file_)) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) {
    ::unlink(path_.c_str());
  }
}

Result<OpenFile> TemporaryFile::open_again() const {
  SELVEDGE_TRY(auto opened, open_file(path_));
  if (!opened) {
    return fail_format(ErrorKind::kInternal, "{} vanished", path_);
  }
  return *std::move(opened);
}

Result<> TemporaryFile::move_to(const std::filesystem::path& target) {
  if (::rename(path_.c_str(), target.c_str()) != 0) {
    return fail(system_error(errno, target.native()));
  }
  path_.clear();
  return {};
}

}  // namespace selvedge::store::internal
