// Positions in directories: what fd_readdir's cookies promise to telldir(3) and seekdir(3).

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "wasix/fs_node.h"
#include "wasix/internal/directory_cookies.h"
#include "wasix/internal/read_only_node.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using internal::DirectoryCookies;
using testing::EntryCollector;
using testing::errno_of;

TEST(DirectoryCookiesTest, SmallOnes_StayAsTheyAre) {
  DirectoryCookies cookies;
  for (const std::uint64_t cookie :
       {std::uint64_t{0}, std::uint64_t{1}, (std::uint64_t{1} << 30) - 1}) {
    EXPECT_EQ(cookies.to_guest(cookie), cookie);
    EXPECT_EQ(cookies.to_store(cookie), cookie);
  }
}

TEST(DirectoryCookiesTest, WideOnes_FitInto31Bits_AndLeadBack) {
  DirectoryCookies cookies;
  std::map<std::uint64_t, std::uint64_t> given;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t wide = (i << 40U) | (std::uint64_t{1} << 63U);
    const auto narrow = cookies.to_guest(wide);
    ASSERT_TRUE(narrow);
    EXPECT_LT(*narrow, std::uint64_t{1} << 31U);
    EXPECT_TRUE(given.emplace(*narrow, wide).second) << "each has its own";
  }
  for (const auto& [narrow, wide] : given) {
    EXPECT_EQ(cookies.to_store(narrow), wide);
    EXPECT_EQ(cookies.to_guest(wide), narrow) << "the same again";
  }
}

TEST(DirectoryCookiesTest, BeyondTheLimit_AreTheStoresOwn) {
  DirectoryCookies cookies;
  for (std::uint64_t i = 0; i < DirectoryCookies::kKeptMax; ++i) {
    ASSERT_TRUE(cookies.to_guest((std::uint64_t{1} << 40U) + i));
  }
  const std::uint64_t wide = std::uint64_t{1} << 50U;
  EXPECT_EQ(cookies.to_guest(wide), wide);
  EXPECT_EQ(cookies.to_store(wide), wide);
  EXPECT_EQ(errno_of(cookies.to_guest((std::uint64_t{1} << 30U) + 5)), Errno::kOverflow);
}

TEST(DirectoryCookiesTest, OfNoEntry_AreInval) {
  DirectoryCookies cookies;
  EXPECT_EQ(errno_of(cookies.to_store(std::uint64_t{1} << 30U)), Errno::kInval);
  EXPECT_EQ(errno_of(cookies.to_store((std::uint64_t{1} << 31U) - 1)), Errno::kInval);
}

// A directory as a kernel that hashes names gives it: positions are 63 bits wide, in the order of
// the hashes, and stay with their names.
class HashedDirectory final : public internal::ReadOnlyNode {
 public:
  std::set<std::string> names;

  ErrnoResult<FileStat> stat() override { return FileStat{.filetype = Filetype::kDirectory}; }
  ErrnoResult<FileStat> stat(std::string_view /*name*/) override { return refuse(Errno::kNoent); }
  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view /*name*/) override {
    return refuse(Errno::kNoent);
  }
  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view /*name*/,
                                               const NodeOpenOptions& /*options*/) override {
    return refuse(Errno::kNoent);
  }
  ErrnoResult<std::string> read_link(std::string_view /*name*/) override {
    return refuse(Errno::kNoent);
  }
  const void* file_system() const noexcept override { return this; }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    return std::make_unique<Reader>(*this);
  }

 private:
  static std::uint64_t hash(const std::string& name) {
    return std::hash<std::string>{}(name) >> 1U;
  }
  class Reader final : public DirectoryReader {
   public:
    explicit Reader(const HashedDirectory& directory) : directory_(directory) {}
    ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override {
      std::map<std::uint64_t, std::string> sorted;
      for (const std::string& name : directory_.names) {
        sorted.emplace(hash(name), name);
      }
      for (auto entry = sorted.lower_bound(cookie); entry != sorted.end(); ++entry) {
        if (!sink.add({.name = entry->second, .ino = 1, .next_cookie = entry->first + 1})) {
          break;
        }
      }
      return {};
    }

   private:
    const HashedDirectory& directory_;
  };
};

TEST(HashedDirectoryTest, EntriesThatStay_AreGivenOnce_WhileOthersComeAndGo) {
  auto node = std::make_shared<HashedDirectory>();
  for (int i = 0; i < 500; ++i) {
    node->names.insert("stays" + std::to_string(i));
    node->names.insert("goes" + std::to_string(i));
  }
  Directory directory(node);
  std::map<std::string, int> seen;
  std::uint64_t cookie = 0;
  for (int step = 0;; ++step) {
    EntryCollector some(7);
    ASSERT_TRUE(directory.read_entries(cookie, some));
    if (some.seen.empty()) {
      break;
    }
    for (const auto& entry : some.seen) {
      EXPECT_LT(entry.next_cookie, std::uint64_t{1} << 31U);
      ++seen[entry.name];
    }
    cookie = some.seen.back().next_cookie;
    node->names.erase("goes" + std::to_string(step));
    node->names.insert("new" + std::to_string(step));
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(seen["stays" + std::to_string(i)], 1) << i;
  }
}

class Cookies : public ::testing::TestWithParam<testing::Kind> {};

INSTANTIATE_TEST_SUITE_P(All, Cookies, ::testing::ValuesIn(testing::kKinds),
                         [](const auto& info) { return to_string(info.param); });

TEST_P(Cookies, FitInto31Bits_AndLeadToWhatFollows) {
  testing::FileSystemUnderTest files(GetParam());
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(testing::put(files.root(), "file" + std::to_string(i), ""));
  }
  EntryCollector all;
  ASSERT_TRUE(files.root().read_entries(0, all));
  ASSERT_EQ(all.seen.size(), 302U);
  for (std::size_t i = 0; i < all.seen.size(); i += 13) {
    EXPECT_LT(all.seen[i].next_cookie, std::uint64_t{1} << 31U);
    EntryCollector rest(1);
    ASSERT_TRUE(files.root().read_entries(all.seen[i].next_cookie, rest));
    if (i + 1 < all.seen.size()) {
      ASSERT_FALSE(rest.seen.empty());
      EXPECT_EQ(rest.seen.front().name, all.seen[i + 1].name);
    }
  }
}

}  // namespace
}  // namespace selvedge::wasix
