#pragma once

// A store whose directories never change: what the machine itself has for guests (fs_devices.h,
// fs_commands.h). Made once, shared by any number of processes.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "wasix/fs_node.h"
#include "wasix/internal/read_only_node.h"

namespace selvedge::wasix::internal {

class FixedDirectory;

// A file of the tree. Immutable, unless it says otherwise.
class FixedFile {
 public:
  FixedFile() = default;
  FixedFile(const FixedFile&) = delete;
  FixedFile& operator=(const FixedFile&) = delete;
  virtual ~FixedFile() = default;
  virtual Filetype filetype() const noexcept = 0;
  // `own`: number, type and times.
  virtual ErrnoResult<FileStat> stat(const FileStat& own) const = 0;
  // Neither exclusive creation nor a directory.
  virtual ErrnoResult<std::shared_ptr<File>> open(const FileStat& own,
                                                  const NodeOpenOptions& options) const = 0;
};

// One of the two is set.
struct FixedEntry {
  std::shared_ptr<FixedDirectory> directory;
  std::shared_ptr<const FixedFile> file;
  FileStat stat = {};
};

class FixedDirectory final : public internal::ReadOnlyNode,
                             public std::enable_shared_from_this<FixedDirectory> {
 public:
  using Entries = std::map<std::string, FixedEntry, std::less<>>;

  FixedDirectory(const FileStat& stat, Entries entries) noexcept
      : stat_(stat), entries_(std::move(entries)) {}

  ErrnoResult<FileStat> stat() override { return stat_; }
  ErrnoResult<FileStat> stat(std::string_view name) override {
    SELVEDGE_TRY_ERRNO(const FixedEntry* const entry, find(name));
    return entry->directory != nullptr ? entry->directory->stat() : entry->file->stat(entry->stat);
  }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override;

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    SELVEDGE_TRY_ERRNO(const FixedEntry* const entry, find(name));
    if (entry->directory == nullptr) {
      return refuse(Errno::kNotdir);
    }
    return entry->directory;
  }

  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override {
    const auto entry = find(name);
    if (!entry) {
      return refuse(options.create ? Errno::kRofs : entry.error());
    }
    if (options.create && options.exclusive) {
      return refuse(Errno::kExist);
    }
    if ((*entry)->directory != nullptr) {
      return refuse(Errno::kIsdir);
    }
    return (*entry)->file->open((*entry)->stat, options);
  }

  ErrnoResult<std::string> read_link(std::string_view name) override {
    SELVEDGE_TRY_ERRNO_VOID(find(name));
    return refuse(Errno::kInval);
  }

  const void* file_system() const noexcept override { return this; }
  const Entries& entries() const noexcept { return entries_; }
  std::uint64_t ino() const noexcept { return stat_.ino; }

 private:
  ErrnoResult<const FixedEntry*> find(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      return refuse(Errno::kNoent);
    }
    return &found->second;
  }

  const FileStat stat_;
  const Entries entries_;
};

// Makes the files of one tree, and numbers them.
class FixedTreeBuilder {
 public:
  // `device`: FileStat::dev, to be unique among the file systems that one guest sees.
  FixedTreeBuilder(const base::Clock& clock, std::uint64_t device) noexcept
      : device_(device),
        now_(static_cast<Timestamp>(clock.wall_now().time_since_epoch().count())) {}

  // `names`: how many it will have.
  FixedEntry file(std::shared_ptr<const FixedFile> file, std::uint64_t names = 1) {
    FileStat stat = next(file->filetype());
    stat.nlink = names;
    return {.directory = nullptr, .file = std::move(file), .stat = stat};
  }
  FixedEntry directory(FixedDirectory::Entries entries) {
    return {.directory = directory_node(std::move(entries)), .file = nullptr};
  }
  std::shared_ptr<FileSystem> root(FixedDirectory::Entries entries);

 private:
  std::shared_ptr<FixedDirectory> directory_node(FixedDirectory::Entries entries) {
    FileStat stat = next(Filetype::kDirectory);
    stat.nlink = 2;
    for (const auto& [name, entry] : entries) {
      stat.nlink += entry.directory != nullptr ? 1 : 0;
    }
    return std::make_shared<FixedDirectory>(stat, std::move(entries));
  }
  FileStat next(Filetype filetype) noexcept {
    return {.dev = device_,
            .ino = next_ino_++,
            .filetype = filetype,
            .atim = now_,
            .mtim = now_,
            .ctim = now_};
  }

  const std::uint64_t device_;
  const Timestamp now_;
  std::uint64_t next_ino_ = 1;
};

}  // namespace selvedge::wasix::internal
