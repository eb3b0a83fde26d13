#include "app/internal/folder_reader.h"

#include <system_error>
#include <utility>

#include "app/package.h"
#include "app/package_image.h"
#include "base/format.h"
#include "base/utf8.h"

namespace selvedge::app::internal {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> fail_disk(const fs::path& path, const std::error_code& error) {
  return fail_format(
      error == std::errc::permission_denied ? ErrorKind::kDenied : ErrorKind::kInternal, "{}: {}",
      path.string(), error.message());
}

}  // namespace

Result<wire::WebcNode> FolderReader::read(const fs::path& folder) {
  return read_folder(folder, "", 0);
}

Result<wire::WebcNode> FolderReader::read_folder(const fs::path& folder, std::string name,
                                                 std::size_t depth) {
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

Result<wire::WebcNode> FolderReader::read_file(const fs::path& path, std::string name) {
  SELVEDGE_TRY(std::string text, read_text_file(path.string(), kVolumeBytesMax - bytes_));
  bytes_ += text.size();
  return wire::WebcNode{
      .kind = wire::WebcKind::kFile, .name = std::move(name), .content = keep(std::move(text))};
}

Result<wire::WebcNode> FolderReader::read_entry(const fs::directory_entry& entry,
                                                std::size_t depth) {
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
      return read_folder(path, std::move(name), depth + 1);
    case fs::file_type::regular:
      return read_file(path, std::move(name));
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

base::ByteSpan FolderReader::keep(std::string text) {
  return base::as_bytes(contents_.emplace_back(std::move(text)));
}

}  // namespace selvedge::app::internal
