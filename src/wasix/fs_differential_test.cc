// Random operations on two file systems at once: a host directory, where Linux decides what is
// right, and one of ours. After each operation the results must be equal, after each run the whole
// trees.
//
// A failure prints its seed; SELVEDGE_FS_SEED=<seed> runs that one alone.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/format.h"
#include "base/random.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_mounts.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::errno_of;
using testing::TemporaryDirectory;

constexpr int kSeeds = 30;
constexpr int kOperations = 400;
constexpr std::size_t kHandlesMax = 6;

// The same handles on both sides, under the same numbers.
struct Side {
  std::vector<std::shared_ptr<File>> files;
  std::vector<std::shared_ptr<Directory>> directories;
};

std::string describe(const ErrnoResult<FileStat>& stat) {
  if (!stat) {
    return fmt::format("errno {}", static_cast<int>(stat.error()));
  }
  const bool directory = stat->filetype == Filetype::kDirectory;
  return fmt::format("type {} nlink {} size {}", static_cast<int>(stat->filetype), stat->nlink,
                     directory ? 0 : stat->size);
}

template <class T>
std::string describe(const ErrnoResult<T>& result) {
  if constexpr (std::is_void_v<T>) {
    return fmt::format("errno {}", static_cast<int>(errno_of(result)));
  } else {
    return result ? fmt::format("value '{}'", *result)
                  : fmt::format("errno {}", static_cast<int>(result.error()));
  }
}

class Operations {
 public:
  explicit Operations(std::uint64_t seed) : random_(seed) {}

  // Chooses an operation and does it on both; what each said.
  std::pair<std::string, std::string> step(Side& a, Side& b) {
    const std::uint64_t choice = random_.below(100);
    if (choice < 25) {
      return open(a, b);
    }
    if (choice < 60 && !a.files.empty()) {
      return use_file(a, b);
    }
    return use_directory(a, b);
  }
  const std::string& last() const { return last_; }

 private:
  std::string path() {
    static constexpr const char* kNames[] = {"a", "b", "c", "d", "low", "low2", "l"};
    std::string result;
    const std::uint64_t depth = 1 + random_.below(3);
    for (std::uint64_t i = 0; i < depth; ++i) {
      if (i != 0) {
        result += random_.below(20) == 0 ? "//" : "/";
      }
      const std::uint64_t special = random_.below(25);
      result += special == 0 ? ".." : special == 1 ? "." : kNames[random_.below(7)];
    }
    if (random_.below(12) == 0) {
      result += "/";
    }
    return result;
  }

  std::pair<std::string, std::string> open(Side& a, Side& b) {
    const OpenOptions options{
        .follow = random_.below(2) == 0 ? Follow::kYes : Follow::kNo,
        .oflags = static_cast<Oflags>(random_.below(3) == 0 ? random_.below(16) : random_.below(2)),
        .fdflags = random_.below(4) == 0 ? Fdflags::kAppend : Fdflags::kNone,
        .read = random_.below(4) != 0,
        .write = random_.below(2) == 0};
    const std::string name = path();
    const std::size_t base = random_.below(a.directories.size());
    const std::size_t slot = random_.below(kHandlesMax);
    last_ = fmt::format("open {} oflags {} follow {} read {} write {} in {}", name,
                        static_cast<int>(options.oflags), static_cast<int>(options.follow),
                        options.read, options.write, base);
    return {open_on(a, base, name, options, slot), open_on(b, base, name, options, slot)};
  }

  static std::string open_on(Side& side, std::size_t base, const std::string& name,
                             const OpenOptions& options, std::size_t slot) {
    auto opened = side.directories[base]->open(name, options);
    if (!opened) {
      return fmt::format("errno {}", static_cast<int>(opened.error()));
    }
    if (auto* file = std::get_if<std::shared_ptr<File>>(&*opened)) {
      keep(side.files, *file, slot);
      return "file";
    }
    // Slot 0 is the root and stays.
    keep(side.directories, std::get<std::shared_ptr<Directory>>(*opened), slot + 1);
    return "directory";
  }

  template <class T>
  static void keep(std::vector<T>& handles, T handle, std::size_t slot) {
    if (slot < handles.size()) {
      handles[slot] = std::move(handle);
    } else {
      handles.push_back(std::move(handle));
    }
  }

  std::pair<std::string, std::string> use_file(Side& a, Side& b) {
    const std::size_t index = random_.below(a.files.size());
    const std::uint64_t operation = random_.below(8);
    // Around the block boundary as well as at the start.
    const std::uint64_t offset =
        random_.below(3) == 0 ? 65536 - 20 + random_.below(40) : random_.below(64);
    const std::uint64_t length = 1 + random_.below(50);
    const std::string text(length, static_cast<char>('A' + random_.below(26)));
    last_ =
        fmt::format("file {} operation {} offset {} length {}", index, operation, offset, length);
    return {use_file_on(*a.files[index], operation, offset, text),
            use_file_on(*b.files[index], operation, offset, text)};
  }

  static std::string use_file_on(File& file, std::uint64_t operation, std::uint64_t offset,
                                 const std::string& text) {
    const std::array source{base::as_bytes(text)};
    std::string bytes(text.size(), '.');
    const std::array target{std::as_writable_bytes(std::span(bytes))};
    std::string said;
    switch (operation) {
      case 0:
        said = describe(file.read(target, Wait::kAllowed));
        break;
      case 1:
        said = describe(file.pread(target, offset, Wait::kAllowed));
        break;
      case 2:
      case 3:
        said = describe(file.write(source));
        break;
      case 4:
        said = describe(file.pwrite(source, offset));
        break;
      case 5:
        said = describe(
            file.seek(static_cast<std::int64_t>(offset), static_cast<Whence>(text.size() % 3)));
        break;
      case 6:
        said = describe(file.set_size(offset));
        break;
      default:
        said = describe(file.allocate(offset, text.size()));
        break;
    }
    return said + " bytes " + bytes + " at " + std::to_string(file.tell()) + " " +
           describe(file.stat());
  }

