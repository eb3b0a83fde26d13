#pragma once

// The inodes of MemoryFileSystem. In an overlay a directory also has the directory that it covers
// in the lower file system; a name there gets an inode here when it is first entered, opened,
// linked or renamed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "wasix/fs_node.h"
#include "wasix/internal/memory_content.h"

namespace selvedge::wasix::internal {

class MemoryInode;

// Lets names be looked up without making a string of them.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept {
    return std::hash<std::string_view>{}(name);
  }
};

// What all inodes of one file system share.
struct MemoryVolume {
  MemoryVolume(const base::Clock& times, std::uint64_t bytes_max,
               std::uint64_t entries_max) noexcept
      : clock{times}, quota(bytes_max, entries_max) {}

  const base::Clock& clock;
  MemoryQuota quota;
  std::uint64_t file_bytes_max = 0;
  std::uint64_t device = 0;
  std::uint64_t next_ino = 2;
  bool frozen = false;

  Timestamp now() const noexcept;
  // The same file of the lower file system always gets the same number.
  static std::uint64_t ino_of_lower(const FileStat& lower) noexcept;
  FileStat stat_of_lower(const FileStat& lower) const noexcept;
};

class MemoryInode {
 public:
  // A new one, with the current time.
  MemoryInode(std::shared_ptr<MemoryVolume> volume, Filetype filetype) noexcept;
  // The same as in the lower file system.
  MemoryInode(std::shared_ptr<MemoryVolume> volume, const FileStat& lower) noexcept;
  MemoryInode(const MemoryInode&) = delete;
  MemoryInode& operator=(const MemoryInode&) = delete;
  virtual ~MemoryInode() = default;

  FileStat stat() const noexcept;
  void set_times(const TimesChange& times) noexcept;
  Filetype filetype() const noexcept { return attributes_.filetype; }
  std::uint64_t ino() const noexcept { return attributes_.ino; }
  MemoryVolume& volume() const noexcept { return *volume_; }
  const std::shared_ptr<MemoryVolume>& shared_volume() const noexcept { return volume_; }

  void changed() noexcept;   // its attributes
  void modified() noexcept;  // its content
  void accessed() noexcept;  // relatime: only noted when older than the modification
  void add_links(std::int64_t count) noexcept;

 protected:
  virtual std::uint64_t size() const noexcept = 0;

 private:
  std::shared_ptr<MemoryVolume> volume_;
  FileStat attributes_;  // without the size
};

class MemoryLink final : public MemoryInode {
 public:
  MemoryLink(std::shared_ptr<MemoryVolume> volume, std::string target) noexcept
      : MemoryInode(std::move(volume), Filetype::kSymbolicLink), target_(std::move(target)) {}
  MemoryLink(std::shared_ptr<MemoryVolume> volume, const FileStat& lower,
             std::string target) noexcept
      : MemoryInode(std::move(volume), lower), target_(std::move(target)) {}
  const std::string& target() const noexcept [[clang::lifetimebound]] { return target_; }

 private:
  std::uint64_t size() const noexcept override { return target_.size(); }
  const std::string target_;
};

// The name of a unix socket.
class MemorySocket final : public MemoryInode {
 public:
  explicit MemorySocket(std::shared_ptr<MemoryVolume> volume) noexcept
      : MemoryInode(std::move(volume), Filetype::kSocketStream) {}

 private:
  std::uint64_t size() const noexcept override { return 0; }
};

class MemoryRegular final : public MemoryInode {
 public:
  explicit MemoryRegular(std::shared_ptr<MemoryVolume> volume);
  // Covers `name` in `directory`, which was found to be a regular file.
  MemoryRegular(std::shared_ptr<MemoryVolume> volume, const FileStat& lower,
                std::shared_ptr<DirectoryNode> directory, std::string name);

  MemoryContent& content() noexcept [[clang::lifetimebound]] { return content_; }
  // The lower file, shared by all openings of this one so that it costs one host descriptor; null
  // when there is none.
  ErrnoResult<std::shared_ptr<File>> open_lower();

