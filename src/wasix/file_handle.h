#pragma once

// Descriptors of files and directories: the bridge from the handle table to the file systems
// (file_system.h).

#include <memory>
#include <string>

#include "wasix/file_system.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

class FileHandle : public Handle {
 public:
  static constexpr Rights kRights = Rights::kFdDatasync | Rights::kFdRead | Rights::kFdSeek |
                                    Rights::kFdFdstatSetFlags | Rights::kFdSync | Rights::kFdTell |
                                    Rights::kFdWrite | Rights::kFdAdvise | Rights::kFdAllocate |
                                    Rights::kFdFilestatGet | Rights::kFdFilestatSetSize |
                                    Rights::kFdFilestatSetTimes | Rights::kPollFdReadwrite;

  // `file` may be shared with handles of other processes: they then share the offset.
  explicit FileHandle(std::shared_ptr<File> file) noexcept;

  Filetype filetype() const noexcept override { return Filetype::kRegularFile; }
  Rights rights_base() const noexcept override { return kRights; }
  Fdflags flags() const noexcept override { return file_->flags(); }
  Errno set_flags(Fdflags flags) override;
  ErrnoResult<FileStat> filestat() override { return file_->stat(); }
  // kAgain: the bytes are not in memory; File::load them on a helper thread (see file_system.h).
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  Readiness read_readiness() override;
  FileHandle* as_file() noexcept override { return this; }

  const std::shared_ptr<File>& file() const noexcept [[clang::lifetimebound]] { return file_; }

 private:
  std::shared_ptr<File> file_;
};

class DirectoryHandle final : public Handle {
 public:
  static constexpr Rights kRights =
      Rights::kFdDatasync | Rights::kFdSync | Rights::kFdFdstatSetFlags |
      Rights::kPathCreateDirectory | Rights::kPathCreateFile | Rights::kPathLinkSource |
      Rights::kPathLinkTarget | Rights::kPathOpen | Rights::kFdReaddir | Rights::kPathReadlink |
      Rights::kPathRenameSource | Rights::kPathRenameTarget | Rights::kPathFilestatGet |
      Rights::kPathFilestatSetSize | Rights::kPathFilestatSetTimes | Rights::kFdFilestatGet |
      Rights::kFdFilestatSetTimes | Rights::kPathSymlink | Rights::kPathRemoveDirectory |
      Rights::kPathUnlinkFile;

  // `path`: what guest_path() gives.
  explicit DirectoryHandle(std::shared_ptr<Directory> directory, std::string path = {}) noexcept;

  Filetype filetype() const noexcept override { return Filetype::kDirectory; }
  Rights rights_base() const noexcept override { return kRights; }
  Rights rights_inheriting() const noexcept override { return Rights::kAll; }
  ErrnoResult<FileStat> filestat() override { return directory_->stat(); }
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  DirectoryHandle* as_directory() noexcept override { return this; }

  const std::shared_ptr<Directory>& directory() const noexcept [[clang::lifetimebound]] {
    return directory_;
  }
  // The absolute path that it was opened by, as absolute_path() makes it. What is there now may be
  // something else. Empty: it is not known, or longer than kPathBytesMax.
  const std::string& guest_path() const noexcept [[clang::lifetimebound]] { return path_; }

 private:
  std::shared_ptr<Directory> directory_;
  std::string path_;
};

}  // namespace selvedge::wasix
