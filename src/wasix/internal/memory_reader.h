#pragma once

// Listing a directory of MemoryFileSystem. Of an overlay, first the entries that are only here,
// then those of the lower directory.

#include <memory>
#include <utility>

#include "wasix/fs_node.h"
#include "wasix/internal/memory_inode.h"

namespace selvedge::wasix::internal {

class MemoryReader final : public DirectoryReader {
 public:
  explicit MemoryReader(std::shared_ptr<MemoryDirectory> directory) noexcept
      : directory_(std::move(directory)) {}

  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override;

 private:
  // false when the sink wants no more.
  bool give_own(std::uint64_t cookie, DirectoryEntrySink& sink);
  ErrnoResult<> give_lower(std::uint64_t cookie, DirectoryEntrySink& sink);

  const std::shared_ptr<MemoryDirectory> directory_;
  std::unique_ptr<DirectoryReader> lower_reader_;
};

}  // namespace selvedge::wasix::internal
