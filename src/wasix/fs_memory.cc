#include "wasix/fs_memory.h"

#include <utility>

#include "base/assert.h"
#include "wasix/fs_node.h"
#include "wasix/internal/memory_inode.h"
#include "wasix/internal/memory_reader.h"

namespace selvedge::wasix {
namespace {

using internal::MemoryDirectory;
using internal::MemoryInode;
using internal::MemoryLink;
using internal::MemoryRegular;
using internal::MemoryVolume;

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryRegular> inode, std::shared_ptr<File> lower,
             const NodeOpenOptions& options) noexcept
      : File({.read = options.read, .write = options.write, .flags = options.fdflags}),
        inode_(std::move(inode)),
        lower_(std::move(lower)) {}

  std::string_view command() const noexcept override {
    if (lower_ == nullptr || lower_->command().empty()) {
      return {};
    }
    const ErrnoResult<FileStat> lower = lower_->stat();
    return lower && inode_->content().shows_only_lower(lower->size) ? lower_->command()
                                                                    : std::string_view();
  }

  ErrnoResult<FileStat> stat() override { return inode_->stat(); }
  ErrnoResult<> set_times(const TimesChange& times) override {
    if (inode_->volume().frozen) {
      return refuse(Errno::kRofs);
    }
    inode_->set_times(times);
    return {};
  }
  bool waits_for_disk() const noexcept override {
    return lower_ != nullptr && lower_->waits_for_disk();
  }
  void load(std::uint64_t offset, std::size_t length) noexcept override {
    if (lower_ != nullptr) {
      lower_->load(offset, length);
    }
  }

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait wait) override {
    inode_->accessed();
    return inode_->content().read(buffers, offset, lower_.get(), wait);
  }

  ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan> buffers,
                                    std::uint64_t offset) override {
    std::uint64_t bytes = 0;
    for (const base::ByteSpan& buffer : buffers) {
      bytes += buffer.size();
    }
    if (offset + bytes > inode_->volume().file_bytes_max) {
      return refuse(Errno::kFbig);
    }
    auto count = inode_->content().write(buffers, offset, lower_.get());
    if (count) {
      inode_->modified();
    }
    return count;
  }

  ErrnoResult<Appended> do_append(std::span<const base::ByteSpan> buffers) override {
    const std::uint64_t offset = inode_->content().size();
    auto count = do_write(buffers, offset);
    if (!count) {
      return refuse(count.error());
    }
    return Appended{.written = *count, .end = offset + *count};
  }

  ErrnoResult<> do_set_size(std::uint64_t size) override {
    if (size > inode_->volume().file_bytes_max) {
      return refuse(Errno::kFbig);
    }
    inode_->content().set_size(size);
    inode_->modified();
    return {};
  }

  ErrnoResult<> do_allocate(std::uint64_t offset, std::uint64_t length) override {
    if (offset + length > inode_->volume().file_bytes_max) {
      return refuse(Errno::kFbig);
    }
    auto allocated = inode_->content().allocate(offset, length);
    if (allocated) {
      inode_->modified();
    }
    return allocated;
  }

 private:
  const std::shared_ptr<MemoryRegular> inode_;
  const std::shared_ptr<File> lower_;
};

class MemoryNode final : public DirectoryNode {
 public:
  explicit MemoryNode(std::shared_ptr<MemoryDirectory> directory) noexcept
      : directory_(std::move(directory)) {}

