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
  if (!base::is_utf8(text)) {
    return refuse(Errno::kIlseq);
  }
  if (text.front() == '/') {
    return refuse(Errno::kPerm);
  }
  return {};
}

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
  std::string_view rest = path;
  for (std::string_view part = take_component(rest); !part.empty(); part = take_component(rest)) {
    if (part.size() > kNameBytesMax) {
      return refuse(Errno::kNametoolong);
    }
  }
  return {};
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

ErrnoResult<PathEnd> PathWalker::follow(const PathEnd& end) {
  if (++links_followed_ > kSymlinksFollowedMax) {
    return refuse(Errno::kLoop);
  }
  auto target = end.parent->read_link(end.name);
  if (!target) {
    // Somebody else replaced the link in the meantime; the guest may simply try again.
    return refuse(target.error() == Errno::kInval ? Errno::kNoent : target.error());
  }
  if (auto valid = validate_link_target(*target); !valid) {
    return refuse(valid.error());
  }
  if (auto valid = validate_path(*target); !valid) {
    return refuse(valid.error());
  }
  std::string path = prefix_ + *target;
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
  if (found || found.error() != Errno::kNosys) {
    return found;
  }
  return enter_name_by_name(path);
}

ErrnoResult<std::shared_ptr<DirectoryNode>> PathWalker::enter_name_by_name(std::string_view path) {
  // The way from the base to here; `..` goes back on it, so that it cannot be led astray by
  // renames.
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
      if (way.size() == 1) {
        return refuse(Errno::kPerm);
      }
      way.pop_back();
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
    if (++links_followed_ > kSymlinksFollowedMax) {
      return refuse(Errno::kLoop);
    }
    auto target = way.back()->read_link(component);
    if (!target) {
      return refuse(target.error() == Errno::kInval ? Errno::kNoent : target.error());
    }
    if (auto valid = validate_link_target(*target); !valid) {
      return refuse(valid.error());
    }
    if (auto valid = validate_path(*target); !valid) {
      return refuse(valid.error());
    }
    push_components(pending, *target);
  }
  return way.back();
}

}  // namespace selvedge::wasix
