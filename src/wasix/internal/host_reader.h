#pragma once

// Listing a directory of the host.

#include <dirent.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/unique_fd.h"
#include "wasix/fs_node.h"

namespace selvedge::wasix::internal {

// Cookies are the kernel's own directory offsets, so they stay valid across changes.
class HostReader final : public DirectoryReader {
 public:
  // `parent_ino_at_root`: what `..` is shown as in the mounted directory itself, above which there
  // is nothing that the guest may know of; 0 in others.
  HostReader(base::UniqueFd fd, std::uint64_t parent_ino_at_root) noexcept
      : fd_(std::move(fd)), parent_ino_at_root_(parent_ino_at_root) {}

  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override;

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{32} << 10;

  // false at the end of the directory.
  ErrnoResult<bool> fill();
  bool give(const dirent64& entry, DirectoryEntrySink& sink);

  base::UniqueFd fd_;
  const std::uint64_t parent_ino_at_root_;
  std::uint64_t cookie_ = 0;  // of the entry at begin_
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  alignas(dirent64) std::array<char, kBufferBytes> buffer_;
};

}  // namespace selvedge::wasix::internal
