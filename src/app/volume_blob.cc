#include "app/volume_blob.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <system_error>

#include "app/package.h"
#include "app/package_image.h"
#include "base/format.h"
#include "base/utf8.h"
#include "crypto/sha256.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;

constexpr std::byte kEmptyMap{0xa0};  // CBOR

std::unexpected<Error> fail_disk(const fs::path& path, const std::error_code& error) {
  return fail_format(
      error == std::errc::permission_denied ? ErrorKind::kDenied : ErrorKind::kInternal, "{}: {}",
      path.string(), error.message());
}

// Reads a folder of the host into nodes; owns their contents.
class FolderReader {
 public:
  Result<wire::WebcNode> read(const fs::path& folder, std::string name, std::size_t depth) {
    wire::WebcNode node{.kind = wire::WebcKind::kDirectory, .name = std::move(name)};
    std::error_code error;
    if (depth > wire::WebcLimits().depth_max) {
      return fail_format(ErrorKind::kInvalid, "{}: more than {} folders within each other",
                         folder.string(), wire::WebcLimits().depth_max);
    }
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      SELVEDGE_TRY(auto child, read_entry(*entry, depth));
      node.children.push_back(std::move(child));
    }
    if (error) {
      return fail_disk(folder, error);
    }
    return node;
  }

 private:
  Result<wire::WebcNode> read_entry(const fs::directory_entry& entry, std::size_t depth) {
    const fs::path& path = entry.path();
    std::string name = path.filename().string();
    if (!base::is_utf8(name)) {
      return fail_format(ErrorKind::kInvalid, "{}: the file's name is not UTF-8", path.string());
    }
    std::error_code error;
    const fs::file_status status = entry.symlink_status(error);
    if (error) {
      return fail_disk(path, error);
    }
    switch (status.type()) {
      case fs::file_type::directory:
        return read(path, std::move(name), depth + 1);
      case fs::file_type::regular: {
        SELVEDGE_TRY(std::string text, read_text_file(path.string(), kVolumeBytesMax - bytes_));
        bytes_ += text.size();
        return wire::WebcNode{.kind = wire::WebcKind::kFile,
                              .name = std::move(name),
                              .content = keep(std::move(text))};
      }
      case fs::file_type::symlink: {
        std::string link = fs::read_symlink(path, error).string();
        if (error) {
          return fail_disk(path, error);
        }
        return wire::WebcNode{.kind = wire::WebcKind::kSymlink,
                              .name = std::move(name),
                              .content = keep(std::move(link))};
      }
      default:
        return fail_format(ErrorKind::kInvalid,
                           "{}: neither file, folder nor link; leave it out of the package",
                           path.string());
    }
  }

  base::ByteSpan keep(std::string text) {
    return base::as_bytes(contents_.emplace_back(std::move(text)));
  }

  std::deque<std::string> contents_;
  std::uint64_t bytes_ = 0;
};

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
  FolderReader reader;
  SELVEDGE_TRY(auto root, reader.read(folder, "", 0));
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
