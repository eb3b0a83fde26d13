#include "wasix/fs_merged.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "wasix/fs_node.h"
#include "wasix/internal/copied_listing.h"

namespace selvedge::wasix {
namespace {

bool is_absent(const ErrnoResult<FileStat>& found) noexcept {
  return !found && found.error() == Errno::kNoent;
}

class MergedReader final : public DirectoryReader {
 public:
  MergedReader(std::shared_ptr<DirectoryNode> files, std::shared_ptr<DirectoryNode> added,
               std::unique_ptr<DirectoryReader> files_reader,
               std::unique_ptr<DirectoryReader> added_reader) noexcept
      : files_(std::move(files)),
        added_(std::move(added)),
        files_reader_(std::move(files_reader)),
        added_reader_(std::move(added_reader)) {}

  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override {
    if (cookie == 0) {
      entries_.clear();
      SELVEDGE_TRY_ERRNO_VOID(collect());
    }
    entries_.give(cookie, sink);
    return {};
  }

 private:
  // Those of `other` are left out.
  class Copy final : public DirectoryEntrySink {
   public:
    Copy(internal::CopiedListing& entries, DirectoryNode* other) noexcept
        : entries_(entries), other_(other) {}
    bool add(const DirectoryEntry& entry) override {
      const bool dots = entry.name == "." || entry.name == "..";
      if (other_ == nullptr || (!dots && !other_->stat(entry.name))) {
        entries_.add(entry.name, entry.ino, entry.filetype);
      }
      return !entries_.full();
    }

   private:
    internal::CopiedListing& entries_;
    DirectoryNode* const other_;
  };

  ErrnoResult<> collect() {
    Copy files(entries_, nullptr);
    SELVEDGE_TRY_ERRNO_VOID(files_reader_->read(0, files));
    Copy added(entries_, files_.get());
    SELVEDGE_TRY_ERRNO_VOID(added_reader_->read(0, added));
    return entries_.full() ? refuse(Errno::kOverflow) : ErrnoResult<>();
  }

  const std::shared_ptr<DirectoryNode> files_;
  const std::shared_ptr<DirectoryNode> added_;
  const std::unique_ptr<DirectoryReader> files_reader_;
  const std::unique_ptr<DirectoryReader> added_reader_;
  internal::CopiedListing entries_;
};

// A directory that both have.
class MergedNode final : public DirectoryNode {
 public:
  MergedNode(std::shared_ptr<DirectoryNode> files, std::shared_ptr<DirectoryNode> added,
             MergeRules rules) noexcept
      : files_(std::move(files)), added_(std::move(added)), rules_(rules) {}

  ErrnoResult<FileStat> stat() override { return files_->stat(); }
  ErrnoResult<> set_times(const TimesChange& times) override { return files_->set_times(times); }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    SELVEDGE_TRY_ERRNO(auto files, files_->reader());
    if (!rules_.lists_added) {
      return files;
    }
    SELVEDGE_TRY_ERRNO(auto added, added_->reader());
    return std::make_unique<MergedReader>(files_, added_, std::move(files), std::move(added));
  }
  bool waits_for_disk() const noexcept override { return files_->waits_for_disk(); }
  ErrnoResult<> sync() override { return files_->sync(); }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    if (is_added(name)) {
      return added_->enter(name);
    }
    SELVEDGE_TRY_ERRNO(auto files, files_->enter(name));
    auto added = added_->enter(name);
    if (!added) {
      return files;
    }
    return std::make_shared<MergedNode>(std::move(files), std::move(*added), rules_);
  }
  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override {
    return who_has(name).open_file(name, options);
  }
  ErrnoResult<FileStat> stat(std::string_view name) override { return who_has(name).stat(name); }
  ErrnoResult<> set_times(std::string_view name, const TimesChange& times) override {
    return who_has(name).set_times(name, times);
  }
  ErrnoResult<std::string> read_link(std::string_view name) override {
    return who_has(name).read_link(name);
  }
  ErrnoResult<> make_directory(std::string_view name) override {
    return who_has(name).make_directory(name);
  }
  ErrnoResult<> remove_directory(std::string_view name) override {
    return who_has(name).remove_directory(name);
  }
  ErrnoResult<> unlink(std::string_view name) override { return who_has(name).unlink(name); }
  ErrnoResult<> make_symlink(std::string_view name, std::string_view target) override {
    return who_has(name).make_symlink(name, target);
  }
  ErrnoResult<> make_socket(std::string_view name) override {
    return who_has(name).make_socket(name);
  }
  // Added names at either end are mount points: nobody gets here with one.
  ErrnoResult<> rename(std::string_view name, DirectoryNode& to,
                       std::string_view new_name) override {
    return files_->rename(name, to, new_name);
  }
  ErrnoResult<> link(std::string_view name, DirectoryNode& to, std::string_view new_name) override {
    return is_added(name) ? ErrnoResult<>(refuse(Errno::kXdev)) : files_->link(name, to, new_name);
  }

  DirectoryNode& store_node() noexcept override { return files_->store_node(); }
  bool is_mount_point(std::string_view name) const noexcept override {
    return is_added(name) || files_->is_mount_point(name);
  }
  const void* file_system() const noexcept override { return files_->file_system(); }

  // Paths without an added name are the files' own. A symbolic link that leads to one is found name
  // by name.
  ErrnoResult<std::shared_ptr<DirectoryNode>> enter_path(const std::string& path) override {
    std::string_view rest = path;
    while (!rest.empty()) {
      const std::string_view name = rest.substr(0, rest.find('/'));
      if (!name.empty() && name != "." && name != ".." && added_->stat(name)) {
        return refuse(Errno::kNosys);
      }
      rest.remove_prefix(name.size() == rest.size() ? rest.size() : name.size() + 1);
    }
    auto found = files_->enter_path(path);
    return found || found.error() != Errno::kNoent ? std::move(found) : refuse(Errno::kNosys);
  }

 private:
  // The added tree's entry is what the name shows.
  bool is_added(std::string_view name) const noexcept {
    const auto added = added_->stat(name);
    return added && ((rules_.added_wins && added->filetype != Filetype::kDirectory) ||
                     is_absent(files_->stat(name)));
  }
  DirectoryNode& who_has(std::string_view name) const noexcept {
    return is_added(name) ? *added_ : *files_;
  }

  const std::shared_ptr<DirectoryNode> files_;
  const std::shared_ptr<DirectoryNode> added_;
  const MergeRules rules_;
};

class MergedFileSystem final : public FileSystem {
 public:
  MergedFileSystem(std::shared_ptr<FileSystem> files, std::shared_ptr<DirectoryNode> added,
                   MergeRules rules)
      : files_(std::move(files)),
        root_(std::make_shared<MergedNode>(files_->root(), std::move(added), rules)) {}

  std::shared_ptr<DirectoryNode> root() override { return root_; }

 private:
  const std::shared_ptr<FileSystem> files_;
  const std::shared_ptr<DirectoryNode> root_;
};

}  // namespace

std::shared_ptr<FileSystem> merge_file_systems(std::shared_ptr<FileSystem> files,
                                               std::string_view place, FileSystem& added,
                                               MergeRules rules) {
  std::shared_ptr<DirectoryNode> node = added.root();
  if (place != "/") {
    const auto opened =
        added.open_root()->open(place.substr(1), {.oflags = Oflags::kDirectory, .read = true});
    if (!opened) {
      return files;
    }
    node = std::get<std::shared_ptr<Directory>>(*opened)->node();
  }
  return std::make_shared<MergedFileSystem>(std::move(files), std::move(node), rules);
}

}  // namespace selvedge::wasix
