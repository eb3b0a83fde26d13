#pragma once

// One tree made of several file systems, each at its guest path, also one inside another.
// Directories on the way to a mount that no mounted file system has (the root, when only `/app` is
// mounted) are made up: they hold only what leads to mounts and cannot be written.
//
// A mount point cannot be removed or renamed (kBusy), and nothing can be moved or linked from one
// file system to another (kXdev).

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

// Bounds a hostile manifest.
inline constexpr std::size_t kMountsMax = 256;

struct Mount {
  std::string path;  // absolute; `.`, `..`, empty components and a slash at the end are not allowed
  std::shared_ptr<FileSystem> file_system;
};

struct MountTableOptions {
  const base::Clock& clock;  // for the times of made-up directories
  std::vector<Mount> mounts = {};
  // FileStat::dev of made-up directories.
  std::uint64_t device = std::uint64_t{2} << 32;
};

class MountTable final : public FileSystem {
  struct Key {};

 public:
  // kInvalid for a malformed path, two mounts on one path, or more than kMountsMax.
  static Result<std::shared_ptr<MountTable>> create(MountTableOptions options);
  MountTable(Key, std::vector<std::string> paths, std::shared_ptr<DirectoryNode> root) noexcept;
  ~MountTable() override;

  std::shared_ptr<DirectoryNode> root() override { return root_; }
  // Where file systems are mounted, sorted.
  const std::vector<std::string>& paths() const noexcept [[clang::lifetimebound]] { return paths_; }
  // The directory at an absolute guest path, for example a preopened one. Links are followed.
  ErrnoResult<std::shared_ptr<Directory>> open_directory(std::string_view absolute_path);

 private:
  const std::vector<std::string> paths_;
  const std::shared_ptr<DirectoryNode> root_;
};

}  // namespace selvedge::wasix
