#pragma once

// Every kind of file system behind one name, for tests that must hold for all of them.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "wasix/file_system.h"

namespace selvedge::wasix::testing {

// A directory of the host that is removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const noexcept [[clang::lifetimebound]] { return path_; }

 private:
  std::filesystem::path path_;
};

enum class Kind : unsigned char {
  kHost,        // with openat2
  kHostByName,  // without
  kMemory,
  kOverlay,        // over an empty host directory
  kOverlayMemory,  // over an empty frozen MemoryFileSystem
  kMounted,        // MemoryFileSystem in a MountTable
  kMerged,         // MemoryFileSystem with devices that it does not list
  kMergedHost,     // a host directory with them
};
inline constexpr Kind kKinds[] = {Kind::kHost,    Kind::kHostByName,    Kind::kMemory,
                                  Kind::kOverlay, Kind::kOverlayMemory, Kind::kMounted,
                                  Kind::kMerged,  Kind::kMergedHost};
std::string to_string(Kind kind);

// An empty writable file system of the kind, and its root.
class FileSystemUnderTest {
 public:
  explicit FileSystemUnderTest(Kind kind);

  Directory& root() noexcept [[clang::lifetimebound]] { return *root_; }
  FileSystem& file_system() noexcept [[clang::lifetimebound]] { return *file_system_; }

 private:
  base::SystemClock clock_;
  TemporaryDirectory directory_;
  std::shared_ptr<FileSystem> file_system_;
  std::shared_ptr<Directory> root_;
};

// Shorthands. Those that return a bare value abort the test program when the operation fails.
ErrnoResult<std::shared_ptr<File>> open_file(Directory& directory, std::string_view path,
                                             OpenOptions options);
ErrnoResult<std::shared_ptr<Directory>> open_directory(Directory& directory, std::string_view path);
ErrnoResult<std::size_t> write_text(File& file, std::string_view text);
ErrnoResult<std::string> read_text(File& file, std::size_t count);
ErrnoResult<> put(Directory& directory, std::string_view path, std::string_view text);
ErrnoResult<std::string> get(Directory& directory, std::string_view path);
// Without `.` and `..`, sorted; directories with a slash behind, links with an `@`.
std::vector<std::string> list(Directory& directory);
std::vector<std::string> list(Directory& directory, std::string_view path);

// kSuccess or the error.
template <class T>
Errno errno_of(const ErrnoResult<T>& result) {
  return result ? Errno::kSuccess : result.error();
}

class EntryCollector final : public DirectoryEntrySink {
 public:
  struct Seen {
    std::string name;
    std::uint64_t ino;
    Filetype filetype;
    std::uint64_t next_cookie;
  };
  explicit EntryCollector(std::size_t max = SIZE_MAX) : max_(max) {}
  bool add(const DirectoryEntry& entry) override;
  std::vector<Seen> seen;

 private:
  std::size_t max_;
};

}  // namespace selvedge::wasix::testing
