#pragma once

// The side of a file system that implements it. A store only answers for single names in single
// directories; everything about paths (validation, `..`, links, trailing slashes, confinement) is
// done once for all stores by Directory and PathWalker (fs_path.h).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wasix/file_system.h"

namespace selvedge::wasix {

class DirectoryReader {
 public:
  virtual ~DirectoryReader() = default;
  // Directory::read_entries.
  virtual ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) = 0;
};

// How a file is opened once its name is known.
struct NodeOpenOptions {
  bool read = false;
  bool write = false;
  bool create = false;
  bool exclusive = false;
  bool truncate = false;
  Fdflags fdflags = Fdflags::kNone;
};

// A directory of a store. Every `name` given to it is one component: not empty, without `/` and
// NUL, UTF-8, at most kNameBytesMax, and neither `.` nor `..`. No operation follows a symbolic link
// in `name`.
class DirectoryNode {
 public:
  DirectoryNode(const DirectoryNode&) = delete;
  DirectoryNode& operator=(const DirectoryNode&) = delete;
  virtual ~DirectoryNode() = default;

  virtual ErrnoResult<FileStat> stat() = 0;
  virtual ErrnoResult<> set_times(const TimesChange& times) = 0;
  virtual ErrnoResult<std::unique_ptr<DirectoryReader>> reader() = 0;
  virtual bool waits_for_disk() const noexcept { return false; }
  virtual ErrnoResult<> sync() { return {}; }

  // The directory called `name`. kNotdir for a file, kLoop for a symbolic link.
  virtual ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) = 0;
  // The file called `name`, created if asked. kIsdir for a directory, kLoop for a symbolic link,
  // kExist when `exclusive` and anything has the name, kNxio for sockets, kAcces for other special
  // files.
  virtual ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                                       const NodeOpenOptions& options) = 0;
  virtual ErrnoResult<FileStat> stat(std::string_view name) = 0;
  virtual ErrnoResult<> set_times(std::string_view name, const TimesChange& times) = 0;
  // kInval when it is not a symbolic link.
  virtual ErrnoResult<std::string> read_link(std::string_view name) = 0;

  virtual ErrnoResult<> make_directory(std::string_view name) = 0;
  virtual ErrnoResult<> remove_directory(std::string_view name) = 0;
  virtual ErrnoResult<> unlink(std::string_view name) = 0;
  virtual ErrnoResult<> make_symlink(std::string_view name, std::string_view target) = 0;
  // Directory::make_socket.
  virtual ErrnoResult<> make_socket(std::string_view name) = 0;
  // `to` has the same file_system() as this and is a store_node().
  virtual ErrnoResult<> rename(std::string_view name, DirectoryNode& to,
                               std::string_view new_name) = 0;
  virtual ErrnoResult<> link(std::string_view name, DirectoryNode& to,
                             std::string_view new_name) = 0;

  // A decorator's node of the underlying store (what `to` must be in rename and link), else itself.
  virtual DirectoryNode& store_node() noexcept [[clang::lifetimebound]] { return *this; }
  // Whether another file system is mounted on `name`, so that the name cannot be removed or
  // renamed.
  virtual bool is_mount_point(std::string_view /*name*/) const noexcept { return false; }

  // Two nodes may exchange files (rename, link) when these are equal. Only compared.
  virtual const void* file_system() const noexcept = 0;

  // A store that resolves whole paths beneath itself faster than one name at a time does it here,
  // with exactly the same outcome: links followed, kPerm when the path leaves this directory, as it
  // does by a link to an absolute path.
  // `path` is validated, relative, not empty, and names a directory. kNosys: resolve it name by
  // name.
  virtual ErrnoResult<std::shared_ptr<DirectoryNode>> enter_path(const std::string& /*path*/) {
    return refuse(Errno::kNosys);
  }

 protected:
  DirectoryNode() = default;
};

}  // namespace selvedge::wasix
