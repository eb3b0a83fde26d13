#pragma once

// Files in memory, under quotas; and, over a lower file system, the writable layer of a guest whose
// packages are read-only: what it changes is kept here, the rest is read from below.
//
// As an overlay, a name that was never touched costs nothing; a directory entered or a file opened
// gets an inode here; a file written gets only the written blocks (kMemoryBlockBytes) here, so that
// opening a large database for writing copies nothing. The lower file system must not change
// meanwhile, may be shared by any number of overlays, and is never written.

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

inline constexpr std::size_t kMemoryBlockBytes = std::size_t{64} << 10;

struct MemoryFileSystemOptions {
  // For the times of files. Outlives the file system.
  const base::Clock& clock;
  // Contents, by what is allocated for them; the end is kNospc.
  std::uint64_t bytes_max = std::uint64_t{256} << 20;
  // Names, whatever they name; the end is kNospc. Names of the lower file system do not count.
  std::uint64_t entries_max = std::uint64_t{1} << 17;
  // Of one file, holes included; beyond is kFbig.
  std::uint64_t file_bytes_max = std::uint64_t{1} << 40;
  // FileStat::dev. To be unique among the file systems that one guest sees.
  std::uint64_t device = std::uint64_t{1} << 32;
  // What lies below, or null. Not itself an overlay.
  std::shared_ptr<FileSystem> lower = nullptr;
};

class MemoryFileSystem final : public FileSystem {
  class Impl;

 public:
  // kIo and the like when the lower root cannot be read; never fails without one.
  static ErrnoResult<std::shared_ptr<MemoryFileSystem>> create(MemoryFileSystemOptions options);
  explicit MemoryFileSystem(std::unique_ptr<Impl> impl) noexcept;  // for create
  ~MemoryFileSystem() override;

  std::shared_ptr<DirectoryNode> root() override;

  std::uint64_t bytes_used() const noexcept;
  std::uint64_t entries_used() const noexcept;

  // From now on every change is kRofs, and any number of threads may use it. Not for overlays; call
  // it while nothing is open for writing.
  void freeze() noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace selvedge::wasix
