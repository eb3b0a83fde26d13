#include "wire/testing/webc_files.h"

#include <array>

#include "base/format.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_index.h"

namespace selvedge::wire::testing {
namespace {

constexpr std::uint64_t kFnvPrime = 0x100000001b3;
constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325;

std::string raw_section(internal::WebcTag tag, std::string_view data) {
  std::string out(1, static_cast<char>(tag));
  out += raw_integer(data.size());
  out += data;
  return out;
}

}  // namespace

Sha256Digest weak_sha256(std::span<const base::ByteSpan> pieces) noexcept {
  std::uint64_t state = kFnvBasis;
  for (const base::ByteSpan piece : pieces) {
    for (const std::byte byte : piece) {
      state = (state ^ std::to_integer<std::uint64_t>(byte)) * kFnvPrime;
    }
  }
  Sha256Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(state >> (i % 8 * 8));
    state = i % 8 == 7 ? (state ^ i) * kFnvPrime : state;
  }
  return digest;
}

WebcNode file(std::string_view name, std::string_view content, std::uint64_t mtime) {
  return {.kind = WebcKind::kFile,
          .name = std::string(name),
          .mtime = mtime,
          .content = base::as_bytes(content)};
}

WebcNode folder(std::string_view name, std::vector<WebcNode> children, std::uint64_t mtime) {
  return {.kind = WebcKind::kDirectory,
          .name = std::string(name),
          .mtime = mtime,
          .children = std::move(children)};
}

WebcNode link(std::string_view name, std::string_view target, std::uint64_t mtime) {
  return {.kind = WebcKind::kSymlink,
          .name = std::string(name),
          .mtime = mtime,
          .content = base::as_bytes(target)};
}

std::string listing(const WebcNode& root, std::string_view path) {
  const std::string time = root.mtime ? fmt::format("{}", *root.mtime) : "-";
  const std::string own = fmt::format("{}{}", path, root.name);
  switch (root.kind) {
    case WebcKind::kFile:
      return fmt::format("file {} {} {}\n", own, time, base::as_text(root.content));
    case WebcKind::kSymlink:
      return fmt::format("link {} {} {}\n", own, time, base::as_text(root.content));
    case WebcKind::kDirectory:
      break;
  }
  std::string out = fmt::format("dir {}/ {}\n", own, time);
  for (const WebcNode& child : root.children) {
    out += listing(child, own + "/");
  }
  return out;
}

std::string raw_integer(std::uint64_t value) {
  std::string out(8, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(value >> (8 * i) & 0xffU);
  }
  return out;
}

std::string raw_directory(const std::vector<RawEntry>& entries) {
  std::string body;
  for (const RawEntry& entry : entries) {
    body += raw_integer(entry.offset) + raw_integer(entry.name.size()) + entry.name;
  }
  return raw_section(internal::WebcTag::kDirectory, body);
}

std::string raw_file(std::uint64_t begin, std::uint64_t end) {
  std::string out(1, static_cast<char>(internal::WebcTag::kFile));
  return out + raw_integer(begin) + raw_integer(end) + std::string(internal::kHashBytes, '\0');
}

std::string raw_package(const std::vector<RawVolume>& volumes) {
  const std::string no_files = raw_directory({});
  internal::WebcIndex index;
  std::string sections;
  const auto add = [&sections](internal::WebcTag tag, std::string_view data) {
    const std::string section = raw_section(tag, data);
    sections += section;
    return internal::WebcIndexEntry{
        .span = {.start = sections.size() - section.size(), .length = section.size()},
        .checksum = std::nullopt};
  };
  index.manifest = add(internal::WebcTag::kManifest, "\xa0");
  index.atoms =
      add(internal::WebcTag::kAtoms, raw_integer(no_files.size()) + no_files + raw_integer(0));
  for (const RawVolume& volume : volumes) {
    index.volumes.push_back(
        {.name = volume.name,
         .entry =
             add(internal::WebcTag::kVolume,
                 raw_integer(volume.name.size()) + volume.name + raw_integer(volume.header.size()) +
                     volume.header + raw_integer(volume.contents.size()) + volume.contents)});
  }
  const std::size_t room = internal::encode_index(index, 0).size() + 200;
  const std::size_t before = internal::kWebcPreambleBytes + internal::index_header_bytes() + room;
  std::string cbor(base::as_text(internal::encode_index(index, before)));
  cbor.resize(room);
  return std::string(internal::kWebcMagic) + "002" + raw_section(internal::WebcTag::kIndex, cbor) +
         sections;
}

}  // namespace selvedge::wire::testing
