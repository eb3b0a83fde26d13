#include "store/internal/directory_walk.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "base/format.h"
#include "store/internal/document_frame.h"
#include "store/internal/file_system.h"

namespace selvedge::store::internal {
namespace {

// Names in `folder` in the order of the keys that they become; a folder's ends with "/". Empty when
// there is no such folder (any more).
Result<std::vector<std::string>> read_names(const std::filesystem::path& folder,
                                            std::size_t entries_max) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), &::closedir);
  if (entries == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return names;
    }
    return fail(system_error(errno, folder.native()));
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    std::string name = static_cast<const char*>(entry->d_name);
    if (!Key::parse(name)) {
      continue;
    }
    struct stat status{};
    bool is_folder = entry->d_type == DT_DIR;
    // Some file systems do not tell the type here.
    if (entry->d_type == DT_UNKNOWN && ::lstat((folder / name).c_str(), &status) == 0) {
      is_folder = S_ISDIR(status.st_mode);
    }
    if (is_folder) {
      name += '/';
    }
    if (names.size() == entries_max) {
      return fail_format(ErrorKind::kOverloaded, "{} has more than {} entries", folder.native(),
                         entries_max);
    }
    names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

struct FileHead {
  // kFrameHeadBytes of them when it is a document.
  std::vector<std::byte> bytes;
  struct stat status;
};

// The first `bytes_max` bytes of the file `path`; nullopt when there is no such file.
Result<std::optional<FileHead>> read_head(const std::filesystem::path& path,
                                          std::size_t bytes_max) {
  SELVEDGE_TRY(const auto opened, open_file(path));
  if (!opened) {
    return std::nullopt;
  }
  FileHead head{.bytes = std::vector<std::byte>(bytes_max), .status = {}};
  if (::fstat(opened->file.get(), &head.status) != 0) {
    return fail(system_error(errno, path.native()));
  }
  SELVEDGE_TRY(const std::size_t count, read_full(opened->file.get(), head.bytes, path.native()));
  head.bytes.resize(count);
  return head;
}

class Walk {
 public:
  Walk(const std::filesystem::path& root, const ListOptions& options,
       std::size_t folder_entries_max) noexcept
      : root_(root), options_(options), folder_entries_max_(folder_entries_max) {}

  // Visits what is below the key `folder`, which ends with "/". Its depth is that of a key.
  Result<> visit(const std::string& folder) {
    SELVEDGE_TRY(const auto names, read_names(root_ / folder, folder_entries_max_));
    for (const std::string& name : names) {
      const std::string path = folder + name;
      if (page_.more) {
        break;
      }
      if (path.size() > Key::kBytesMax) {
        continue;  // no key
      }
      if (path.ends_with('/')) {
        // Everything in it begins with its path.
        const bool passed = options_.start_after && path < options_.start_after->text() &&
                            !options_.start_after->text().starts_with(path);
        if (!passed) {
          SELVEDGE_TRY_VOID(visit(path));
        }
      } else if (!options_.start_after || path > options_.start_after->text()) {
        SELVEDGE_TRY_VOID(add(path));
      }
    }
    return {};
  }

  ListPage take() noexcept { return std::move(page_); }

 private:
  Result<> add(const std::string& path) {
    auto key = Key::parse(path);
    if (!key) {
      return {};  // deeper than keys are
    }
    const bool is_blob = key->is_below(kBlobFolder);
    SELVEDGE_TRY(const auto head, read_head(root_ / path, is_blob ? 0 : kFrameHeadBytes));
    if (!head) {
      return {};  // removed meanwhile
    }
    auto write_id = is_blob ? std::string() : parse_write_id(head->bytes);
    if (!write_id) {
      return {};  // a foreign file
    }
    if (page_.entries.size() == options_.limit) {
      page_.more = true;
      return {};
    }
    page_.entries.push_back({.key = *std::move(key),
                             .revision = Revision(*std::move(write_id)),
                             .bytes = static_cast<std::uint64_t>(head->status.st_size),
                             .written = head->status.st_mtim.tv_sec});
    return {};
  }

  const std::filesystem::path& root_;
  const ListOptions& options_;
  std::size_t folder_entries_max_;
  ListPage page_;
};

}  // namespace

Result<std::optional<Revision>> read_revision(const std::filesystem::path& path) {
  SELVEDGE_TRY(const auto head, read_head(path, kFrameHeadBytes));
  if (!head) {
    return std::nullopt;
  }
  auto write_id = parse_write_id(head->bytes);
  if (!write_id) {
    return fail(std::move(write_id).error().with_context(path.native()));
  }
  return Revision(*std::move(write_id));
}

Result<ListPage> list_directory(const std::filesystem::path& root, const ListOptions& options,
                                std::size_t folder_entries_max) {
  Walk walk(root, options, folder_entries_max);
  SELVEDGE_TRY_VOID(walk.visit(options.folder.text() + "/"));
  return walk.take();
}

}  // namespace selvedge::store::internal
