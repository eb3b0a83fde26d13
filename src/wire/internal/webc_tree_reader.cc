#include <algorithm>

#include "base/format.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_names.h"
#include "wire/internal/webc_tree.h"

namespace selvedge::wire::internal {
namespace {

class TreeReader {
 public:
  TreeReader(const WebcTreeSource& source, const WebcLimits& limits, std::size_t& entries) noexcept
      : source_(source), limits_(limits), entries_(entries) {}

  Result<WebcNode> read() {
    const WebcPlace place{.parent = nullptr, .name = source_.name};
    SELVEDGE_TRY(auto root, record(0, place, 0));
    if (root.kind != WebcKind::kDirectory) {
      return malformed(place, 0, "does not begin with a folder");
    }
    return root;
  }

 private:
  struct Entry {
    std::uint64_t offset = 0;
    base::ByteSpan checksum;
    std::string_view name;
  };

  bool has_times() const noexcept { return source_.version == WebcVersion::kV3; }

  // `offset` is in the header.
  std::unexpected<Error> malformed(const WebcPlace& place, std::uint64_t offset,
                                   std::string_view fault) const {
    return fail_format(ErrorKind::kInvalid, "{}: {} (at byte {})", place.text(), fault,
                       source_.header_offset + offset);
  }

  // `depth` folders lie around the record.
  Result<WebcNode> record(std::uint64_t offset, const WebcPlace& place, std::size_t depth) {
    if (entries_ == limits_.entries_max) {
      return fail_format(ErrorKind::kOverloaded, "{}: the package has more than {} entries",
                         place.text(), limits_.entries_max);
    }
    ++entries_;
    if (offset >= source_.header.size()) {
      return malformed(place, offset, "the record lies outside of the section");
    }
    base::ByteReader in(source_.header.subspan(static_cast<std::size_t>(offset)));
    std::byte tag{};
    if (const auto first = in.read_bytes(1); in.ok()) {
      tag = first[0];
    }
    switch (static_cast<WebcTag>(tag)) {
      case WebcTag::kDirectory:
        return directory(in, offset, place, depth);
      case WebcTag::kFile:
        return file(in, offset, place);
      case WebcTag::kSymlink:
        if (source_.version == WebcVersion::kV3) {
          return symlink(in, offset, place, depth);
        }
        break;
      default:
        break;
    }
    return malformed(place, offset, "the record is of no known kind");
  }

  // Records must not overlap, else a small header could describe very many files.
  Result<> account(std::uint64_t bytes, std::uint64_t offset, const WebcPlace& place) {
    records_bytes_ += bytes;
    if (records_bytes_ > source_.header.size()) {
      return malformed(place, offset, "records overlap");
    }
    return {};
  }

  Result<> times(base::ByteReader& in, std::uint64_t offset, const WebcPlace& place,
                 WebcNode& node) {
    if (!has_times()) {
      return {};
    }
    in.skip(8);
    const auto seconds = in.read_le<std::uint64_t>();
    in.skip(8);
    if (seconds > kWebcTimeSecondsMax) {
      return malformed(place, offset, "the time of change is out of range");
    }
    node.mtime = seconds;
    return {};
  }

  Result<WebcNode> file(base::ByteReader& in, std::uint64_t offset, const WebcPlace& place) {
    WebcNode node{.kind = WebcKind::kFile, .name = std::string(place.name)};
    const auto begin = in.read_le<std::uint64_t>();
    const auto end = in.read_le<std::uint64_t>();
    node.checksum = in.read_bytes(kHashBytes);
    SELVEDGE_TRY_VOID(times(in, offset, place, node));
    if (!in.ok()) {
      return malformed(place, offset, "the record is truncated");
    }
    if (begin > end || end > source_.contents.size()) {
      return malformed(place, offset, "the file lies outside of the section");
    }
    SELVEDGE_TRY_VOID(account(in.position(), offset, place));
    files_bytes_ += end - begin;
    if (files_bytes_ > source_.contents.size()) {
      return malformed(place, offset, "files overlap");
    }
    node.content = source_.contents.subspan(static_cast<std::size_t>(begin),
                                            static_cast<std::size_t>(end - begin));
    return node;
  }