  ErrnoResult<FileStat> stat() override { return directory_->stat(); }
  ErrnoResult<> set_times(const TimesChange& times) override {
    if (volume().frozen) {
      return refuse(Errno::kRofs);
    }
    directory_->set_times(times);
    return {};
  }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    return std::make_unique<internal::MemoryReader>(directory_);
  }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    auto inode = directory_->find(name);
    if (!inode) {
      return refuse(inode.error() == Errno::kAcces ? Errno::kNotdir : inode.error());
    }
    switch ((*inode)->filetype()) {
      case Filetype::kDirectory:
        return std::make_shared<MemoryNode>(std::static_pointer_cast<MemoryDirectory>(*inode));
      case Filetype::kSymbolicLink:
        return refuse(Errno::kLoop);
      default:
        return refuse(Errno::kNotdir);
    }
  }

  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override;

  ErrnoResult<FileStat> stat(std::string_view name) override { return directory_->stat_name(name); }

  ErrnoResult<> set_times(std::string_view name, const TimesChange& times) override {
    if (volume().frozen) {
      return refuse(Errno::kRofs);
    }
    auto inode = directory_->find(name);
    if (!inode) {
      return refuse(inode.error());
    }
    (*inode)->set_times(times);
    return {};
  }

  ErrnoResult<std::string> read_link(std::string_view name) override {
    auto inode = directory_->find(name);
    if (!inode) {
      return refuse(inode.error() == Errno::kAcces ? Errno::kInval : inode.error());
    }
    if ((*inode)->filetype() != Filetype::kSymbolicLink) {
      return refuse(Errno::kInval);
    }
    return static_cast<MemoryLink&>(**inode).target();
  }

  ErrnoResult<> make_directory(std::string_view name) override {
    if (auto free = may_create(name); !free) {
      return free;
    }
    return directory_->add(name,
                           std::make_shared<MemoryDirectory>(shared_volume(), directory_.get()));
  }

  ErrnoResult<> remove_directory(std::string_view name) override {
    if (volume().frozen) {
      return refuse(Errno::kRofs);
    }
    auto stat = directory_->stat_name(name);
    if (!stat) {
      return refuse(stat.error());
    }
    if (stat->filetype != Filetype::kDirectory) {
      return refuse(Errno::kNotdir);
    }
    auto inode = directory_->find(name);
    if (!inode) {
      return refuse(inode.error());
    }
    if (!static_cast<MemoryDirectory&>(**inode).is_empty()) {
      return refuse(Errno::kNotempty);
    }
    return directory_->remove(name);
  }

  ErrnoResult<> unlink(std::string_view name) override {
    if (volume().frozen) {
      return refuse(Errno::kRofs);
    }
    auto stat = directory_->stat_name(name);
    if (!stat) {
      return refuse(stat.error());
    }
    if (stat->filetype == Filetype::kDirectory) {
      return refuse(Errno::kIsdir);
    }
    return directory_->remove(name);
  }

  ErrnoResult<> make_symlink(std::string_view name, std::string_view target) override {
    if (auto free = may_create(name); !free) {
      return free;
    }
    return directory_->add(name,
                           std::make_shared<MemoryLink>(shared_volume(), std::string(target)));
  }

  ErrnoResult<> make_socket(std::string_view name) override {
    if (auto free = may_create(name); !free) {
      return free;
    }
    return directory_->add(name, std::make_shared<internal::MemorySocket>(shared_volume()));
  }

  ErrnoResult<> rename(std::string_view name, DirectoryNode& to,
                       std::string_view new_name) override;

  ErrnoResult<> link(std::string_view name, DirectoryNode& to, std::string_view new_name) override {
    auto& target = static_cast<MemoryNode&>(to);
    if (auto free = target.may_create(new_name); !free) {
      return free;
    }
    auto inode = directory_->find(name);
    if (!inode) {
      return refuse(inode.error());
    }
    if ((*inode)->filetype() == Filetype::kDirectory) {
      return refuse(Errno::kPerm);
    }
    return target.directory_->add(new_name, std::move(*inode));
  }

  const void* file_system() const noexcept override { return &volume(); }

 private:
  MemoryVolume& volume() const noexcept { return directory_->volume(); }
  const std::shared_ptr<MemoryVolume>& shared_volume() const noexcept {
    return directory_->shared_volume();
  }
  ErrnoResult<> may_create(std::string_view name) {
    if (directory_->contains(name)) {
      return refuse(Errno::kExist);
    }
    if (volume().frozen) {
      return refuse(Errno::kRofs);
    }
    return {};
  }

  const std::shared_ptr<MemoryDirectory> directory_;
};

Errno cannot_be_opened(Filetype filetype) noexcept {
  switch (filetype) {
    case Filetype::kDirectory:
      return Errno::kIsdir;
    case Filetype::kSymbolicLink:
      return Errno::kLoop;
    default:
      return Errno::kNxio;
  }
}

