#include "node/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/errno_error.h"
#include "base/format.h"
#include "node/node.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;

Result<> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(base::errno_error(errno, path.string()));
  }
  if (std::error_code error; !fs::is_directory(path, error)) {
    return fail_format(ErrorKind::kInvalid, "{}: not a folder", path.string());
  }
  return {};
}

bool is_same_file(int fd, const fs::path& path) {
  struct stat open{};
  struct stat named{};
  return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

}  // namespace

fs::path admin_socket_of(const fs::path& data_folder) { return data_folder / "admin.sock"; }

fs::path DataFolder::admin_socket() const { return admin_socket_of(path_); }

Result<DataFolder> DataFolder::open(const fs::path& path, base::UniqueFd passed) {
  SELVEDGE_TRY_VOID(make_folder(path));
  const fs::path lock_path = path / "lock";
  if (passed && is_same_file(passed.get(), lock_path)) {
    return DataFolder(path, std::move(passed));
  }
  base::UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) {
    return fail(base::errno_error(errno, lock_path.string()));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail_format(
        ErrorKind::kOverloaded,
        "{} is used by another node; stop that one, or give this one a folder of its "
        "own with --data",
        path.string());
  }
  DataFolder folder(path, std::move(lock));
  for (const fs::path& part : {folder.artifacts(), folder.uploads()}) {
    SELVEDGE_TRY_VOID(make_folder(part));
  }
  std::error_code error;
  for (const auto& left : fs::directory_iterator(folder.uploads(), error)) {
    fs::remove(left.path(), error);
  }
  return folder;
}

}  // namespace selvedge::node
