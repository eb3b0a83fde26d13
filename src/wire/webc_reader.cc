#include "wire/webc_reader.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_index.h"
#include "wire/internal/webc_names.h"
#include "wire/internal/webc_tree.h"

namespace selvedge::wire {

using internal::kHashBytes;
using internal::kWebcMagic;
using internal::kWebcPreambleBytes;
using internal::WebcIndex;
using internal::WebcIndexEntry;
using internal::WebcIndexVolume;
using internal::WebcPlace;
using internal::WebcSpan;
using internal::WebcTag;

namespace {

Result<WebcVersion> read_preamble(base::ByteSpan file) {
  const std::string_view text =
      base::as_text(file.first(std::min(file.size(), kWebcPreambleBytes)));
  if (!text.starts_with(kWebcMagic)) {
    return fail(ErrorKind::kInvalid, "this is not a webc package: it does not begin with \\0webc");
  }
  const std::string_view version = text.substr(kWebcMagic.size());
  if (version == "002") {
    return WebcVersion::kV2;
  }
  if (version == "003") {
    return WebcVersion::kV3;
  }
  if (version == "001") {
    return fail(
        ErrorKind::kUnsupported,
        "webc packages of version 1 are not supported: build the package again with a newer "
        "tool, which writes version 3");
  }
  if (version.size() < 3) {
    return fail(ErrorKind::kInvalid, "the package is truncated in its version number");
  }
  return fail(ErrorKind::kUnsupported,
              "this version of webc packages is not supported; versions 2 and 3 are");
}

Result<> check_node(const WebcNode& node, const WebcPlace& place, Sha256Function sha256) {
  if (node.checksum.empty()) {  // a directory in version 2
    for (const WebcNode& child : node.children) {
      SELVEDGE_TRY_VOID(check_node(child, {.parent = &place, .name = child.name}, sha256));
    }
    return {};
  }
  std::vector<base::ByteSpan> hashed;
  if (node.kind == WebcKind::kDirectory) {
    for (const WebcNode& child : node.children) {
      SELVEDGE_TRY_VOID(check_node(child, {.parent = &place, .name = child.name}, sha256));
      hashed.push_back(child.checksum);
    }
  } else {
    hashed.push_back(node.content);
  }
  if (!std::ranges::equal(sha256(hashed), node.checksum)) {
    return fail_format(ErrorKind::kInvalid, "{}: the checksum is wrong, the package is damaged",
                       place.text());
  }
  return {};
}

}  // namespace

const WebcNode* WebcNode::find(std::string_view child) const noexcept {
  const auto found = std::ranges::lower_bound(
      children, child, {}, [](const WebcNode& node) { return std::string_view(node.name); });
  return found != children.end() && found->name == child ? &*found : nullptr;
}

class WebcPackage::Opener {
 public:
  Opener(base::ByteSpan file, const WebcLimits& limits) noexcept : file_(file), limits_(limits) {}

  Result<WebcPackage> open() {
    if (file_.size() > limits_.bytes_max) {
      return fail_format(ErrorKind::kOverloaded, "the package is larger than {} bytes",
                         limits_.bytes_max);
    }
    SELVEDGE_TRY(package_.version_, read_preamble(file_));
    SELVEDGE_TRY(const WebcIndex index, read_index());
    SELVEDGE_TRY_VOID(check_layout(index));
    SELVEDGE_TRY_VOID(read_manifest(index.manifest));
    SELVEDGE_TRY_VOID(read_atoms(index.atoms));
    for (const WebcIndexVolume& volume : index.volumes) {
      SELVEDGE_TRY_VOID(read_volume(volume));
    }
    std::ranges::sort(package_.volumes_, {}, &WebcVolume::name);
    return std::move(package_);
  }

 private:
  Result<WebcIndex> read_index() {
    base::ByteReader in(file_);
    in.skip(kWebcPreambleBytes);
    const base::ByteSpan tag = in.read_bytes(1);
    const auto length = in.read_le<std::uint64_t>();
    if (in.ok() && tag[0] != static_cast<std::byte>(WebcTag::kIndex)) {
      return fail_format(ErrorKind::kInvalid, "the package does not begin with an index (byte {})",
                         kWebcPreambleBytes);
    }
    if (in.ok() && length > limits_.index_bytes_max) {
      return fail_format(ErrorKind::kOverloaded, "the index of the package is larger than {} bytes",
                         limits_.index_bytes_max);
    }
    const std::size_t offset = in.position();
    const base::ByteSpan data = in.read_bytes(static_cast<std::size_t>(length));
    if (!in.ok()) {
      return fail(ErrorKind::kInvalid, "the package is truncated in its index");
    }
    index_end_ = in.position();
    return internal::decode_index(data, offset, limits_);
  }

  // Every section behind the index, inside the file, and none in another.
  Result<> check_layout(const WebcIndex& index) const {
    std::vector<std::pair<WebcSpan, std::string_view>> spans{{index.manifest.span, "manifest"},
                                                             {index.atoms.span, "atoms"}};
    for (const WebcIndexVolume& volume : index.volumes) {
      spans.emplace_back(volume.entry.span, volume.name);
    }
    std::ranges::sort(spans, {}, [](const auto& span) { return span.first.start; });
    std::uint64_t end = index_end_;
    for (const auto& [span, name] : spans) {
      if (span.start > file_.size() || span.length > file_.size() - span.start) {
        return fail_format(ErrorKind::kInvalid,
                           "{}: the section at byte {} leaves the file (the package is truncated?)",
                           name, span.start);
      }
      if (span.start < end) {
        return fail_format(ErrorKind::kInvalid, "{}: the section at byte {} overlaps another", name,
                           span.start);
      }
      end = span.start + span.length;
    }
    return {};
  }

