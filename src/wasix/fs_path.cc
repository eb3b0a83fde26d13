#include "wasix/fs_path.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace selvedge::wasix {
namespace {

// A followed link replaces the last component, so that a path can grow; twice the limit of one
// path is more than any sensible tree needs.
constexpr std::size_t kResolvedPathBytesMax = 2 * kPathBytesMax;
constexpr std::size_t kLinkTargetBytesMax = kPathBytesMax - 1;

ErrnoResult<> validate_text(std::string_view text) noexcept {
  if (text.empty()) {
    return refuse(Errno::kNoent);
  }
  if (text.size() > kPathBytesMax) {
    return refuse(Errno::kNametoolong);
  }
  if (text.find('\0') != std::string_view::npos) {
    return refuse(Errno::kInval);
  }
  return base::is_utf8(text) ? ErrnoResult<>() : refuse(Errno::kIlseq);
}

bool is_absolute(std::string_view path) noexcept { return path.starts_with('/'); }

// The next component of `rest`, which loses it and the slashes around it. Empty at the end.
std::string_view take_component(std::string_view& rest) noexcept {
  const std::size_t begin = rest.find_first_not_of('/');
  if (begin == std::string_view::npos) {
    rest = {};
    return {};
  }
  rest.remove_prefix(begin);
  const std::string_view component = rest.substr(0, rest.find('/'));
  rest.remove_prefix(component.size());
  return component;
}

ErrnoResult<> validate_components(std::string_view path) noexcept {
  for (std::string_view part = take_component(path); !part.empty(); part = take_component(path)) {
    if (part.size() > kNameBytesMax) {
      return refuse(Errno::kNametoolong);
    }
  }
  return {};
}

void push_components(std::vector<std::string>& pending, std::string_view path) {
  std::vector<std::string> components;
  for (std::string_view part = take_component(path); !part.empty(); part = take_component(path)) {
    components.emplace_back(part);
  }
  pending.insert(pending.end(), std::make_move_iterator(components.rbegin()),
                 std::make_move_iterator(components.rend()));
}

}  // namespace

ErrnoResult<> validate_path(std::string_view path) noexcept {
  if (auto valid = validate_text(path); !valid) {
    return valid;
  }
  if (is_absolute(path)) {
    return refuse(Errno::kPerm);
  }
  return validate_components(path);
}

ErrnoResult<> validate_link_target(std::string_view target) noexcept {
  if (target.size() > kLinkTargetBytesMax) {
    return refuse(Errno::kNametoolong);
  }
  return validate_text(target);
}

ErrnoResult<PathEnd> PathWalker::start(std::string_view path) {
  if (auto valid = validate_path(path); !valid) {
    return refuse(valid.error());
  }
  return resolve(std::string(path));
}

ErrnoResult<std::string> PathWalker::read_link(DirectoryNode& parent, std::string_view name) {
  if (++links_followed_ > kSymlinksFollowedMax) {
    return refuse(Errno::kLoop);
  }
  auto target = parent.read_link(name);
  if (!target) {
    // Somebody else replaced the link in the meantime; the guest may simply try again.
    return refuse(target.error() == Errno::kInval ? Errno::kNoent : target.error());
  }
  SELVEDGE_TRY_ERRNO_VOID(validate_link_target(*target));
  if (is_absolute(*target) && root_ == nullptr) {
    return refuse(Errno::kPerm);
  }
  SELVEDGE_TRY_ERRNO_VOID(validate_components(*target));
  return target;
}

ErrnoResult<PathEnd> PathWalker::follow(const PathEnd& end) {
  SELVEDGE_TRY_ERRNO(std::string path, read_link(*end.parent, end.name));
  if (is_absolute(path)) {
    base_ = root_;
    at_root_ = true;
    path.insert(0, 1, '.');
  } else {
    path.insert(0, prefix_);
  }
  if (end.must_be_directory) {
    path += '/';
  }
  if (path.size() > kResolvedPathBytesMax) {
    return refuse(Errno::kNametoolong);
  }
  return resolve(std::move(path));
}

ErrnoResult<PathEnd> PathWalker::resolve(std::string path) {
  PathEnd end;
  end.must_be_directory = path.back() == '/';
  const std::size_t last = path.find_last_not_of('/');
  const std::size_t slash = path.rfind('/', last);
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  end.name = path.substr(begin, last + 1 - begin);
  if (end.name == "." || end.name == "..") {
    end.last = end.name == "." ? PathEnd::Last::kDot : PathEnd::Last::kDotDot;
    prefix_ = std::move(path);
  } else {
    path.resize(begin);
    prefix_ = std::move(path);
  }
  auto parent = enter_directories(prefix_);
  if (!parent) {
    return refuse(parent.error());
  }
  end.parent = std::move(*parent);
  return end;
}

ErrnoResult<std::shared_ptr<DirectoryNode>> PathWalker::enter_directories(const std::string& path) {
  if (path.empty() || path == "." || path == "./") {
    return base_;
  }
  auto found = base_->enter_path(path);
  // What leaves the directory may do so by a link that begins at the root.
  const bool decided = found || (found.error() != Errno::kNosys &&
                                 (found.error() != Errno::kPerm || root_ == nullptr));
  return decided ? std::move(found) : enter_name_by_name(path);
}

ErrnoResult<std::shared_ptr<DirectoryNode>> PathWalker::enter_name_by_name(std::string_view path) {
  // The way from the base to here; `..` goes back on it, so that it cannot be led astray by
  // renames. It begins anew at the root with a link to an absolute path.
  bool at_root = at_root_;
  std::vector<std::shared_ptr<DirectoryNode>> way{base_};
  std::vector<std::string> pending;  // the next component is the last
  push_components(pending, path);
  while (!pending.empty()) {
    const std::string component = std::move(pending.back());
    pending.pop_back();
    if (component == ".") {
      continue;
    }
    if (component == "..") {
      if (way.size() > 1) {
        way.pop_back();
      } else if (!at_root) {
        return refuse(Errno::kPerm);
      }
      continue;
    }
    auto entered = way.back()->enter(component);
    if (entered) {
      way.push_back(std::move(*entered));
      continue;
    }
    if (entered.error() != Errno::kLoop) {
      return entered;
    }
    SELVEDGE_TRY_ERRNO(const std::string target, read_link(*way.back(), component));
    if (is_absolute(target)) {
      way.assign(1, root_);
      at_root = true;
    }
    push_components(pending, target);
  }
  return way.back();
}

}  // namespace selvedge::wasix
