#include "wasix/fs_mounts.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "wasix/fs_node.h"
#include "wasix/fs_path.h"
#include "wasix/internal/copied_listing.h"

namespace selvedge::wasix {
namespace {

// A directory on the way to mounts.
struct MountPoint {
  std::map<std::string, std::shared_ptr<const MountPoint>, std::less<>> children;
  std::shared_ptr<FileSystem> file_system;  // null: nothing is mounted here
  FileStat made_up;                         // of the directory, should there be no real one
};

class MountReader final : public DirectoryReader {
 public:
  MountReader(std::shared_ptr<const MountPoint> point, std::unique_ptr<DirectoryReader> inner,
              FileStat self) noexcept
      : point_(std::move(point)), inner_(std::move(inner)), self_(self) {}

  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override {
    if (cookie == 0) {
      entries_.clear();
      SELVEDGE_TRY_ERRNO_VOID(collect());
    }
    entries_.give(cookie, sink);
    return {};
  }

 private:
  ErrnoResult<> collect() {
    if (inner_ == nullptr) {
      for (const std::string_view name : {".", ".."}) {
        entries_.add(name, self_.ino, Filetype::kDirectory);
      }
    } else {
      struct Copy final : DirectoryEntrySink {
        explicit Copy(MountReader& target) : reader(target) {}
        bool add(const DirectoryEntry& entry) override {
          if (!reader.point_->children.contains(entry.name)) {
            reader.entries_.add(entry.name, entry.ino, entry.filetype);
          }
          return !reader.entries_.full();
        }
        MountReader& reader;
      };
      Copy copy(*this);
      SELVEDGE_TRY_ERRNO_VOID(inner_->read(0, copy));
      if (entries_.full()) {
        return refuse(Errno::kOverflow);
      }
    }
    for (const auto& [name, child] : point_->children) {
      std::uint64_t ino = child->made_up.ino;
      if (child->file_system != nullptr) {
        if (const auto stat = child->file_system->root()->stat()) {
          ino = stat->ino;
        }
      }
      entries_.add(name, ino, Filetype::kDirectory);
    }
    return {};
  }

  const std::shared_ptr<const MountPoint> point_;
  const std::unique_ptr<DirectoryReader> inner_;  // null in a made-up directory
  const FileStat self_;
  internal::CopiedListing entries_;
};

// A directory that leads to mounts; `inner` is what the file system it lies in has there, or null.
class MountNode final : public DirectoryNode {
 public:
  MountNode(std::shared_ptr<const MountPoint> point, std::shared_ptr<DirectoryNode> inner) noexcept
      : point_(std::move(point)), inner_(std::move(inner)) {}

  static std::shared_ptr<DirectoryNode> make(const std::shared_ptr<const MountPoint>& point,
                                             std::shared_ptr<DirectoryNode> inner) {
    if (point->children.empty() && inner != nullptr) {
      return inner;  // no mounts below: none of our business
    }
    return std::make_shared<MountNode>(point, std::move(inner));
  }

  ErrnoResult<FileStat> stat() override { return inner_ ? inner_->stat() : point_->made_up; }
  ErrnoResult<> set_times(const TimesChange& times) override {
    return inner_ ? inner_->set_times(times) : refuse(Errno::kRofs);
  }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    std::unique_ptr<DirectoryReader> inner;
    if (inner_ != nullptr) {
      SELVEDGE_TRY_ERRNO(inner, inner_->reader());
    }
    return std::make_unique<MountReader>(point_, std::move(inner), point_->made_up);
  }
  bool waits_for_disk() const noexcept override { return inner_ && inner_->waits_for_disk(); }
  ErrnoResult<> sync() override { return inner_ ? inner_->sync() : ErrnoResult<>(); }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    const auto child = point_->children.find(name);
    if (child == point_->children.end()) {
      return inner_ ? inner_->enter(name) : refuse(Errno::kNoent);
    }
    return enter_child(child->second, name);
  }

  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override {
    if (point_->children.contains(name)) {
      return refuse(options.create && options.exclusive ? Errno::kExist : Errno::kIsdir);
    }
    if (inner_ == nullptr) {
      return refuse(options.create ? Errno::kRofs : Errno::kNoent);
    }
    return inner_->open_file(name, options);
  }

  ErrnoResult<FileStat> stat(std::string_view name) override {
    const auto child = point_->children.find(name);
    if (child != point_->children.end()) {
      SELVEDGE_TRY_ERRNO(auto node, enter_child(child->second, name));
      return node->stat();
    }
    return inner_ ? inner_->stat(name) : refuse(Errno::kNoent);
  }

  ErrnoResult<> set_times(std::string_view name, const TimesChange& times) override {
    const auto child = point_->children.find(name);
    if (child != point_->children.end()) {
      SELVEDGE_TRY_ERRNO(auto node, enter_child(child->second, name));
      return node->set_times(times);
    }
    return inner_ ? inner_->set_times(name, times) : refuse(Errno::kNoent);
  }

  ErrnoResult<std::string> read_link(std::string_view name) override {
    if (point_->children.contains(name)) {
      return refuse(Errno::kInval);
    }
    return inner_ ? inner_->read_link(name) : refuse(Errno::kNoent);
  }

