#include "app/volume_blob.h"

#include <algorithm>

#include "app/internal/folder_reader.h"
#include "app/package_image.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

constexpr std::byte kEmptyMap{0xa0};  // CBOR

Result<std::vector<std::byte>> pack(wire::WebcNode root) {
  root.name.clear();
  const wire::WebcVolume volume{.name = kVolumeName, .root = std::move(root)};
  SELVEDGE_TRY(const auto image, wire::write_webc({.manifest = base::ByteSpan(&kEmptyMap, 1),
                                                   .atoms = {},
                                                   .volumes = std::span(&volume, 1)},
                                                  {.sha256 = crypto::sha256}));
  if (image.size() > kVolumeBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the files are larger than {} MiB together",
                       kVolumeBytesMax >> 20);
  }
  return image.to_bytes();
}

wire::WebcNode without_times(const wire::WebcNode& node) {
  wire::WebcNode copy{.kind = node.kind, .name = node.name, .content = node.content};
  std::ranges::transform(node.children, std::back_inserter(copy.children), without_times);
  return copy;
}

}  // namespace

Result<std::vector<std::byte>> pack_folder(const std::string& folder) {
  internal::FolderReader reader;
  SELVEDGE_TRY(auto root, reader.read(folder));
  auto packed = pack(std::move(root));
  if (!packed.has_value()) {
    return fail(std::move(packed).error().with_context(folder));
  }
  return packed;
}

Result<std::vector<std::byte>> pack_volume(const wire::WebcNode& root) {
  return pack(without_times(root));
}

}  // namespace selvedge::app
