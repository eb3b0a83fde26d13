// Paths and links from the fuzzer, on a tree in memory and on one of the host behind a wall:
// whatever the path, both agree on the outcome, and nothing outside is reached.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/system.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_path.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::errno_of;

// Lines of the input: even ones are paths, odd ones texts of links.
std::vector<std::string> lines(std::string_view input) {
  std::vector<std::string> result;
  while (!input.empty() && result.size() < 8) {
    const std::size_t end = input.find('\n');
    result.emplace_back(input.substr(0, end));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
  return result;
}

std::string outcome(Directory& root, const std::vector<std::string>& script) {
  std::string said;
  const auto say = [&said](Errno error) { said += std::to_string(static_cast<int>(error)) + ' '; };
  for (std::size_t i = 0; i + 1 < script.size(); i += 2) {
    say(errno_of(root.symlink(script[i + 1], script[i])));
  }
  for (const std::string& path : script) {
    say(errno_of(root.stat(path, Follow::kYes)));
    const auto content = testing::get(root, path);
    SELVEDGE_ASSERT(!content || content->find("secret") == std::string::npos);
    say(errno_of(content));
    say(errno_of(root.make_directory(path)));
    say(errno_of(testing::put(root, path, "put")));
    say(errno_of(root.read_link(path)));
    say(errno_of(root.rename("f", root, path)));
    say(errno_of(root.rename(path, root, "f")));
    say(errno_of(root.link("f", root, path)));
    say(errno_of(root.make_socket(path)));
    say(errno_of(root.unlink(path)));
    say(errno_of(root.remove_directory(path)));
  }
  return said;
}

void fill(Directory& root) {
  SELVEDGE_ASSERT(root.make_directory("d").has_value());
  SELVEDGE_ASSERT(testing::put(root, "f", "f").has_value());
  SELVEDGE_ASSERT(root.symlink("d", "l").has_value());
}

void run(std::string_view input) {
  const auto script = lines(input);
  const base::SystemClock clock;
  auto memory = *MemoryFileSystem::create({.clock = clock});
  const testing::TemporaryDirectory outside;
  std::ofstream(outside.path() / "secret") << "secret";
  std::filesystem::create_directories(outside.path() / "inside");
  auto host = *HostDirectory::create(
      {.path = outside.path() / "inside", .avoid_openat2 = input.size() % 2 == 0});
  fill(*memory->open_root());
  fill(*host->open_root());
  // With and without a root for links to absolute paths.
  const auto open = [has_root = input.size() % 4 >= 2](FileSystem& files) {
    auto root = files.open_root();
    return has_root ? root->reopen_as_root() : std::move(root);
  };
  const std::string expected = outcome(*open(*host), script);
  const std::string actual = outcome(*open(*memory), script);
  SELVEDGE_ASSERT(expected == actual);
  SELVEDGE_ASSERT(std::filesystem::exists(outside.path() / "secret"));
}

}  // namespace
}  // namespace selvedge::wasix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 2 * selvedge::wasix::kPathBytesMax) {
    selvedge::wasix::run(selvedge::base::as_text(std::as_bytes(std::span(data, size))));
  }
  return 0;
}