  // The data of a section; remembers its checksums.
  Result<base::ByteSpan> section(const WebcIndexEntry& entry, WebcTag tag, std::string_view name) {
    const base::ByteSpan bytes = file_.subspan(static_cast<std::size_t>(entry.span.start),
                                               static_cast<std::size_t>(entry.span.length));
    base::ByteReader in(bytes);
    const base::ByteSpan found = in.read_bytes(1);
    Section section;
    section.name = name;
    section.checksum = entry.checksum;
    if (package_.version_ == WebcVersion::kV3) {
      section.hash = in.read_bytes(kHashBytes);
    }
    const auto length = in.read_le<std::uint64_t>();
    section.data = in.read_bytes(static_cast<std::size_t>(length));
    if (!in.ok() || in.remaining() > 0 || found[0] != static_cast<std::byte>(tag)) {
      return fail_format(ErrorKind::kInvalid,
                         "{}: the section at byte {} is of another kind or length than its index "
                         "says",
                         name, entry.span.start);
    }
    package_.sections_.push_back(section);
    return section.data;
  }

  Result<> read_manifest(const WebcIndexEntry& entry) {
    SELVEDGE_TRY(package_.manifest_, section(entry, WebcTag::kManifest, "manifest"));
    if (package_.manifest_.size() > limits_.manifest_bytes_max) {
      return fail_format(ErrorKind::kOverloaded, "the package's manifest is larger than {} bytes",
                         limits_.manifest_bytes_max);
    }
    return {};
  }

  Result<> read_atoms(const WebcIndexEntry& entry) {
    SELVEDGE_TRY(const base::ByteSpan data, section(entry, WebcTag::kAtoms, "atoms"));
    SELVEDGE_TRY(package_.atoms_, tree(base::ByteReader(data), data, "atoms"));
    for (const WebcNode& atom : package_.atoms_.children) {
      if (atom.kind != WebcKind::kFile) {
        return fail_format(ErrorKind::kInvalid, "the atom \"{}\" is not a file", atom.name);
      }
    }
    return {};
  }

  Result<> read_volume(const WebcIndexVolume& volume) {
    SELVEDGE_TRY(const base::ByteSpan data, section(volume.entry, WebcTag::kVolume, volume.name));
    base::ByteReader in(data);
    const auto length = in.read_le<std::uint64_t>();
    const base::ByteSpan name = in.read_bytes(static_cast<std::size_t>(length));
    if (!in.ok() || base::as_text(name) != volume.name) {
      return fail_format(ErrorKind::kInvalid,
                         "{}: the volume at byte {} has another name in its section", volume.name,
                         volume.entry.span.start);
    }
    SELVEDGE_TRY(auto root, tree(in, data, volume.name));
    package_.volumes_.push_back({.name = std::string(volume.name), .root = std::move(root)});
    return {};
  }

  // `in` reads `data` and stands before the header.
  Result<WebcNode> tree(base::ByteReader in, base::ByteSpan data, std::string_view name) {
    const auto header_bytes = in.read_le<std::uint64_t>();
    const std::size_t header_at = in.position();
    const base::ByteSpan header = in.read_bytes(static_cast<std::size_t>(header_bytes));
    const auto contents_bytes = in.read_le<std::uint64_t>();
    const base::ByteSpan contents = in.read_bytes(static_cast<std::size_t>(contents_bytes));
    const std::uint64_t offset = static_cast<std::uint64_t>(data.data() - file_.data()) + header_at;
    if (!in.ok() || in.remaining() > 0) {
      return fail_format(ErrorKind::kInvalid,
                         "{}: the lengths inside of the section are wrong (at byte {})", name,
                         offset);
    }
    return internal::read_tree({.version = package_.version_,
                                .name = name,
                                .header = header,
                                .contents = contents,
                                .header_offset = offset},
                               limits_, entries_);
  }

  const base::ByteSpan file_;
  const WebcLimits& limits_;
  WebcPackage package_;
  std::size_t index_end_ = 0;
  std::size_t entries_ = 0;
};

Result<WebcPackage> WebcPackage::open(base::ByteSpan file, const WebcLimits& limits) {
  return Opener(file, limits).open();
}

const WebcVolume* WebcPackage::find_volume(std::string_view name) const noexcept {
  const auto found = std::ranges::lower_bound(
      volumes_, name, {}, [](const WebcVolume& volume) { return std::string_view(volume.name); });
  return found != volumes_.end() && found->name == name ? &*found : nullptr;
}

Result<> WebcPackage::verify(Sha256Function sha256) const {
  for (const Section& section : sections_) {
    if (section.hash.empty() && !section.checksum.has_value()) {
      continue;
    }
    const Sha256Digest digest = sha256(std::span(&section.data, 1));
    if ((!section.hash.empty() && !std::ranges::equal(digest, section.hash)) ||
        (section.checksum.has_value() && !std::ranges::equal(digest, *section.checksum))) {
      return fail_format(ErrorKind::kInvalid,
                         "{}: the section's checksum is wrong, the package is damaged",
                         section.name);
    }
  }
  SELVEDGE_TRY_VOID(check_node(atoms_, {.parent = nullptr, .name = "atoms"}, sha256));
  for (const WebcVolume& volume : volumes_) {
    SELVEDGE_TRY_VOID(check_node(volume.root, {.parent = nullptr, .name = volume.name}, sha256));
  }
  return {};
}

}  // namespace selvedge::wire
