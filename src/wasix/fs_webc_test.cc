#include "wasix/fs_webc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"
#include "wire/testing/webc_files.h"
#include "wire/webc_reader.h"
#include "wire/webc_writer.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::get;
using testing::list;
using testing::open_file;
using testing::put;
using testing::read_text;
using wire::testing::file;
using wire::testing::folder;
using wire::testing::link;
using wire::testing::weak_sha256;

// A package in memory that tells when it goes away.
struct Held {
  std::vector<std::byte> bytes;
  wire::WebcPackage package;
  bool* gone;

  Held(std::vector<std::byte> all, bool& flag)
      : bytes(std::move(all)), package(*wire::WebcPackage::open(bytes)), gone(&flag) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { *gone = true; }
};

class WebcVolumes : public ::testing::Test {
 protected:
  static std::vector<std::byte> package(wire::WebcVersion version) {
    std::vector<wire::WebcNode> children{
        file("index.html", "<p>hello</p>", 1'700'000'000), file("empty", ""),
        folder("lib", {file("a", "A"), folder("deep", {file("b", "B")})}, 1'600'000'000)};
    if (version == wire::WebcVersion::kV3) {
      children.push_back(link("home", "index.html"));
      children.push_back(link("inner", "lib/deep"));
      children.push_back(link("loop", "loop"));
    }
    const std::vector<wire::WebcVolume> volumes{
        {.name = "v", .root = folder("", std::move(children))}};
    return wire::write_webc({.manifest = {}, .atoms = {}, .volumes = volumes},
                            {.sha256 = &weak_sha256, .version = version})
        ->to_bytes();
  }

  std::shared_ptr<FileSystem> view(wire::WebcVersion version = wire::WebcVersion::kV3,
                                   WebcFileSystemOptions options = {}) {
    auto held = std::make_shared<Held>(package(version), gone_);
    const wire::WebcNode* root = &held->package.find_volume("v")->root;
    return make_webc_file_system({std::move(held), root}, options);
  }

  bool gone_ = false;
  base::SystemClock clock_;
};

TEST_F(WebcVolumes, Files_AreRead) {
  const auto root = view()->open_root();
  EXPECT_THAT(list(*root), ElementsAre("empty", "home@", "index.html", "inner@", "lib/", "loop@"));
  EXPECT_THAT(list(*root, "lib"), ElementsAre("a", "deep/"));
  EXPECT_EQ(get(*root, "index.html"), "<p>hello</p>");
  EXPECT_EQ(get(*root, "empty"), "");
  EXPECT_EQ(get(*root, "lib/deep/b"), "B");
  EXPECT_EQ(errno_of(get(*root, "nothing")), Errno::kNoent);
  EXPECT_EQ(errno_of(get(*root, "lib/a/x")), Errno::kNotdir);
}

TEST_F(WebcVolumes, Links_AreFollowedInside) {
  const auto root = view()->open_root();
  EXPECT_EQ(get(*root, "home"), "<p>hello</p>");
  EXPECT_EQ(get(*root, "inner/b"), "B");
  EXPECT_EQ(get(*root, "inner/../a"), "A");
  EXPECT_EQ(root->read_link("inner"), "lib/deep");
  EXPECT_EQ(errno_of(root->read_link("lib")), Errno::kInval);
  EXPECT_EQ(errno_of(get(*root, "loop")), Errno::kLoop);
  EXPECT_EQ(errno_of(root->stat("../x", Follow::kYes)), Errno::kPerm);
}

// A folder of a volume may be mounted alone; what led out of it then leads nowhere.
TEST_F(WebcVolumes, AFolderAlone_IsConfined) {
  const std::vector<wire::WebcVolume> volumes{
      {.name = "v",
       .root = folder("", {file("secret", "s"), folder("d", {link("out", "../secret")})})}};
  const auto image =
      wire::write_webc({.manifest = {}, .atoms = {}, .volumes = volumes}, {.sha256 = &weak_sha256});
  auto held = std::make_shared<Held>(image->to_bytes(), gone_);
  const wire::WebcNode* inner = held->package.find_volume("v")->root.find("d");
  const auto root = make_webc_file_system({std::move(held), inner}, {})->open_root();
  EXPECT_THAT(list(*root), ElementsAre("out@"));
  EXPECT_EQ(errno_of(get(*root, "out")), Errno::kPerm);
}

TEST_F(WebcVolumes, Attributes_AreThoseOfThePackage) {
  const auto root = view(wire::WebcVersion::kV3, {.device = 77})->open_root();
  const auto index = root->stat("index.html", Follow::kNo);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->dev, 77U);
  EXPECT_EQ(index->size, 12U);
  EXPECT_EQ(index->filetype, Filetype::kRegularFile);
  EXPECT_EQ(index->mtim, 1'700'000'000'000'000'000U);
  EXPECT_EQ(root->stat("lib", Follow::kNo)->mtim, 1'600'000'000'000'000'000U);
  EXPECT_EQ(root->stat("home", Follow::kNo)->filetype, Filetype::kSymbolicLink);
  EXPECT_EQ(root->stat("home", Follow::kNo)->size, 10U);
  EXPECT_EQ(root->stat("home", Follow::kYes)->ino, index->ino);
  const auto old = view(wire::WebcVersion::kV2, {.default_time = 5})->open_root();
  EXPECT_EQ(old->stat("index.html", Follow::kNo)->mtim, 5U);
}

TEST_F(WebcVolumes, Listing_NumbersAreThoseOfStat) {
  const auto root = view()->open_root();
  testing::EntryCollector all;
  ASSERT_TRUE(root->read_entries(0, all));
  ASSERT_EQ(all.seen.size(), 8U);
  EXPECT_EQ(all.seen[0].name, ".");
  EXPECT_EQ(all.seen[1].name, "..");
  EXPECT_EQ(all.seen[0].ino, root->stat()->ino);
  for (std::size_t i = 2; i < all.seen.size(); ++i) {
    EXPECT_EQ(all.seen[i].ino, root->stat(all.seen[i].name, Follow::kNo)->ino);
  }
  // From the cookie of each, exactly the ones behind it.
  for (std::size_t i = 0; i < all.seen.size(); ++i) {
    testing::EntryCollector rest;
    ASSERT_TRUE(root->read_entries(all.seen[i].next_cookie, rest));
    ASSERT_EQ(rest.seen.size(), all.seen.size() - i - 1);
    if (!rest.seen.empty()) {
      EXPECT_EQ(rest.seen[0].name, all.seen[i + 1].name);
    }
  }
  testing::EntryCollector none;
  ASSERT_TRUE(root->read_entries(UINT64_MAX, none));
  EXPECT_TRUE(none.seen.empty());
}

TEST_F(WebcVolumes, NothingCanBeChanged) {
  const auto root = view()->open_root();
  EXPECT_EQ(errno_of(put(*root, "new", "")), Errno::kRofs);
  EXPECT_EQ(errno_of(put(*root, "index.html", "")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_directory("new")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_directory("lib")), Errno::kExist);
  EXPECT_EQ(errno_of(root->symlink("x", "new")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->unlink("index.html")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->remove_directory("lib")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->rename("index.html", *root, "x")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->link("index.html", *root, "x")), Errno::kRofs);
  const TimesChange now{.atim = {.kind = TimeChange::Kind::kNow}, .mtim = {}};
  EXPECT_EQ(errno_of(root->set_times(now)), Errno::kRofs);
  EXPECT_EQ(errno_of(root->set_times("index.html", Follow::kNo, now)), Errno::kRofs);
  const auto opened = open_file(*root, "index.html", {.read = true});
  ASSERT_TRUE(opened);
  EXPECT_EQ(errno_of((*opened)->set_times(now)), Errno::kRofs);
  EXPECT_EQ(errno_of((*opened)->set_size(0)), Errno::kInval);
  EXPECT_EQ(errno_of(testing::write_text(**opened, "x")), Errno::kBadf);
  EXPECT_EQ(errno_of(open_file(*root, "lib", {.read = true, .write = true})), Errno::kIsdir);
  EXPECT_EQ(get(*root, "index.html"), "<p>hello</p>");
}

TEST_F(WebcVolumes, Reading_GoesByOffsets) {
  const auto root = view()->open_root();
  const auto opened = open_file(*root, "index.html", {.read = true});
  ASSERT_TRUE(opened);
  EXPECT_EQ(read_text(**opened, 3), "<p>");
  EXPECT_EQ(read_text(**opened, 100), "hello</p>");
  EXPECT_EQ(read_text(**opened, 100), "");
  EXPECT_EQ((*opened)->seek(-4, Whence::kEnd), 8U);
  EXPECT_EQ(read_text(**opened, 2), "</");
  EXPECT_EQ((*opened)->seek(1'000, Whence::kSet), 1'000U);
  EXPECT_EQ(read_text(**opened, 1), "");
  std::string first(2, ' ');
  std::string second(20, ' ');
  const std::vector<base::MutableByteSpan> buffers{std::as_writable_bytes(std::span(first)),
                                                   std::as_writable_bytes(std::span(second))};
  EXPECT_EQ((*opened)->pread(buffers, 3, Wait::kNever), 9U);
  EXPECT_EQ(first + second.substr(0, 7), "hello</p>");
}

TEST_F(WebcVolumes, ThePackage_LivesAsLongAsSomethingIsOpen) {
  auto file_system = view();
  auto root = file_system->open_root();
  auto opened = open_file(*root, "lib/a", {.read = true});
  file_system.reset();
  root.reset();
  EXPECT_FALSE(gone_);
  EXPECT_EQ(read_text(**opened, 1), "A");
  opened->reset();
  EXPECT_TRUE(gone_);
}

TEST_F(WebcVolumes, UnderAnOverlay_IsCopiedOnWrite) {
  const auto lower = view();
  auto overlay = *MemoryFileSystem::create({.clock = clock_, .lower = lower});
  const auto root = overlay->open_root();
  EXPECT_EQ(get(*root, "lib/deep/b"), "B");
  ASSERT_TRUE(put(*root, "index.html", "changed"));
  ASSERT_TRUE(put(*root, "lib/deep/new", "n"));
  ASSERT_TRUE(root->unlink("lib/a"));
  EXPECT_THAT(list(*root, "lib"), ElementsAre("deep/"));
  EXPECT_THAT(list(*root, "lib/deep"), ElementsAre("b", "new"));
  EXPECT_EQ(get(*root, "home"), "changed");
  EXPECT_EQ(get(*lower->open_root(), "index.html"), "<p>hello</p>");
}

// Memory that nobody has touched stands for a file that is not in memory.
TEST_F(WebcVolumes, Mapped_WaitsForWhatIsNotInMemory) {
  constexpr std::size_t kBytes = 100'000;
  void* const address =
      ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0);
  ASSERT_NE(address, MAP_FAILED);
  const auto root = std::make_shared<wire::WebcNode>(folder("", {file("f", "")}));
  root->children[0].content = {static_cast<const std::byte*>(address), kBytes};
  for (const bool mapped : {true, false}) {
    const auto view = make_webc_file_system(root, {.mapped = mapped})->open_root();
    const auto opened = open_file(*view, "f", {.read = true});
    ASSERT_TRUE(opened);
    EXPECT_EQ((*opened)->waits_for_disk(), mapped);
    std::string text(10, 'x');
    const std::vector<base::MutableByteSpan> buffers{std::as_writable_bytes(std::span(text))};
    if (mapped) {
      EXPECT_EQ(errno_of((*opened)->pread(buffers, 50'000, Wait::kNever)), Errno::kAgain);
      (*opened)->load(50'000, 10);
    }
    EXPECT_EQ((*opened)->pread(buffers, 50'000, Wait::kNever), 10U);
    EXPECT_EQ(text, std::string(10, '\0'));
    EXPECT_EQ((*opened)->pread(buffers, kBytes, Wait::kNever), 0U);
    (*opened)->load(kBytes - 1, 10);
    (*opened)->load(UINT64_MAX, 10);
  }
  ::munmap(address, kBytes);
}

}  // namespace
}  // namespace selvedge::wasix
