#include "wasix/fs_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_node.h"
#include "wasix/fs_path.h"

namespace selvedge::wasix {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

struct ArchiveDeleter {
  void operator()(archive* handle) const noexcept { archive_read_free(handle); }
};
using ArchiveHandle = std::unique_ptr<archive, ArchiveDeleter>;

std::string_view text_or_empty(const char* text) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// Names are UTF-8 where the archive says so; other archives keep bytes, which path validation
// judges.
std::string_view utf8_or_bytes(const char* utf8, const char* bytes) noexcept {
  return utf8 != nullptr ? std::string_view(utf8) : text_or_empty(bytes);
}
std::string_view pathname(archive_entry* entry) noexcept {
  return utf8_or_bytes(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
}
std::string_view hard_link_target(archive_entry* entry) noexcept {
  return utf8_or_bytes(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry));
}
std::string_view symbolic_link_target(archive_entry* entry) noexcept {
  return utf8_or_bytes(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry));
}

std::unexpected<Error> broken(archive* handle) {
  return fail_format(ErrorKind::kInvalid, "the archive cannot be read: {}",
                     text_or_empty(archive_error_string(handle)));
}

std::unexpected<Error> refused(std::string_view path, Errno error) {
  if (error == Errno::kNospc || error == Errno::kFbig) {
    return fail_format(ErrorKind::kOverloaded,
                       "the archive is larger than allowed (at its entry '{}')", path);
  }
  return fail_format(ErrorKind::kInvalid, "the archive's entry '{}' cannot be unpacked (errno {})",
                     path, static_cast<int>(error));
}

// Unpacks entry after entry into the file system.
class Unpacker {
 public:
  Unpacker(archive* handle, std::shared_ptr<DirectoryNode> root) noexcept
      : handle_(handle), root_(std::move(root)) {}

  Result<> run() {
    archive_entry* entry = nullptr;
    for (;;) {
      const int status = archive_read_next_header(handle_, &entry);
      if (status == ARCHIVE_EOF) {
        return apply_directory_times();
      }
      if (status < ARCHIVE_WARN) {
        return broken(handle_);
      }
      SELVEDGE_TRY_VOID(unpack(entry));
    }
  }

 private:
  struct Place {
    std::shared_ptr<DirectoryNode> parent;
    std::string name;  // empty: the root itself
  };

  // Where the entry goes, with the directories above made. No link is followed on the way.
  ErrnoResult<Place> place(std::string_view path) {
    SELVEDGE_TRY_ERRNO_VOID(validate_path(path));
    Place place{.parent = root_, .name = {}};
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      const std::string_view part = path.substr(0, slash);
      path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
      if (part.empty() || part == ".") {
        continue;
      }
      if (part == "..") {
        return refuse(Errno::kPerm);
      }
      if (!place.name.empty()) {
        SELVEDGE_TRY_ERRNO(place.parent, enter_or_make(*place.parent, place.name));
      }
      place.name = part;
    }
    return place;
  }

  static ErrnoResult<std::shared_ptr<DirectoryNode>> enter_or_make(DirectoryNode& parent,
                                                                   std::string_view name) {
    auto entered = parent.enter(name);
    if (entered || entered.error() != Errno::kNoent) {
      return entered;
    }
    SELVEDGE_TRY_ERRNO_VOID(parent.make_directory(name));
    return parent.enter(name);
  }

  Result<> unpack(archive_entry* entry) {
    const std::string path(pathname(entry));
    auto place = this->place(path);
    if (!place) {
      return refused(path, place.error());
    }
    const std::string hard_link(hard_link_target(entry));
    ErrnoResult<> made;
    if (place->name.empty()) {
      return {};  // the root, which exists
    }
    if (!hard_link.empty()) {
      made = make_hard_link(hard_link, *place);
    } else {
      switch (archive_entry_filetype(entry)) {
        case AE_IFDIR:
          made = make_directory(*place);
          break;
        case AE_IFREG: {
          SELVEDGE_TRY(made, make_file(path, *place));
          break;
        }
        case AE_IFLNK: {
          const std::string target(symbolic_link_target(entry));
          if (!validate_link_target(target)) {
            return {};
          }
          remove_existing(*place);
          made = place->parent->make_symlink(place->name, target);
          break;
        }
        default:
          return {};
      }
    }
    if (made) {
      made = set_modification_time(entry, *place);
    }
    if (!made) {
      return refused(path, made.error());
    }
    return {};
  }

  // A later entry replaces an earlier one of the same name, as tar does.
  static void remove_existing(Place& place) { static_cast<void>(place.parent->unlink(place.name)); }

  static ErrnoResult<> make_directory(Place& place) {
    SELVEDGE_TRY_ERRNO_VOID(enter_or_make(*place.parent, place.name));
    return {};
  }

  ErrnoResult<> make_hard_link(std::string_view target, Place& to) {
    SELVEDGE_TRY_ERRNO(Place from, place(target));
    if (from.name.empty()) {
      return refuse(Errno::kPerm);
    }
    if (from.parent->stat(from.name).has_value()) {
      remove_existing(to);
    }
    return from.parent->link(from.name, *to.parent, to.name);
  }

  Result<ErrnoResult<>> make_file(std::string_view path, Place& place) {
    remove_existing(place);
    auto file =
        place.parent->open_file(place.name, {.write = true, .create = true, .exclusive = true});
    if (!file) {
      return refused(path, file.error());
    }
    std::vector<std::byte> buffer(kReadBytes);
    for (;;) {
      const la_ssize_t count = archive_read_data(handle_, buffer.data(), buffer.size());
      if (count == 0) {
        return ErrnoResult<>();
      }
      if (count < 0) {
        return broken(handle_);
      }
      base::ByteSpan rest(buffer.data(), static_cast<std::size_t>(count));
      while (!rest.empty()) {
        const std::array pieces{rest};
        auto written = (*file)->write(pieces);
        if (!written) {
          return refused(path, written.error());
        }
        rest = rest.subspan(*written);
      }
    }
  }

  ErrnoResult<> set_modification_time(archive_entry* entry, Place& place) {
    const time_t seconds = archive_entry_mtime(entry);
    if (seconds < 0) {
      return {};
    }
    const auto value = static_cast<std::uint64_t>(seconds) * kNanosecondsPerSecond +
                       static_cast<std::uint64_t>(archive_entry_mtime_nsec(entry));
    const auto times = TimesChange::from(value, value, Fstflags::kAtim | Fstflags::kMtim);
    if (!times) {
      return {};
    }
    if (archive_entry_filetype(entry) == AE_IFDIR && hard_link_target(entry).empty()) {
      directory_times_.emplace_back(std::move(place), *times);
      return {};
    }
    return place.parent->set_times(place.name, *times);
  }

  // Last, because unpacking into a directory changes its times.
  Result<> apply_directory_times() {
    for (const auto& [place, times] : directory_times_) {
      static_cast<void>(place.parent->set_times(place.name, times));
    }
    return {};
  }

  archive* const handle_;
  const std::shared_ptr<DirectoryNode> root_;
  std::vector<std::pair<Place, TimesChange>> directory_times_;
};

