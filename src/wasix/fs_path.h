#pragma once

// Paths of guests: validation, and resolution beneath a directory.
//
// Resolution is by handles, not by text: each step is taken from a directory that is held open, so
// what another process renames meanwhile can change which file is found, never whether it lies
// beneath the base directory; or, behind a link to an absolute path, beneath the root.

#include <memory>
#include <string>
#include <string_view>

#include "wasix/fs_node.h"

namespace selvedge::wasix {

// What every path of a guest must fulfil, see Directory.
ErrnoResult<> validate_path(std::string_view path) noexcept;
// The text of a symbolic link that is about to be made or followed: as validate_path, but it may be
// absolute, and has at most 4095 bytes.
ErrnoResult<> validate_link_target(std::string_view target) noexcept;

// Where a path leads, up to its last component, which has not been looked at.
struct PathEnd {
  enum class Last : unsigned char {
    kName,    // `name` in `parent`
    kDot,     // `parent` itself; the path ends in `.`
    kDotDot,  // likewise, ends in `..`
  };
  std::shared_ptr<DirectoryNode> parent;
  std::string name;
  Last last = Last::kName;
  bool must_be_directory = false;  // it ended in a slash

  bool is_parent_itself() const noexcept { return last != Last::kName; }
};

// Resolves one path; follow() goes on when its last component proves to be a link.
class PathWalker {
 public:
  // `root`: where links to absolute paths begin, and whose parent is itself; null: both are kPerm.
  explicit PathWalker(std::shared_ptr<DirectoryNode> base,
                      std::shared_ptr<DirectoryNode> root = nullptr) noexcept
      : base_(std::move(base)), root_(std::move(root)), at_root_(base_ == root_) {}

  ErrnoResult<PathEnd> start(std::string_view path);
  // `end` is a symbolic link: reads it and resolves what it says. kLoop after kSymlinksFollowedMax.
  ErrnoResult<PathEnd> follow(const PathEnd& end);

 private:
  // The text of the link `name`, which is about to be followed.
  ErrnoResult<std::string> read_link(DirectoryNode& parent, std::string_view name);
  ErrnoResult<PathEnd> resolve(std::string path);
  ErrnoResult<std::shared_ptr<DirectoryNode>> enter_directories(const std::string& path);
  ErrnoResult<std::shared_ptr<DirectoryNode>> enter_name_by_name(std::string_view path);

  std::shared_ptr<DirectoryNode> base_;  // the root, once a link has said so
  const std::shared_ptr<DirectoryNode> root_;
  bool at_root_;        // base_ is the root: `..` stays there
  std::string prefix_;  // of the path being resolved: all before the last component
  int links_followed_ = 0;
};

}  // namespace selvedge::wasix
