#include <algorithm>

#include "base/format.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_names.h"
#include "wire/internal/webc_tree.h"

namespace selvedge::wire::internal {
namespace {

class TreeWriter {
 public:
  TreeWriter(const WebcTreeTarget& target, const WebcLimits& limits, std::size_t& entries) noexcept
      : target_(target), limits_(limits), entries_(entries) {}

  Result<WebcTreeBytes> write(const WebcNode& root) {
    const WebcPlace place{.parent = nullptr, .name = target_.name};
    if (root.kind != WebcKind::kDirectory) {
      return fail_format(ErrorKind::kInvalid, "{}: the root must be a folder", place.text());
    }
    SELVEDGE_TRY_VOID(record(root, place, 0));
    return std::move(out_);
  }

 private:
  bool has_times() const noexcept { return target_.version == WebcVersion::kV3; }

  void add_integer(std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      out_.header.push_back(static_cast<std::byte>(value >> shift & 0xffU));
    }
  }
  void add_bytes(base::ByteSpan bytes) {
    out_.header.insert(out_.header.end(), bytes.begin(), bytes.end());
  }
  void add_tag(WebcTag tag) { out_.header.push_back(static_cast<std::byte>(tag)); }
  // Leaves room to be filled in by patch_…
  std::size_t add_room(std::size_t bytes) {
    const std::size_t at = out_.header.size();
    out_.header.resize(at + bytes);
    return at;
  }
  void patch_integer(std::size_t at, std::uint64_t value) {
    base::ByteWriter(base::MutableByteSpan(out_.header).subspan(at, 8)).write_le(value);
  }
  void patch_hash(std::size_t at, const Sha256Digest& hash) {
    std::ranges::copy(hash, out_.header.begin() + static_cast<std::ptrdiff_t>(at));
  }

  Result<> add_times(const WebcNode& node, const WebcPlace& place) {
    if (!has_times()) {
      return {};
    }
    const std::uint64_t seconds = node.mtime.value_or(0);
    if (seconds > kWebcTimeSecondsMax) {
      return fail_format(ErrorKind::kInvalid, "{}: the time of change is out of range",
                         place.text());
    }
    add_integer(0);
    add_integer(seconds);
    add_integer(0);
    return {};
  }

  Sha256Digest hash(base::ByteSpan bytes) const noexcept {
    return target_.sha256(std::span(&bytes, 1));
  }

  Result<Sha256Digest> record(const WebcNode& node, const WebcPlace& place, std::size_t depth) {
    if (entries_ == limits_.entries_max) {
      return fail_format(ErrorKind::kOverloaded, "{}: the package has more than {} entries",
                         place.text(), limits_.entries_max);
    }
    ++entries_;
    switch (node.kind) {
      case WebcKind::kDirectory:
        return directory(node, place, depth);
      case WebcKind::kFile:
        return file(node, place);
      case WebcKind::kSymlink:
        return symlink(node, place, depth);
    }
    return fail(ErrorKind::kInternal, "an entry is of no known kind");
  }

  Result<Sha256Digest> file(const WebcNode& node, const WebcPlace& place) {
    const Sha256Digest checksum = hash(node.content);
    add_tag(WebcTag::kFile);
    add_integer(out_.contents_bytes);
    out_.contents_bytes += node.content.size();
    add_integer(out_.contents_bytes);
    add_bytes(checksum);
    SELVEDGE_TRY_VOID(add_times(node, place));
    if (!node.content.empty()) {
      out_.contents.push_back(node.content);
    }
    return checksum;
  }

  Result<Sha256Digest> symlink(const WebcNode& node, const WebcPlace& place, std::size_t depth) {
    if (target_.version == WebcVersion::kV2) {
      return fail_format(ErrorKind::kUnsupported,
                         "{}: packages of version 2 have no symbolic links: write version 3",
                         place.text());
    }
    SELVEDGE_TRY_VOID(check_link(base::as_text(node.content), depth - 1, place, limits_));
    const Sha256Digest checksum = hash(node.content);
    add_tag(WebcTag::kSymlink);
    add_integer(node.content.size());
    add_bytes(node.content);
    add_bytes(checksum);
    SELVEDGE_TRY_VOID(add_times(node, place));
    return checksum;
  }

  Result<Sha256Digest> directory(const WebcNode& node, const WebcPlace& place, std::size_t depth) {
    if (depth > limits_.depth_max) {
      return fail_format(ErrorKind::kInvalid, "{}: more than {} folders lie within each other",
                         place.text(), limits_.depth_max);
    }
    SELVEDGE_TRY(const auto children, sorted_children(node, place));
    add_tag(WebcTag::kDirectory);
    const std::size_t length_at = add_room(8);
    const std::size_t body = out_.header.size();
    SELVEDGE_TRY_VOID(add_times(node, place));
    const std::size_t hash_bytes = has_times() ? kHashBytes : 0;
    const std::size_t hash_at = add_room(hash_bytes);
    std::vector<std::size_t> entries_at;
    entries_at.reserve(children.size());
    for (const WebcNode* child : children) {
      entries_at.push_back(add_room(8 + hash_bytes));
      add_integer(child->name.size());
      add_bytes(base::as_bytes(child->name));
    }
    patch_integer(length_at, out_.header.size() - body);

    std::vector<std::byte> hashes;
    for (std::size_t i = 0; i < children.size(); ++i) {
      patch_integer(entries_at[i], out_.header.size());
      const WebcPlace child_place{.parent = &place, .name = children[i]->name};
      SELVEDGE_TRY(const Sha256Digest child, record(*children[i], child_place, depth + 1));
      if (has_times()) {
        patch_hash(entries_at[i] + 8, child);
        hashes.insert(hashes.end(), child.begin(), child.end());
      }
    }
    if (!has_times()) {
      return Sha256Digest();
    }
    const Sha256Digest checksum = hash(hashes);
    patch_hash(hash_at, checksum);
    return checksum;
  }

  Result<std::vector<const WebcNode*>> sorted_children(const WebcNode& node,
                                                       const WebcPlace& place) const {
    std::vector<const WebcNode*> children;
    std::vector<std::string_view> names;
    for (const WebcNode& child : node.children) {
      SELVEDGE_TRY_VOID(check_entry_name(child.name, place, limits_));
      children.push_back(&child);
      names.push_back(child.name);
    }
    if (auto distinct = check_distinct(std::move(names), "entries"); !distinct) {
      return fail(std::move(distinct).error().with_context(place.text()));
    }
    std::ranges::sort(children, {},
                      [](const WebcNode* child) { return std::string_view(child->name); });
    return children;
  }

  const WebcTreeTarget& target_;
  const WebcLimits& limits_;
  std::size_t& entries_;
  WebcTreeBytes out_;
};

}  // namespace

Result<WebcTreeBytes> write_tree(const WebcNode& root, const WebcTreeTarget& target,
                                 const WebcLimits& limits, std::size_t& entries) {
  return TreeWriter(target, limits, entries).write(root);
}

}  // namespace selvedge::wire::internal
