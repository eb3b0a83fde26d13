#include "wire/webc_writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_index.h"
#include "wire/internal/webc_names.h"
#include "wire/internal/webc_tree.h"

namespace selvedge::wire {

using internal::WebcIndex;
using internal::WebcIndexEntry;
using internal::WebcTag;
using internal::WebcTreeBytes;

namespace {

void append_integer(std::vector<std::byte>& out, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<std::byte>(value >> shift & 0xffU));
  }
}
void append(std::vector<std::byte>& out, base::ByteSpan bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::vector<std::byte> WebcImage::to_bytes() const {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(size_));
  for (const base::ByteSpan piece : pieces_) {
    append(bytes, piece);
  }
  return bytes;
}

void WebcImage::add_owned(std::vector<std::byte> bytes) {
  owned_.push_back(std::move(bytes));
  add(owned_.back());
}

void WebcImage::add(base::ByteSpan bytes) {
  if (!bytes.empty()) {
    pieces_.push_back(bytes);
    size_ += bytes.size();
  }
}

// Makes the sections, then the index in front of them.
class WebcImageBuilder {
 public:
  WebcImageBuilder(const WebcContents& contents, const WebcWriterOptions& options)
      : contents_(contents), options_(options) {}

  Result<WebcImage> build() {
    const WebcLimits& limits = options_.limits;
    if (contents_.manifest.size() > limits.manifest_bytes_max) {
      return fail_format(ErrorKind::kOverloaded, "the package's manifest is larger than {} bytes",
                         limits.manifest_bytes_max);
    }
    index_.manifest = add_section(WebcTag::kManifest, {}, std::span(&contents_.manifest, 1));
    SELVEDGE_TRY_VOID(add_atoms());
    SELVEDGE_TRY_VOID(add_volumes());
    return assemble();
  }

 private:
  struct Section {
    std::vector<std::byte> head;  // section header and what describes the contents
    std::vector<base::ByteSpan> contents;
    std::vector<std::byte> checksum;
  };

  // A section whose data are `described` and then `contents`.
  WebcIndexEntry add_section(WebcTag tag, std::vector<std::byte> described,
                             std::span<const base::ByteSpan> contents) {
    std::vector<base::ByteSpan> data{described};
    data.insert(data.end(), contents.begin(), contents.end());
    std::uint64_t bytes = 0;
    for (const base::ByteSpan piece : data) {
      bytes += piece.size();
    }
    const Sha256Digest hash = options_.sha256(data);
    Section section;
    section.head.push_back(static_cast<std::byte>(tag));
    if (options_.version == WebcVersion::kV3) {
      append(section.head, hash);
    }
    append_integer(section.head, bytes);
    const std::uint64_t length = section.head.size() + bytes;
    append(section.head, described);
    section.contents.assign(contents.begin(), contents.end());
    section.checksum.assign(hash.begin(), hash.end());
    sections_.push_back(std::move(section));
    const WebcIndexEntry entry{.span = {.start = sections_bytes_, .length = length},
                               .checksum = base::ByteSpan(sections_.back().checksum)};
    sections_bytes_ += length;
    return entry;
  }

  Result<WebcIndexEntry> add_tree(WebcTag tag, const WebcNode& root, std::string_view name) {
    SELVEDGE_TRY(const WebcTreeBytes tree,
                 internal::write_tree(
                     root, {.version = options_.version, .name = name, .sha256 = options_.sha256},
                     options_.limits, entries_));
    std::vector<std::byte> described;
    if (tag == WebcTag::kVolume) {
      append_integer(described, name.size());
      append(described, base::as_bytes(name));
    }
    append_integer(described, tree.header.size());
    append(described, tree.header);
    append_integer(described, tree.contents_bytes);
    return add_section(tag, std::move(described), tree.contents);
  }

  Result<> add_atoms() {
    for (const WebcNode& atom : contents_.atoms) {
      if (atom.kind != WebcKind::kFile) {
        return fail_format(ErrorKind::kInvalid, "the atom \"{}\" is not a file", atom.name);
      }
    }
    WebcNode root;
    root.children.assign(contents_.atoms.begin(), contents_.atoms.end());
    SELVEDGE_TRY(index_.atoms, add_tree(WebcTag::kAtoms, root, "atoms"));
    return {};
  }

  Result<> add_volumes() {
    if (contents_.volumes.size() > options_.limits.volumes_max) {
      return fail_format(ErrorKind::kOverloaded, "the package has more than {} volumes",
                         options_.limits.volumes_max);
    }
    std::vector<const WebcVolume*> volumes;
    std::vector<std::string_view> names;
    for (const WebcVolume& volume : contents_.volumes) {
      SELVEDGE_TRY_VOID(internal::check_volume_name(volume.name, options_.limits));
      volumes.push_back(&volume);
      names.push_back(volume.name);
    }
    SELVEDGE_TRY_VOID(internal::check_distinct(std::move(names), "volumes"));
    std::ranges::sort(volumes, {},
                      [](const WebcVolume* volume) { return std::string_view(volume->name); });
    for (const WebcVolume* volume : volumes) {
      SELVEDGE_TRY(const WebcIndexEntry entry,
                   add_tree(WebcTag::kVolume, volume->root, volume->name));
      index_.volumes.push_back({.name = volume->name, .entry = entry});
    }
    return {};
  }

  // The index states where the sections behind it are, and a number of more digits makes it longer:
  // so room is left as Wasmer's tools leave it, a fifth of what it takes with starts from zero.
  Result<WebcImage> assemble() {
    const std::size_t measured =
        internal::index_header_bytes() + internal::encode_index(index_, 0).size();
    const std::size_t room = measured + measured / 5;
    const std::size_t head_bytes =
        internal::kWebcPreambleBytes + internal::index_header_bytes() + room;
    std::vector<std::byte> index = internal::encode_index(index_, head_bytes);
    SELVEDGE_ASSERT(index.size() <= room);
    index.resize(room);

    std::vector<std::byte> head;
    append(head, base::as_bytes(internal::kWebcMagic));
    append(head, base::as_bytes(options_.version == WebcVersion::kV3 ? "003" : "002"));
    head.push_back(static_cast<std::byte>(WebcTag::kIndex));
    append_integer(head, room);
    append(head, index);
    if (room > options_.limits.index_bytes_max ||
        head.size() + sections_bytes_ > options_.limits.bytes_max) {
      return fail_format(ErrorKind::kOverloaded, "the package would be larger than {} bytes",
                         options_.limits.bytes_max);
    }
    WebcImage image;
    image.add_owned(std::move(head));
    for (Section& section : sections_) {
      image.add_owned(std::move(section.head));
      for (const base::ByteSpan piece : section.contents) {
        image.add(piece);
      }
    }
    return image;
  }

  const WebcContents& contents_;
  const WebcWriterOptions& options_;
  std::vector<Section> sections_;
  std::uint64_t sections_bytes_ = 0;
  std::size_t entries_ = 0;
  WebcIndex index_;
};

Result<WebcImage> write_webc(const WebcContents& contents, const WebcWriterOptions& options) {
  SELVEDGE_ASSERT(options.sha256 != nullptr);
  return WebcImageBuilder(contents, options).build();
}

}  // namespace selvedge::wire