ErrnoResult<std::shared_ptr<File>> MemoryNode::open_file(std::string_view name,
                                                         const NodeOpenOptions& options) {
  auto found = directory_->find(name);
  if (!found && found.error() == Errno::kAcces && directory_->is_lower_device(name)) {
    return directory_->lower()->open_file(name, options);
  }
  if (!found && (found.error() != Errno::kNoent || !options.create)) {
    return refuse(found.error());
  }
  if (volume().frozen && (!found || options.write || options.truncate)) {
    return refuse(Errno::kRofs);
  }
  std::shared_ptr<MemoryRegular> inode;
  if (!found) {
    inode = std::make_shared<MemoryRegular>(shared_volume());
    if (auto added = directory_->add(name, inode); !added) {
      return refuse(added.error());
    }
  } else if (options.create && options.exclusive) {
    return refuse(Errno::kExist);
  } else if ((*found)->filetype() != Filetype::kRegularFile) {
    return refuse(cannot_be_opened((*found)->filetype()));
  } else {
    inode = std::static_pointer_cast<MemoryRegular>(*found);
    if (options.truncate) {
      inode->content().set_size(0);
      inode->modified();
    }
  }
  std::shared_ptr<File> lower;
  if (inode->content().needs_lower() && (options.read || options.write)) {
    auto opened = inode->open_lower();
    if (!opened) {
      return opened;
    }
    lower = std::move(*opened);
  }
  return std::make_shared<MemoryFile>(std::move(inode), std::move(lower), options);
}

// The checks of rename(2), in Linux's order.
ErrnoResult<> MemoryNode::rename(std::string_view name, DirectoryNode& to,
                                 std::string_view new_name) {
  if (volume().frozen) {
    return refuse(Errno::kRofs);
  }
  MemoryDirectory& target = *static_cast<MemoryNode&>(to).directory_;
  auto source = directory_->find(name);
  if (!source) {
    return refuse(source.error());
  }
  const bool moves_directory = (*source)->filetype() == Filetype::kDirectory;
  if (moves_directory && target.is_in_or_below(static_cast<const MemoryDirectory&>(**source))) {
    return refuse(Errno::kInval);
  }
  if (target.contains(new_name)) {
    auto replaced = target.find(new_name);
    if (!replaced) {
      return refuse(replaced.error());
    }
    if (*replaced == *source) {
      return {};
    }
    const bool replaces_directory = (*replaced)->filetype() == Filetype::kDirectory;
    if (replaces_directory &&
        directory_->is_in_or_below(static_cast<const MemoryDirectory&>(**replaced))) {
      return refuse(Errno::kNotempty);
    }
    if (moves_directory != replaces_directory) {
      return refuse(moves_directory ? Errno::kNotdir : Errno::kIsdir);
    }
    if (replaces_directory && !static_cast<MemoryDirectory&>(**replaced).is_empty()) {
      return refuse(Errno::kNotempty);
    }
  }
  return directory_->move(name, target, new_name);
}

}  // namespace

class MemoryFileSystem::Impl {
 public:
  std::shared_ptr<MemoryVolume> volume;
  std::shared_ptr<MemoryDirectory> root;
  std::shared_ptr<FileSystem> lower;
};

MemoryFileSystem::MemoryFileSystem(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

ErrnoResult<std::shared_ptr<MemoryFileSystem>> MemoryFileSystem::create(
    MemoryFileSystemOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->volume =
      std::make_shared<MemoryVolume>(options.clock, options.bytes_max, options.entries_max);
  impl->volume->file_bytes_max = options.file_bytes_max;
  impl->volume->device = options.device;
  if (options.lower == nullptr) {
    impl->root = std::make_shared<MemoryDirectory>(impl->volume, nullptr);
  } else {
    auto lower = options.lower->root();
    auto stat = lower->stat();
    if (!stat) {
      return refuse(stat.error());
    }
    impl->root = std::make_shared<MemoryDirectory>(impl->volume, nullptr, *stat, std::move(lower));
    impl->lower = std::move(options.lower);
  }
  return std::make_shared<MemoryFileSystem>(std::move(impl));
}

std::shared_ptr<DirectoryNode> MemoryFileSystem::root() {
  return std::make_shared<MemoryNode>(impl_->root);
}

std::uint64_t MemoryFileSystem::bytes_used() const noexcept { return impl_->volume->quota.bytes(); }
std::uint64_t MemoryFileSystem::entries_used() const noexcept {
  return impl_->volume->quota.entries();
}

void MemoryFileSystem::freeze() noexcept {
  SELVEDGE_ASSERT(impl_->lower == nullptr);
  impl_->volume->frozen = true;
}

}  // namespace selvedge::wasix
