#pragma once

// A directory of the host, mounted into a guest (`--dir HOST::GUEST`).
//
// Confinement: names are opened relative to directory handles and never through a link
// (O_NOFOLLOW); whole paths are resolved by openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS) where
// the kernel has it. Neither can leave the mounted directory, whatever other processes rename or
// link meanwhile. Links are kept as text; absolute ones never reach the kernel's own resolution.
// Mount points of the host below it are part of it. Devices, fifos and sockets can
// be seen but not opened.

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

struct HostDirectoryOptions {
  std::string path;  // an existing directory; links in it are followed, this once
  bool read_only = false;
  // Resolve name by name even where the kernel has openat2. For tests.
  bool avoid_openat2 = false;
};

class HostDirectory final : public FileSystem {
  struct Key {};

 public:
  // kNotFound, kDenied or kInvalid with the path and the reason. Blocks on the disk.
  static Result<std::shared_ptr<HostDirectory>> create(const HostDirectoryOptions& options);

  HostDirectory(Key, std::shared_ptr<DirectoryNode> root) noexcept : root_(std::move(root)) {}

  // On any thread. Its nodes are safe on any thread; files and readers are used by one at a time.
  std::shared_ptr<DirectoryNode> root() override { return root_; }

 private:
  const std::shared_ptr<DirectoryNode> root_;
};

}  // namespace selvedge::wasix
