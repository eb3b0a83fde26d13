#include "wasix/testing/file_systems.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "wasix/fs_devices.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_merged.h"
#include "wasix/fs_mounts.h"

namespace selvedge::wasix::testing {
namespace {

std::shared_ptr<FileSystem> host(const std::filesystem::path& path, bool avoid_openat2) {
  auto made = HostDirectory::create({.path = path, .avoid_openat2 = avoid_openat2});
  SELVEDGE_ASSERT(made.has_value());
  return *made;
}

std::shared_ptr<MemoryFileSystem> memory(const base::Clock& clock,
                                         std::shared_ptr<FileSystem> lower) {
  auto made = MemoryFileSystem::create({.clock = clock, .lower = std::move(lower)});
  SELVEDGE_ASSERT(made.has_value());
  return *made;
}

std::shared_ptr<FileSystem> make(Kind kind, const std::filesystem::path& directory,
                                 const base::Clock& clock) {
  switch (kind) {
    case Kind::kHost:
    case Kind::kHostByName:
      return host(directory, kind == Kind::kHostByName);
    case Kind::kMemory:
      return memory(clock, nullptr);
    case Kind::kOverlay:
      return memory(clock, host(directory, false));
    case Kind::kOverlayMemory: {
      auto lower = memory(clock, nullptr);
      lower->freeze();
      return memory(clock, std::move(lower));
    }
    case Kind::kMounted: {
      auto table = MountTable::create(
          {.clock = clock, .mounts = {{.path = "/", .file_system = memory(clock, nullptr)}}});
      SELVEDGE_ASSERT(table.has_value());
      return *table;
    }
    case Kind::kMerged:
    case Kind::kMergedHost: {
      std::shared_ptr<FileSystem> files =
          kind == Kind::kMerged ? memory(clock, nullptr) : host(directory, false);
      return merge_file_systems(std::move(files), "/", *make_device_file_system(clock),
                                {.lists_added = false});
    }
  }
  return nullptr;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = std::filesystem::temp_directory_path() / "selvedge_fs_XXXXXX";
  SELVEDGE_ASSERT(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string to_string(Kind kind) {
  switch (kind) {
    case Kind::kHost:
      return "Host";
    case Kind::kHostByName:
      return "HostByName";
    case Kind::kMemory:
      return "Memory";
    case Kind::kOverlay:
      return "Overlay";
    case Kind::kOverlayMemory:
      return "OverlayMemory";
    case Kind::kMounted:
      return "Mounted";
    case Kind::kMerged:
      return "Merged";
    case Kind::kMergedHost:
      return "MergedHost";
  }
  return "unknown";
}

FileSystemUnderTest::FileSystemUnderTest(Kind kind)
    : file_system_(make(kind, directory_.path(), clock_)), root_(file_system_->open_root()) {}

ErrnoResult<std::shared_ptr<File>> open_file(Directory& directory, std::string_view path,
                                             OpenOptions options) {
  SELVEDGE_TRY_ERRNO(auto opened, directory.open(path, options));
  auto* file = std::get_if<std::shared_ptr<File>>(&opened);
  return file == nullptr ? ErrnoResult<std::shared_ptr<File>>(refuse(Errno::kIsdir)) : *file;
}

ErrnoResult<std::shared_ptr<Directory>> open_directory(Directory& directory,
                                                       std::string_view path) {
  SELVEDGE_TRY_ERRNO(auto opened, directory.open(path, {.oflags = Oflags::kDirectory}));
  return std::get<std::shared_ptr<Directory>>(opened);
}

ErrnoResult<std::size_t> write_text(File& file, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const std::array rest{base::as_bytes(text.substr(done))};
    SELVEDGE_TRY_ERRNO(const std::size_t count, file.write(rest));
    done += count;
  }
  return done;
}

ErrnoResult<std::string> read_text(File& file, std::size_t count) {
  std::string text(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const std::array rest{std::as_writable_bytes(std::span(text).subspan(done))};
    SELVEDGE_TRY_ERRNO(const std::size_t read, file.read(rest, Wait::kAllowed));
    if (read == 0) {
      break;
    }
    done += read;
  }
  text.resize(done);
  return text;
}

ErrnoResult<> put(Directory& directory, std::string_view path, std::string_view text) {
  SELVEDGE_TRY_ERRNO(
      auto file,
      open_file(directory, path, {.oflags = Oflags::kCreat | Oflags::kTrunc, .write = true}));
  SELVEDGE_TRY_ERRNO_VOID(write_text(*file, text));
  return {};
}

ErrnoResult<std::string> get(Directory& directory, std::string_view path) {
  SELVEDGE_TRY_ERRNO(auto file, open_file(directory, path, {.follow = Follow::kYes, .read = true}));
  SELVEDGE_TRY_ERRNO(const FileStat stat, file->stat());
  return read_text(*file, static_cast<std::size_t>(stat.size) + 1);
}

std::vector<std::string> list(Directory& directory) {
  EntryCollector collector;
  SELVEDGE_ASSERT(directory.read_entries(0, collector).has_value());
  std::vector<std::string> names;
  for (const auto& entry : collector.seen) {
    if (entry.name != "." && entry.name != "..") {
      names.push_back(entry.name + (entry.filetype == Filetype::kDirectory      ? "/"
                                    : entry.filetype == Filetype::kSymbolicLink ? "@"
                                                                                : ""));
    }
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> list(Directory& directory, std::string_view path) {
  auto opened = open_directory(directory, path);
  SELVEDGE_ASSERT(opened.has_value());
  return list(**opened);
}

bool EntryCollector::add(const DirectoryEntry& entry) {
  if (seen.size() == max_) {
    return false;
  }
  seen.push_back({.name = std::string(entry.name),
                  .ino = entry.ino,
                  .filetype = entry.filetype,
                  .next_cookie = entry.next_cookie});
  return true;
}

}  // namespace selvedge::wasix::testing
