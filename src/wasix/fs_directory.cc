#include <utility>

#include "wasix/file_system.h"
#include "wasix/fs_node.h"
#include "wasix/fs_path.h"
#include "wasix/internal/directory_cookies.h"

namespace selvedge::wasix {
namespace {

// kSuccess when a new entry may be given the name at `end`, which was written with a trailing slash
// although it will not be a directory: Linux refuses that for every reason that applies.
Errno refuse_trailing_slash(const PathEnd& end) {
  auto found = end.parent->stat(end.name);
  if (!found) {
    return found.error();
  }
  return found->filetype == Filetype::kDirectory ? Errno::kExist : Errno::kNotdir;
}

ErrnoResult<> require_directory(const PathEnd& end) {
  auto found = end.parent->stat(end.name);
  if (!found) {
    return refuse(found.error());
  }
  if (found->filetype != Filetype::kDirectory) {
    return refuse(Errno::kNotdir);
  }
  return {};
}

// The path with links in the last place followed as asked, and what is there.
struct Found {
  PathEnd end;
  FileStat stat;
};

ErrnoResult<Found> find(PathWalker walker, std::string_view path, Follow follow) {
  auto end = walker.start(path);
  while (end) {
    auto stat = end->is_parent_itself() ? end->parent->stat() : end->parent->stat(end->name);
    if (!stat) {
      return refuse(stat.error());
    }
    if (stat->filetype == Filetype::kSymbolicLink &&
        (follow == Follow::kYes || end->must_be_directory)) {
      end = walker.follow(*end);
      continue;
    }
    if (end->must_be_directory && stat->filetype != Filetype::kDirectory) {
      return refuse(Errno::kNotdir);
    }
    return Found{std::move(*end), *stat};
  }
  return refuse(end.error());
}

bool wants_directory_changed(const OpenOptions& options) noexcept {
  return options.write || has_any(options.oflags, Oflags::kCreat | Oflags::kTrunc);
}

ErrnoResult<Opened> open_directory(std::shared_ptr<DirectoryNode> node,
                                   const std::shared_ptr<DirectoryNode>& root,
                                   const OpenOptions& options) {
  if (has_all(options.oflags, Oflags::kCreat | Oflags::kExcl)) {
    return refuse(Errno::kExist);
  }
  if (wants_directory_changed(options)) {
    return refuse(Errno::kIsdir);
  }
  return Opened(std::make_shared<Directory>(std::move(node), options.confined ? nullptr : root));
}

// One attempt at the last component. kLoop: it is a link.
ErrnoResult<Opened> open_at(const PathEnd& end, const std::shared_ptr<DirectoryNode>& root,
                            const OpenOptions& options) {
  if (end.is_parent_itself()) {
    return open_directory(end.parent, root, options);
  }
  if (end.must_be_directory && has_any(options.oflags, Oflags::kCreat)) {
    return refuse(Errno::kIsdir);
  }
  if (!end.must_be_directory && !has_any(options.oflags, Oflags::kDirectory)) {
    auto file = end.parent->open_file(
        end.name, NodeOpenOptions{.read = options.read,
                                  .write = options.write,
                                  .create = has_any(options.oflags, Oflags::kCreat),
                                  .exclusive = has_any(options.oflags, Oflags::kExcl),
                                  .truncate = has_any(options.oflags, Oflags::kTrunc),
                                  .fdflags = options.fdflags});
    if (file) {
      return Opened(std::move(*file));
    }
    if (file.error() != Errno::kIsdir || wants_directory_changed(options)) {
      return refuse(file.error());
    }
  }
  auto node = end.parent->enter(end.name);
  if (!node) {
    return refuse(node.error());
  }
  return open_directory(std::move(*node), root, options);
}

struct NarrowingSink final : DirectoryEntrySink {
  NarrowingSink(internal::DirectoryCookies& all, DirectoryEntrySink& guest) noexcept
      : cookies(all), target(guest) {}
  bool add(const DirectoryEntry& entry) override {
    const auto next = cookies.to_guest(entry.next_cookie);
    overflowed = !next;
    if (overflowed) {
      return false;
    }
    DirectoryEntry narrow = entry;
    narrow.next_cookie = *next;
    return target.add(narrow);
  }
  internal::DirectoryCookies& cookies;
  DirectoryEntrySink& target;
  bool overflowed = false;
};

}  // namespace

Directory::Directory(std::shared_ptr<DirectoryNode> node,
                     std::shared_ptr<DirectoryNode> root) noexcept
    : node_(std::move(node)), root_(std::move(root)) {}
Directory::~Directory() = default;

std::shared_ptr<Directory> FileSystem::open_root() { return std::make_shared<Directory>(root()); }

std::shared_ptr<Directory> Directory::reopen_as_root() const {
  return std::make_shared<Directory>(node_, node_);
}

ErrnoResult<Opened> Directory::open(std::string_view path, const OpenOptions& options) {
  if (has_all(options.oflags, Oflags::kCreat | Oflags::kDirectory)) {
    return refuse(Errno::kInval);
  }
  PathWalker walker(node_, root_);
  auto end = walker.start(path);
  while (end) {
    auto opened = open_at(*end, root_, options);
    if (opened || opened.error() != Errno::kLoop) {
      return opened;
    }
    if (options.follow == Follow::kNo && !end->must_be_directory) {
      const bool directory = has_any(options.oflags, Oflags::kDirectory);
      return refuse(directory ? Errno::kNotdir : Errno::kLoop);
    }
    end = walker.follow(*end);
  }
  return refuse(end.error());
}

ErrnoResult<FileStat> Directory::stat() { return node_->stat(); }

ErrnoResult<FileStat> Directory::stat(std::string_view path, Follow follow) {
  auto found = find(PathWalker(node_, root_), path, follow);
  if (!found) {
    return refuse(found.error());
  }
  return found->stat;
}

ErrnoResult<> Directory::set_times(const TimesChange& times) { return node_->set_times(times); }

ErrnoResult<> Directory::set_times(std::string_view path, Follow follow, const TimesChange& times) {
  auto found = find(PathWalker(node_, root_), path, follow);
  if (!found) {
    return refuse(found.error());
  }
  const PathEnd& end = found->end;
  return end.is_parent_itself() ? end.parent->set_times(times)
                                : end.parent->set_times(end.name, times);
}

ErrnoResult<> Directory::make_directory(std::string_view path) {
  auto end = PathWalker(node_, root_).start(path);
  if (!end) {
    return refuse(end.error());
  }
  if (end->is_parent_itself()) {
    return refuse(Errno::kExist);
  }
  return end->parent->make_directory(end->name);
}

ErrnoResult<> Directory::remove_directory(std::string_view path) {
  auto end = PathWalker(node_, root_).start(path);
  if (!end) {
    return refuse(end.error());
  }
  if (end->is_parent_itself()) {
    return refuse(end->last == PathEnd::Last::kDot ? Errno::kInval : Errno::kNotempty);
  }
  if (end->parent->is_mount_point(end->name)) {
    return refuse(Errno::kBusy);
  }
  return end->parent->remove_directory(end->name);
}

ErrnoResult<> Directory::unlink(std::string_view path) {
  auto end = PathWalker(node_, root_).start(path);
  if (!end) {
    return refuse(end.error());
  }
  if (end->is_parent_itself()) {
    return refuse(Errno::kIsdir);
  }
  if (end->must_be_directory) {
    auto found = require_directory(*end);
    return refuse(found ? Errno::kIsdir : found.error());
  }
  return end->parent->unlink(end->name);
}

ErrnoResult<> Directory::symlink(std::string_view target, std::string_view path) {
  if (auto valid = validate_link_target(target); !valid) {
    return valid;
  }
  auto end = PathWalker(node_, root_).start(path);
  if (!end) {
    return refuse(end.error());
  }
  if (end->is_parent_itself()) {
    return refuse(Errno::kExist);
  }
  if (end->must_be_directory) {
    return refuse(refuse_trailing_slash(*end));
  }
  return end->parent->make_symlink(end->name, target);
}

ErrnoResult<std::string> Directory::read_link(std::string_view path) {
  // A trailing slash follows the link, and what it leads to is then not one.
  auto found = find(PathWalker(node_, root_), path, Follow::kNo);
  if (!found) {
    return refuse(found.error());
  }
  if (found->stat.filetype != Filetype::kSymbolicLink) {
    return refuse(Errno::kInval);
  }
  return found->end.parent->read_link(found->end.name);
}

ErrnoResult<FileStat> Directory::make_socket(std::string_view path) {
  auto end = PathWalker(node_, root_).start(path);
  if (!end) {
    return refuse(end.error());
  }
  if (end->is_parent_itself()) {
    return refuse(Errno::kExist);
  }
  if (end->must_be_directory) {
    return refuse(refuse_trailing_slash(*end));
  }
  SELVEDGE_TRY_ERRNO_VOID(end->parent->make_socket(end->name));
  return end->parent->stat(end->name);
}

ErrnoResult<> Directory::rename(std::string_view path, Directory& to, std::string_view new_path) {
  auto from_end = PathWalker(node_, root_).start(path);
  if (!from_end) {
    return refuse(from_end.error());
  }
  auto to_end = PathWalker(to.node_, to.root_).start(new_path);
  if (!to_end) {
    return refuse(to_end.error());
  }
  if (from_end->parent->file_system() != to_end->parent->file_system()) {
    return refuse(Errno::kXdev);
  }
  if (from_end->is_parent_itself() || to_end->is_parent_itself() ||
      from_end->parent->is_mount_point(from_end->name) ||
      to_end->parent->is_mount_point(to_end->name)) {
    return refuse(Errno::kBusy);
  }
  if (from_end->must_be_directory || to_end->must_be_directory) {
    if (auto directory = require_directory(*from_end); !directory) {
      return directory;
    }
  }
  return from_end->parent->rename(from_end->name, to_end->parent->store_node(), to_end->name);
}

ErrnoResult<> Directory::link(std::string_view path, Directory& to, std::string_view new_path) {
  auto from = find(PathWalker(node_, root_), path, Follow::kNo);
  if (!from) {
    return refuse(from.error());
  }
  auto to_end = PathWalker(to.node_, to.root_).start(new_path);
  if (!to_end) {
    return refuse(to_end.error());
  }
  if (to_end->is_parent_itself()) {
    return refuse(Errno::kExist);
  }
  if (to_end->must_be_directory) {
    return refuse(refuse_trailing_slash(*to_end));
  }
  if (from->end.parent->file_system() != to_end->parent->file_system()) {
    return refuse(Errno::kXdev);
  }
  if (from->stat.filetype == Filetype::kDirectory) {
    // Linux reports an existing new name before the directory.
    return refuse(to_end->parent->stat(to_end->name) ? Errno::kExist : Errno::kPerm);
  }
  if (to_end->parent->is_mount_point(to_end->name)) {
    return refuse(Errno::kExist);
  }
  return from->end.parent->link(from->end.name, to_end->parent->store_node(), to_end->name);
}

ErrnoResult<> Directory::read_entries(std::uint64_t cookie, DirectoryEntrySink& sink) {
  if (reader_ == nullptr) {
    auto reader = node_->reader();
    if (!reader) {
      return refuse(reader.error());
    }
    reader_ = std::move(*reader);
    cookies_ = std::make_unique<internal::DirectoryCookies>();
  }
  SELVEDGE_TRY_ERRNO(const std::uint64_t position, cookies_->to_store(cookie));
  NarrowingSink narrowing(*cookies_, sink);
  SELVEDGE_TRY_ERRNO_VOID(reader_->read(position, narrowing));
  return narrowing.overflowed ? refuse(Errno::kOverflow) : ErrnoResult<>();
}

bool Directory::waits_for_disk() const noexcept { return node_->waits_for_disk(); }
ErrnoResult<> Directory::sync() { return node_->sync(); }

}  // namespace selvedge::wasix