  Result<WebcNode> symlink(base::ByteReader& in, std::uint64_t offset, const WebcPlace& place,
                           std::size_t depth) {
    WebcNode node{.kind = WebcKind::kSymlink, .name = std::string(place.name)};
    node.content = in.read_bytes(static_cast<std::size_t>(in.read_le<std::uint64_t>()));
    node.checksum = in.read_bytes(kHashBytes);
    SELVEDGE_TRY_VOID(times(in, offset, place, node));
    if (!in.ok()) {
      return malformed(place, offset, "the record is truncated");
    }
    SELVEDGE_TRY_VOID(account(in.position(), offset, place));
    // The link itself is not a folder: the one that holds it is at depth - 1.
    SELVEDGE_TRY_VOID(
        check_link(base::as_text(node.content), depth == 0 ? 0 : depth - 1, place, limits_));
    return node;
  }

  Result<WebcNode> directory(base::ByteReader& in, std::uint64_t offset, const WebcPlace& place,
                             std::size_t depth) {
    if (depth > limits_.depth_max) {
      return fail_format(ErrorKind::kInvalid, "{}: more than {} folders lie within each other",
                         place.text(), limits_.depth_max);
    }
    WebcNode node{.name = depth == 0 ? std::string() : std::string(place.name)};
    const auto length = in.read_le<std::uint64_t>();
    const std::size_t head_bytes = in.position();
    base::ByteReader body(in.read_bytes(static_cast<std::size_t>(length)));
    if (!in.ok()) {
      return malformed(place, offset, "the record is truncated");
    }
    SELVEDGE_TRY_VOID(account(in.position(), offset, place));
    SELVEDGE_TRY_VOID(times(body, offset, place, node));
    if (has_times()) {
      node.checksum = body.read_bytes(kHashBytes);
    }
    SELVEDGE_TRY(const auto entries, this->entries(body, offset + head_bytes, place));
    const std::uint64_t end = offset + in.position();
    node.children.reserve(entries.size());
    for (const Entry& entry : entries) {
      const WebcPlace child_place{.parent = &place, .name = entry.name};
      if (entry.offset < end) {
        return malformed(child_place, entry.offset, "the record lies before its folder's");
      }
      SELVEDGE_TRY(auto child, record(entry.offset, child_place, depth + 1));
      if (has_times() && !std::ranges::equal(entry.checksum, child.checksum)) {
        return malformed(child_place, entry.offset,
                         "the checksum is not the one that its folder states");
      }
      node.children.push_back(std::move(child));
    }
    return node;
  }

  // The names in a directory, sorted.
  Result<std::vector<Entry>> entries(base::ByteReader& body, std::uint64_t offset,
                                     const WebcPlace& place) {
    std::vector<Entry> entries;
    std::vector<std::string_view> names;
    if (!body.ok()) {
      return malformed(place, offset, "the record is truncated");
    }
    while (body.remaining() > 0) {
      if (entries.size() >= limits_.entries_max - entries_) {
        return fail_format(ErrorKind::kOverloaded, "{}: the package has more than {} entries",
                           place.text(), limits_.entries_max);
      }
      Entry entry;
      entry.offset = body.read_le<std::uint64_t>();
      if (has_times()) {
        entry.checksum = body.read_bytes(kHashBytes);
      }
      const auto length = body.read_le<std::uint64_t>();
      entry.name = base::as_text(body.read_bytes(static_cast<std::size_t>(length)));
      if (!body.ok()) {
        return malformed(place, offset + body.position(), "a name is truncated");
      }
      SELVEDGE_TRY_VOID(check_entry_name(entry.name, place, limits_));
      entries.push_back(entry);
      names.push_back(entry.name);
    }
    if (auto distinct = check_distinct(std::move(names), "entries"); !distinct) {
      return fail(std::move(distinct).error().with_context(place.text()));
    }
    std::ranges::sort(entries, {}, &Entry::name);
    return entries;
  }

  const WebcTreeSource& source_;
  const WebcLimits& limits_;
  std::size_t& entries_;
  std::uint64_t records_bytes_ = 0;
  std::uint64_t files_bytes_ = 0;
};

}  // namespace

Result<WebcNode> read_tree(const WebcTreeSource& source, const WebcLimits& limits,
                           std::size_t& entries) {
  return TreeReader(source, limits, entries).read();
}

}  // namespace selvedge::wire::internal