Result<ArchiveHandle> make_reader() {
  ArchiveHandle handle(archive_read_new());
  if (handle == nullptr || archive_read_support_format_tar(handle.get()) != ARCHIVE_OK) {
    return fail(ErrorKind::kInternal, "libarchive cannot be set up");
  }
  // A filter that this build of libarchive lacks fails on the archive that needs it, not here.
  archive_read_support_filter_gzip(handle.get());
  archive_read_support_filter_zstd(handle.get());
  archive_read_support_filter_xz(handle.get());
  archive_read_support_filter_bzip2(handle.get());
  archive_read_set_options(handle.get(), "hdrcharset=UTF-8");
  return handle;
}

Result<std::shared_ptr<FileSystem>> unpack(archive* handle, const ArchiveOptions& options) {
  auto file_system = MemoryFileSystem::create({.clock = options.clock,
                                               .bytes_max = options.limits.bytes_max,
                                               .entries_max = options.limits.entries_max,
                                               .file_bytes_max = options.limits.bytes_max,
                                               .device = options.device});
  if (!file_system) {
    return fail(ErrorKind::kInternal, "a memory file system cannot be made");
  }
  SELVEDGE_TRY_VOID(Unpacker(handle, (*file_system)->root()).run());
  (*file_system)->freeze();
  return std::shared_ptr<FileSystem>(std::move(*file_system));
}

}  // namespace

Result<std::shared_ptr<FileSystem>> read_archive(base::ByteSpan archive,
                                                 const ArchiveOptions& options) {
  SELVEDGE_TRY(const ArchiveHandle handle, make_reader());
  if (archive_read_open_memory(handle.get(), archive.data(), archive.size()) != ARCHIVE_OK) {
    return broken(handle.get());
  }
  return unpack(handle.get(), options);
}

Result<std::shared_ptr<FileSystem>> open_archive(const std::string& path,
                                                 const ArchiveOptions& options) {
  SELVEDGE_TRY(const ArchiveHandle handle, make_reader());
  if (archive_read_open_filename(handle.get(), path.c_str(), kReadBytes) != ARCHIVE_OK) {
    return broken(handle.get());
  }
  auto unpacked = unpack(handle.get(), options);
  if (!unpacked) {
    return fail(std::move(unpacked).error().with_context(path));
  }
  return unpacked;
}

}  // namespace selvedge::wasix