  std::pair<std::string, std::string> use_directory(Side& a, Side& b) {
    static constexpr const char* kTargets[] = {"a",  "b/c", "../a", "..",   "a/../b",
                                               "c/", "./d", "l",    "low/x"};
    const std::size_t from = random_.below(a.directories.size());
    const std::size_t to = random_.below(a.directories.size());
    const std::uint64_t operation = random_.below(11);
    const std::string first = path();
    const std::string second = operation == 5 ? kTargets[random_.below(9)] : path();
    last_ = fmt::format("directory operation {} {}:{} {}:{}", operation, from, first, to, second);
    return {use_directory_on(*a.directories[from], *a.directories[to], operation, first, second),
            use_directory_on(*b.directories[from], *b.directories[to], operation, first, second)};
  }

  static std::string use_directory_on(Directory& from, Directory& to, std::uint64_t operation,
                                      const std::string& first, const std::string& second) {
    switch (operation) {
      case 0:
      case 1:
        return describe(from.make_directory(first));
      case 2:
        return describe(from.remove_directory(first));
      case 3:
        return describe(from.unlink(first));
      case 4:
        return describe(from.link(first, to, second));
      case 5:
        return describe(from.symlink(second, first));
      case 6:
        return describe(from.read_link(first));
      case 7:
        return describe(from.stat(first, Follow::kNo));
      case 8:
        return describe(from.stat(first, Follow::kYes));
      default:
        return describe(from.rename(first, to, second));
    }
  }

  base::SeededRandom random_;
  std::string last_;
};

void describe_tree(Directory& directory, const std::string& prefix, std::string& out) {
  for (const std::string& entry : testing::list(directory)) {
    const bool is_directory = entry.back() == '/';
    const bool is_link = entry.back() == '@';
    const std::string name = is_directory || is_link ? entry.substr(0, entry.size() - 1) : entry;
    out += prefix + entry + " " + describe(directory.stat(name, Follow::kNo));
    if (is_directory) {
      out += "\n";
      auto child = testing::open_directory(directory, name);
      ASSERT_TRUE(child);
      describe_tree(**child, prefix + entry, out);
    } else {
      const std::string content =
          is_link ? *directory.read_link(name) : *testing::get(directory, name);
      out += content.size() < 100 ? content : std::to_string(std::hash<std::string>{}(content));
      out += "\n";
    }
  }
}

// What is below the overlay, and in the host directory from the start.
void fill(const std::filesystem::path& path) {
  std::filesystem::create_directories(path / "low/low2/a");
  std::filesystem::create_directories(path / "d/low");
  std::ofstream(path / "low/x") << "lower x";
  std::ofstream(path / "low/a") << std::string(70'000, 'L');
  std::ofstream(path / "low2") << "lower low2";
  std::filesystem::create_hard_link(path / "low2", path / "low/c");
  std::filesystem::create_symlink("low/low2", path / "l");
  std::ofstream(path / "d/b") << "b";
}

std::shared_ptr<FileSystem> host(const std::filesystem::path& path, bool avoid_openat2 = false) {
  return *HostDirectory::create({.path = path, .avoid_openat2 = avoid_openat2});
}

enum class Subject : unsigned char { kMemory, kOverlay, kHostByName };

void run(Subject subject, std::uint64_t seed) {
  const base::SystemClock clock;
  const TemporaryDirectory oracle_directory;
  const TemporaryDirectory lower_directory;
  std::shared_ptr<FileSystem> lower;
  if (subject != Subject::kMemory) {
    fill(oracle_directory.path());
    fill(lower_directory.path());
    lower = host(lower_directory.path(), subject == Subject::kHostByName);
  }
  const auto oracle = host(oracle_directory.path());
  const auto tested = subject == Subject::kHostByName
                          ? lower
                          : *MemoryFileSystem::create({.clock = clock, .lower = lower});
  Side a{.files = {}, .directories = {oracle->open_root()}};
  Side b{.files = {}, .directories = {tested->open_root()}};
  Operations operations(seed);
  for (int i = 0; i < kOperations; ++i) {
    const auto [expected, actual] = operations.step(a, b);
    ASSERT_EQ(expected, actual) << "seed " << seed << " step " << i << ": " << operations.last();
  }
  std::string expected;
  std::string actual;
  describe_tree(*a.directories[0], "", expected);
  describe_tree(*b.directories[0], "", actual);
  ASSERT_EQ(expected, actual) << "seed " << seed;
}

void run_seeds(Subject subject) {
  if (const char* fixed = std::getenv("SELVEDGE_FS_SEED")) {
    run(subject, std::strtoull(fixed, nullptr, 10));
    return;
  }
  for (std::uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFatalFailure(); ++seed) {
    run(subject, seed);
  }
}

TEST(FileSystemDifferential, Memory_RandomOperations_EqualLinux) { run_seeds(Subject::kMemory); }
TEST(FileSystemDifferential, Overlay_RandomOperations_EqualLinux) { run_seeds(Subject::kOverlay); }
TEST(FileSystemDifferential, HostByName_RandomOperations_EqualOpenat2) {
  run_seeds(Subject::kHostByName);
}

}  // namespace
}  // namespace selvedge::wasix