 private:
  std::uint64_t size() const noexcept override { return content_.size(); }
  MemoryContent content_;
  std::shared_ptr<DirectoryNode> lower_directory_;
  std::string lower_name_;
  std::weak_ptr<File> lower_;
};

// Lower files with several names, by the number of their inode here: all names must lead to one
// inode, which has to stay while any of the names has not been looked at. Held by directories, not
// by the volume, since inodes hold that.
using LinkedLowerFiles = std::unordered_map<std::uint64_t, std::shared_ptr<MemoryInode>>;

class MemoryDirectory final : public MemoryInode,
                              public std::enable_shared_from_this<MemoryDirectory> {
 public:
  struct Entry {
    std::string name;
    std::shared_ptr<MemoryInode> inode;
    bool covers_lower = false;  // the lower file of this name, not something that replaced it
  };
  using Entries = std::map<std::uint64_t, Entry>;  // by cookie

  // A new one, to be added to `parent`; or a root, without one.
  MemoryDirectory(std::shared_ptr<MemoryVolume> volume, const MemoryDirectory* parent);
  // Covers `lower`.
  MemoryDirectory(std::shared_ptr<MemoryVolume> volume, const MemoryDirectory* parent,
                  const FileStat& lower_stat, std::shared_ptr<DirectoryNode> lower);
  ~MemoryDirectory() override;

  // kNoent when there is nothing of the name. The first does not make an inode.
  ErrnoResult<FileStat> stat_name(std::string_view name);
  ErrnoResult<std::shared_ptr<MemoryInode>> find(std::string_view name);
  bool contains(std::string_view name) { return stat_name(name).has_value(); }
  // Has no inode here, and find() is kAcces.
  bool is_lower_device(std::string_view name) const;
  bool is_empty();

  // kNoent in a removed directory, kNospc at the quota. The name must be free.
  ErrnoResult<> add(std::string_view name, std::shared_ptr<MemoryInode> inode);
  // The name must exist. The inode loses a link.
  ErrnoResult<> remove(std::string_view name);
  // `name` must exist; `new_name` in `to`, if it exists, is replaced. Rules are checked by the
  // caller.
  ErrnoResult<> move(std::string_view name, MemoryDirectory& to, std::string_view new_name);

  bool is_removed() const noexcept { return removed_; }
  std::shared_ptr<MemoryDirectory> parent() const noexcept { return parent_.lock(); }
  bool is_in_or_below(const MemoryDirectory& other);

  const Entries& entries() const noexcept [[clang::lifetimebound]] { return entries_; }
  // Null outside overlays, and for directories made here.
  DirectoryNode* lower() const noexcept [[clang::lifetimebound]] { return lower_.get(); }
  // Whether an entry of the lower directory is still to be listed, with its own attributes or those
  // of the inode that covers it.
  std::optional<DirectoryEntry> show_lower(const DirectoryEntry& lower) const;

 private:
  const Entry* entry(std::string_view name) const;
  ErrnoResult<std::shared_ptr<MemoryInode>> cover_lower(std::string_view name);
  void insert(std::string_view name, std::shared_ptr<MemoryInode> inode, bool covers_lower);
  std::shared_ptr<MemoryInode> take(std::string_view name);
  void detach(const std::shared_ptr<MemoryInode>& inode) noexcept;
  std::uint64_t size() const noexcept override { return 4096; }

  std::shared_ptr<LinkedLowerFiles> linked_lower_files_;
  std::weak_ptr<MemoryDirectory> parent_;
  bool removed_ = false;
  std::uint64_t next_cookie_ = 3;  // 1 and 2 are `.` and `..`
  Entries entries_;
  std::unordered_map<std::string, std::uint64_t, NameHash, std::equal_to<>> cookies_;  // by name
  std::shared_ptr<DirectoryNode> lower_;
  std::uint64_t lower_dev_ = 0;
  // Names of the lower directory that are gone.
  std::unordered_set<std::string, NameHash, std::equal_to<>> hidden_;
};

}  // namespace selvedge::wasix::internal
