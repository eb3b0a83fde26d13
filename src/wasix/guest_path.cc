#include "wasix/guest_path.h"

#include <algorithm>

namespace selvedge::wasix {

namespace {

void append_components(std::string& result, std::string_view path) {
  while (!path.empty()) {
    const std::size_t size = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, size);
    path.remove_prefix(std::min(size + 1, path.size()));
    if (component == "..") {
      result.resize(std::min(result.rfind('/'), result.size()));
    } else if (!component.empty() && component != ".") {
      result += '/';
      result += component;
    }
  }
}

}  // namespace

std::string absolute_path(std::string_view base, std::string_view path) {
  std::string result;
  if (!path.starts_with('/')) {
    append_components(result, base);
  }
  append_components(result, path);
  return result.empty() ? "/" : result;
}

std::optional<std::string_view> path_beneath(std::string_view ancestor,
                                             std::string_view path) noexcept {
  if (ancestor == "/") {
    return path.substr(1);
  }
  if (!path.starts_with(ancestor)) {
    return std::nullopt;
  }
  path.remove_prefix(ancestor.size());
  if (path.empty()) {
    return path;
  }
  return path.front() == '/' ? std::optional(path.substr(1)) : std::nullopt;
}

}  // namespace selvedge::wasix