  ErrnoResult<> make_directory(std::string_view name) override {
    SELVEDGE_TRY_ERRNO_VOID(may_create(name));
    return inner_->make_directory(name);
  }
  ErrnoResult<> make_symlink(std::string_view name, std::string_view target) override {
    SELVEDGE_TRY_ERRNO_VOID(may_create(name));
    return inner_->make_symlink(name, target);
  }
  ErrnoResult<> make_socket(std::string_view name) override {
    SELVEDGE_TRY_ERRNO_VOID(may_create(name));
    return inner_->make_socket(name);
  }
  ErrnoResult<> remove_directory(std::string_view name) override {
    return inner_ ? inner_->remove_directory(name) : refuse(Errno::kNoent);
  }
  ErrnoResult<> unlink(std::string_view name) override {
    if (point_->children.contains(name)) {
      return refuse(Errno::kIsdir);
    }
    return inner_ ? inner_->unlink(name) : refuse(Errno::kNoent);
  }
  ErrnoResult<> rename(std::string_view name, DirectoryNode& to,
                       std::string_view new_name) override {
    return inner_ ? inner_->rename(name, to, new_name) : refuse(Errno::kRofs);
  }
  ErrnoResult<> link(std::string_view name, DirectoryNode& to, std::string_view new_name) override {
    return inner_ ? inner_->link(name, to, new_name) : refuse(Errno::kRofs);
  }

  DirectoryNode& store_node() noexcept override { return inner_ ? inner_->store_node() : *this; }
  bool is_mount_point(std::string_view name) const noexcept override {
    return point_->children.contains(name);
  }
  const void* file_system() const noexcept override {
    return inner_ ? inner_->file_system() : point_.get();
  }

 private:
  ErrnoResult<std::shared_ptr<DirectoryNode>> enter_child(
      const std::shared_ptr<const MountPoint>& child, std::string_view name) {
    if (child->file_system != nullptr) {
      return make(child, child->file_system->root());
    }
    if (inner_ != nullptr) {
      if (auto inner = inner_->enter(name)) {
        return make(child, std::move(*inner));
      }
    }
    return make(child, nullptr);  // made up, also in place of something that is not a directory
  }

  ErrnoResult<> may_create(std::string_view name) {
    if (point_->children.contains(name)) {
      return refuse(Errno::kExist);
    }
    return inner_ ? ErrnoResult<>() : refuse(Errno::kRofs);
  }

  const std::shared_ptr<const MountPoint> point_;
  const std::shared_ptr<DirectoryNode> inner_;
};

// A mount path without its first slash; empty for the root.
Result<std::string_view> relative_mount_path(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return fail_format(ErrorKind::kInvalid, "the mount path '{}' is not absolute", path);
  }
  const std::string_view relative = path.substr(1);
  if (relative.empty()) {
    return relative;
  }
  std::string_view rest = relative;
  for (bool more = true; more;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return fail_format(ErrorKind::kInvalid,
                         "the mount path '{}' has an empty, '.' or '..' component", path);
    }
    more = slash != std::string_view::npos;
    rest.remove_prefix(more ? slash + 1 : rest.size());
  }
  if (!validate_path(relative)) {
    return fail_format(ErrorKind::kInvalid,
                       "the mount path '{}' is too long or not well-formed UTF-8", path);
  }
  return relative;
}

}  // namespace

MountTable::MountTable(Key /*key*/, std::vector<std::string> paths,
                       std::shared_ptr<DirectoryNode> root) noexcept
    : paths_(std::move(paths)), root_(std::move(root)) {}
MountTable::~MountTable() = default;

Result<std::shared_ptr<MountTable>> MountTable::create(MountTableOptions options) {
  if (options.mounts.size() > kMountsMax) {
    return fail_format(ErrorKind::kInvalid, "{} mounts are more than the limit of {}",
                       options.mounts.size(), kMountsMax);
  }
  const auto now = static_cast<Timestamp>(options.clock.wall_now().time_since_epoch().count());
  std::uint64_t next_ino = 1;
  const auto make_point = [&options, &next_ino, now] {
    auto point = std::make_shared<MountPoint>();
    point->made_up = {.dev = options.device,
                      .ino = next_ino++,
                      .filetype = Filetype::kDirectory,
                      .nlink = 2,
                      .size = 0,
                      .atim = now,
                      .mtim = now,
                      .ctim = now};
    return point;
  };
  const auto root = make_point();
  std::map<std::string, std::shared_ptr<MountPoint>> points;  // by path, without the first slash
  std::vector<std::string> paths;
  for (Mount& mount : options.mounts) {
    SELVEDGE_TRY(const std::string_view relative, relative_mount_path(mount.path));
    auto point = root;
    for (std::size_t end = 0; end < relative.size();) {
      const std::size_t begin = end == 0 ? 0 : end + 1;
      end = std::min(relative.find('/', begin), relative.size());
      auto& next = points[std::string(relative.substr(0, end))];
      if (next == nullptr) {
        next = make_point();
        point->children.emplace(relative.substr(begin, end - begin), next);
        ++point->made_up.nlink;
      }
      point = next;
    }
    if (point->file_system != nullptr) {
      return fail_format(ErrorKind::kInvalid, "two file systems are mounted on '{}'", mount.path);
    }
    point->file_system = std::move(mount.file_system);
    paths.push_back(std::move(mount.path));
  }
  std::ranges::sort(paths);
  auto inner = root->file_system ? root->file_system->root() : nullptr;
  return std::make_shared<MountTable>(Key(), std::move(paths),
                                      MountNode::make(root, std::move(inner)));
}

ErrnoResult<std::shared_ptr<Directory>> MountTable::open_directory(std::string_view absolute_path) {
  if (absolute_path.empty()) {
    return refuse(Errno::kNoent);
  }
  if (absolute_path.front() != '/') {
    return refuse(Errno::kInval);
  }
  const std::size_t begin = absolute_path.find_first_not_of('/');
  if (begin == std::string_view::npos) {
    return open_root();
  }
  SELVEDGE_TRY_ERRNO(auto opened,
                     Directory(root_).open(absolute_path.substr(begin),
                                           {.follow = Follow::kYes, .oflags = Oflags::kDirectory}));
  return std::get<std::shared_ptr<Directory>>(std::move(opened));
}

}  // namespace selvedge::wasix
