#include "wire/internal/webc_names.h"

#include <algorithm>
#include <compare>
#include <ranges>

#include "base/format.h"
#include "base/utf8.h"

namespace selvedge::wire::internal {
namespace {

constexpr std::size_t kPlaceBytesMax = 512;

char fold(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::weak_ordering compare_folded(std::string_view left, std::string_view right) noexcept {
  const std::size_t shared = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < shared; ++i) {
    const auto a = static_cast<unsigned char>(fold(left[i]));
    const auto b = static_cast<unsigned char>(fold(right[i]));
    if (a != b) {
      return a <=> b;
    }
  }
  return left.size() <=> right.size();
}

std::string_view fault_of_name(std::string_view name) noexcept {
  if (name.empty()) {
    return "an entry's name is empty";
  }
  if (name == "." || name == "..") {
    return "an entry is named \".\" or \"..\"";
  }
  if (name.find('/') != std::string_view::npos) {
    return "an entry's name contains '/'";
  }
  if (name.find('\0') != std::string_view::npos) {
    return "an entry's name contains a NUL";
  }
  if (!base::is_utf8(name)) {
    return "an entry's name is not UTF-8";
  }
  return {};
}

std::string_view fault_of_link(std::string_view target, std::size_t depth) noexcept {
  if (target.empty() || target.front() == '/') {
    return "must be relative";
  }
  if (target.find_first_of(std::string_view("\0\\:", 3)) != std::string_view::npos ||
      !base::is_utf8(target)) {
    return "must be UTF-8 without NUL, backslash and colon";
  }
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    target = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    if (part == "..") {
      if (depth == 0) {
        return "must stay inside the volume";
      }
      --depth;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
  }
  return {};
}

}  // namespace

std::string WebcPlace::text() const {
  std::vector<std::string_view> names;
  std::size_t bytes = 0;
  const WebcPlace* place = this;
  for (; place != nullptr && bytes < kPlaceBytesMax; place = place->parent) {
    names.push_back(place->name);
    bytes += place->name.size() + 1;
  }
  std::string out(place == nullptr ? "" : "…");
  for (const std::string_view part : names | std::views::reverse) {
    if (!out.empty() && !out.ends_with('/')) {
      out += '/';
    }
    out += part;
  }
  return out;
}

Result<> check_entry_name(std::string_view name, const WebcPlace& directory,
                          const WebcLimits& limits) {
  if (name.size() > limits.name_bytes_max) {
    return fail_format(ErrorKind::kInvalid, "{}: an entry's name is longer than {} bytes",
                       directory.text(), limits.name_bytes_max);
  }
  if (const auto fault = fault_of_name(name); !fault.empty()) {
    return fail_format(ErrorKind::kInvalid, "{}: {}", directory.text(), fault);
  }
  return {};
}

Result<> check_volume_name(std::string_view name, const WebcLimits& limits) {
  if (name.empty() || name.size() > limits.volume_name_bytes_max ||
      name.find('\0') != std::string_view::npos || !base::is_utf8(name)) {
    return fail_format(ErrorKind::kInvalid,
                       "a volume's name must be UTF-8 of 1 to {} bytes without NUL",
                       limits.volume_name_bytes_max);
  }
  return {};
}

Result<> check_distinct(std::vector<std::string_view> names, std::string_view what) {
  std::ranges::sort(names, [](std::string_view left, std::string_view right) {
    return compare_folded(left, right) < 0;
  });
  const auto same =
      std::ranges::adjacent_find(names, [](std::string_view left, std::string_view right) {
        return compare_folded(left, right) == 0;
      });
  if (same == names.end()) {
    return {};
  }
  if (same[0] == same[1]) {
    return fail_format(ErrorKind::kInvalid, "two {} are named \"{}\"", what, same[0]);
  }
  const auto [first, second] = std::minmax(same[0], same[1]);
  return fail_format(ErrorKind::kInvalid, "the {} \"{}\" and \"{}\" differ only in case", what,
                     first, second);
}

Result<> check_link(std::string_view target, std::size_t depth, const WebcPlace& link,
                    const WebcLimits& limits) {
  if (target.size() > limits.link_bytes_max) {
    return fail_format(ErrorKind::kInvalid, "{}: a symbolic link is longer than {} bytes",
                       link.text(), limits.link_bytes_max);
  }
  if (const auto fault = fault_of_link(target, depth); !fault.empty()) {
    return fail_format(ErrorKind::kInvalid, "{}: a symbolic link {}", link.text(), fault);
  }
  return {};
}

}  // namespace selvedge::wire::internal
