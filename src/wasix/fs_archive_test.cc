#include "wasix/fs_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/system.h"
#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::get;
using ::testing::HasSubstr;
using testing::list;
using testing::put;

struct Item {
  std::string path;
  unsigned type = AE_IFREG;
  std::string content = {};  // or the target of a link
  bool hard_link = false;
};

// A tar of the items, pax if a name needs it, compressed by `filter`.
std::string make_archive(const std::vector<Item>& items, int filter = ARCHIVE_FILTER_NONE) {
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_add_filter(writer, filter);
  std::string bytes(1 << 20, '\0');
  std::size_t used = 0;
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const Item& item : items) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 1'700'000'000, 0);
    archive_entry_set_filetype(entry, item.type);
    if (item.hard_link) {
      archive_entry_set_hardlink(entry, item.content.c_str());
    } else if (item.type == AE_IFLNK) {
      archive_entry_set_symlink(entry, item.content.c_str());
    } else {
      archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
    }
    archive_write_header(writer, entry);
    if (item.type == AE_IFREG && !item.hard_link) {
      archive_write_data(writer, item.content.data(), item.content.size());
    }
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

class Archives : public ::testing::Test {
 protected:
  Result<std::shared_ptr<FileSystem>> read(const std::string& bytes, ArchiveLimits limits = {}) {
    return read_archive(base::as_bytes(bytes), {.clock = clock_, .limits = limits});
  }
  base::SystemClock clock_;
};

TEST_F(Archives, Tar_IsUnpacked) {
  const std::string long_name = "lib/" + std::string(120, 'n') + "/" + std::string(120, 'm');
  const std::vector<Item> items{
      {.path = "./", .type = AE_IFDIR},
      {.path = "./bin/tool", .content = "tool"},
      {.path = "lib", .type = AE_IFDIR},
      {.path = long_name, .content = std::string(200'000, 'x')},
      {.path = "lib/link", .type = AE_IFLNK, .content = "../bin/tool"},
      {.path = "lib/hard", .content = "bin/tool", .hard_link = true},
      {.path = "caf\xc3\xa9", .content = "unicode"},
      {.path = "fifo", .type = AE_IFIFO},
      {.path = "absolute", .type = AE_IFLNK, .content = "/etc/passwd"},
      {.path = "empty", .content = ""},
      {.path = "twice", .content = "first"},
      {.path = "twice", .content = "second"},
  };
  for (const int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP}) {
    auto file_system = read(make_archive(items, filter));
    ASSERT_TRUE(file_system) << file_system.error().message();
    auto root = (*file_system)->open_root();
    EXPECT_THAT(list(*root),
                ElementsAre("absolute@", "bin/", "caf\xc3\xa9", "empty", "lib/", "twice"));
    EXPECT_EQ(errno_of(root->stat("absolute", Follow::kYes)), Errno::kPerm);
    EXPECT_EQ(get(*root, "bin/tool"), "tool");
    EXPECT_EQ(get(*root, "lib/link"), "tool");
    EXPECT_EQ(get(*root, "lib/hard"), "tool");
    EXPECT_EQ(get(*root, long_name)->size(), 200'000U);
    EXPECT_EQ(get(*root, "twice"), "second");
    EXPECT_EQ(root->stat("bin/tool", Follow::kNo)->nlink, 2U);
    EXPECT_EQ(root->stat("bin/tool", Follow::kNo)->mtim, 1'700'000'000'000'000'000U);
    EXPECT_EQ(root->stat("lib", Follow::kNo)->mtim, 1'700'000'000'000'000'000U);
    EXPECT_EQ(errno_of(put(*root, "n", "")), Errno::kRofs);
    // As the lower layer of a writable one.
    auto overlay = *MemoryFileSystem::create({.clock = clock_, .lower = *file_system});
    ASSERT_TRUE(put(*overlay->open_root(), "bin/tool", "changed"));
    EXPECT_EQ(get(*overlay->open_root(), "lib/hard"), "changed");
    EXPECT_EQ(get(*root, "bin/tool"), "tool");
  }
}

TEST_F(Archives, HostilePaths_AreRefused) {
  for (const char* path : {"/etc/passwd", "../out", "a/../../out", "a/..", "bad\xff"}) {
    auto file_system = read(make_archive({{.path = path, .content = "x"}}));
    ASSERT_FALSE(file_system) << path;
    EXPECT_EQ(file_system.error().kind(), ErrorKind::kInvalid);
  }
  // Through a link of the same archive, in either form.
  auto through = read(make_archive({{.path = "d", .type = AE_IFDIR},
                                    {.path = "l", .type = AE_IFLNK, .content = "d"},
                                    {.path = "l/f", .content = "x"}}));
  EXPECT_FALSE(through);
  auto hard = read(make_archive({{.path = "f", .content = "../../x", .hard_link = true}}));
  EXPECT_FALSE(hard);
}

TEST_F(Archives, AboveTheLimits_IsRefused) {
  const std::vector<Item> items{{.path = "a", .content = std::string(100'000, 'a')},
                                {.path = "b", .content = ""}};
  auto bytes = read(make_archive(items, ARCHIVE_FILTER_GZIP), {.bytes_max = 65536});
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().kind(), ErrorKind::kOverloaded);
  EXPECT_THAT(bytes.error().message(), HasSubstr("'a'"));
  auto entries = read(make_archive(items), {.entries_max = 1});
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().kind(), ErrorKind::kOverloaded);
}

TEST_F(Archives, DamagedBytes_AreRefusedOrHarmless) {
  const std::string whole = make_archive(
      {{.path = "a", .content = std::string(5000, 'a')}, {.path = "b/c", .content = "c"}});
  EXPECT_FALSE(read("this is no archive"));
  EXPECT_FALSE(read(whole.substr(0, 3000)));
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    static_cast<void>(read(whole.substr(0, size)));
  }
  for (std::size_t i = 0; i < 1536; i += 3) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(~damaged[i]);
    static_cast<void>(read(damaged));
  }
  const std::string compressed =
      make_archive({{.path = "a", .content = std::string(50'000, 'a')}}, ARCHIVE_FILTER_GZIP);
  EXPECT_FALSE(read(compressed.substr(0, compressed.size() / 2)));
}

TEST_F(Archives, File_IsNamedInErrors) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.path() / "x.tar";
  EXPECT_THAT(open_archive(path, {.clock = clock_}).error().message(), HasSubstr("x.tar"));
  std::ofstream(path) << make_archive({{.path = "f", .content = "from a file"}});
  auto file_system = open_archive(path, {.clock = clock_});
  ASSERT_TRUE(file_system);
  EXPECT_EQ(get(*(*file_system)->open_root(), "f"), "from a file");
}

}  // namespace
}  // namespace selvedge::wasix
