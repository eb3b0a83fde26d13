// What every kind of file system must do alike. Expectations are those of Linux and of the WASI
// test suite; that the kinds that store on the host fulfil them too is what keeps the others
// honest.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::EntryCollector;
using testing::errno_of;
using testing::FileSystemUnderTest;
using testing::get;
using ::testing::IsEmpty;
using testing::list;
using testing::open_directory;
using testing::open_file;
using testing::put;
using testing::read_text;
using testing::write_text;

constexpr OpenOptions kRead{.read = true};
constexpr OpenOptions kReadWrite{.read = true, .write = true};
constexpr OpenOptions kCreate{.oflags = Oflags::kCreat, .read = true, .write = true};
constexpr OpenOptions kFollow{.follow = Follow::kYes, .read = true};

class FileSystems : public ::testing::TestWithParam<testing::Kind> {
 protected:
  Directory& root() { return fixture_.root(); }
  void must(const ErrnoResult<>& result) { ASSERT_EQ(errno_of(result), Errno::kSuccess); }

  FileSystemUnderTest fixture_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(All, FileSystems, ::testing::ValuesIn(testing::kKinds),
                         [](const auto& info) { return testing::to_string(info.param); });

TEST_P(FileSystems, Path_Malformed_IsRefused) {
  must(root().make_directory("d"));
  const std::string long_name(256, 'n');
  std::string long_path;
  while (long_path.size() <= 4096) {
    long_path += "d/../";
  }
  struct Case {
    std::string path;
    Errno error;
  };
  const Case cases[] = {
      {"", Errno::kNoent},
      {"/", Errno::kPerm},
      {"/d", Errno::kPerm},
      {"//d", Errno::kPerm},
      {"..", Errno::kPerm},
      {"../", Errno::kPerm},
      {"../d", Errno::kPerm},
      {"d/../..", Errno::kPerm},
      {"d/../../d", Errno::kPerm},
      {"./../d", Errno::kPerm},
      {std::string("d\0", 2), Errno::kInval},
      {std::string("\0", 1), Errno::kInval},
      {"\xff", Errno::kIlseq},
      {"d/\xc0\xaf", Errno::kIlseq},
      {"\xed\xa0\x80", Errno::kIlseq},
      {"\xf5\x80\x80\x80", Errno::kIlseq},
      {"\xe2\x82", Errno::kIlseq},
      {long_name, Errno::kNametoolong},
      {"d/" + long_name, Errno::kNametoolong},
      {long_path, Errno::kNametoolong},
      {"missing", Errno::kNoent},
      {"missing/x", Errno::kNoent},
      {"missing/../d", Errno::kNoent},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(errno_of(root().open(c.path, kRead)), c.error) << c.path;
    EXPECT_EQ(errno_of(root().stat(c.path, Follow::kYes)), c.error) << c.path;
    EXPECT_EQ(errno_of(root().set_times(c.path, Follow::kYes, {})), c.error) << c.path;
    EXPECT_EQ(errno_of(root().read_link(c.path)), c.error) << c.path;
    EXPECT_EQ(errno_of(root().rename(c.path, root(), "n")), c.error) << c.path;
    EXPECT_EQ(errno_of(root().link(c.path, root(), "n")), c.error) << c.path;
    if (c.error != Errno::kNoent || c.path.empty()) {
      EXPECT_EQ(errno_of(root().make_directory(c.path)), c.error) << c.path;
      EXPECT_EQ(errno_of(root().unlink(c.path)), c.error) << c.path;
      EXPECT_EQ(errno_of(root().remove_directory(c.path)), c.error) << c.path;
      EXPECT_EQ(errno_of(root().symlink("d", c.path)), c.error) << c.path;
      EXPECT_EQ(errno_of(root().rename("d", root(), c.path)), c.error) << c.path;
      EXPECT_EQ(errno_of(root().open(c.path, kCreate)), c.error) << c.path;
    }
  }
  EXPECT_THAT(list(root()), ElementsAre("d/"));
}

TEST_P(FileSystems, Path_WithDotsAndSlashes_IsResolved) {
  must(root().make_directory("dir"));
  must(root().make_directory("dir/nested"));
  must(put(root(), "dir/nested/file", "x"));
  EXPECT_EQ(get(root(), "dir/.//nested/../../dir/nested/../nested///./file"), "x");
  EXPECT_EQ(get(root(), "./dir/nested/file"), "x");
  EXPECT_EQ(errno_of(root().open("dir/nested/file/", kRead)), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir/nested/file///", kRead)), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir/nested/file/.", kRead)), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir/nested/file/..", kRead)), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir/nested/file/x", kRead)), Errno::kNotdir);
  EXPECT_TRUE(root().open("dir/nested///", {}));
  EXPECT_TRUE(root().open(".", {}));
  EXPECT_TRUE(root().open("./", {}));
  EXPECT_TRUE(root().open("dir/..", {}));
  // An opened directory is a wall of its own.
  auto dir = open_directory(root(), "dir");
  ASSERT_TRUE(dir);
  EXPECT_EQ(get(**dir, "nested/file"), "x");
  EXPECT_EQ(errno_of((*dir)->open("../dir", {})), Errno::kPerm);
  EXPECT_EQ(errno_of((*dir)->open("nested/../..", {})), Errno::kPerm);
}

TEST_P(FileSystems, Name_Of255BytesAndUnicode_Works) {
  const std::string name(255, 'n');
  must(put(root(), name, "long"));
  EXPECT_EQ(get(root(), name), "long");
  must(put(root(), "\xc3\xa9\xf0\x9f\xa7\xb5", "unicode"));
  EXPECT_EQ(get(root(), "\xc3\xa9\xf0\x9f\xa7\xb5"), "unicode");
  EXPECT_EQ(list(root()).size(), 2U);
}

TEST_P(FileSystems, Open_Flags_BehaveAsOpenat) {
  EXPECT_EQ(errno_of(root().open("f", kRead)), Errno::kNoent);
  EXPECT_EQ(errno_of(root().open("f", {.oflags = Oflags::kTrunc, .write = true})), Errno::kNoent);
  must(put(root(), "f", "content"));
  EXPECT_EQ(errno_of(root().open("f", {.oflags = Oflags::kCreat | Oflags::kExcl})), Errno::kExist);
  EXPECT_EQ(get(root(), "f"), "content");
  EXPECT_TRUE(root().open("f", kCreate));
  EXPECT_EQ(get(root(), "f"), "content");
  EXPECT_TRUE(root().open("f", {.oflags = Oflags::kTrunc}));
  EXPECT_EQ(get(root(), "f"), "");
  EXPECT_EQ(errno_of(root().open("f", {.oflags = Oflags::kDirectory})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("n", {.oflags = Oflags::kDirectory})), Errno::kNoent);
  EXPECT_EQ(errno_of(root().open("n", {.oflags = Oflags::kDirectory | Oflags::kCreat})),
            Errno::kInval);
  EXPECT_EQ(errno_of(root().open("n/", kCreate)), Errno::kIsdir);
  must(root().make_directory("d"));
  EXPECT_EQ(errno_of(root().open("d", kCreate)), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().open("d", {.write = true})), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().open("d", {.oflags = Oflags::kTrunc})), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().open(".", {.oflags = Oflags::kDirectory, .read = true, .write = true})),
            Errno::kIsdir);
  EXPECT_EQ(errno_of(root().open("d", {.oflags = Oflags::kCreat | Oflags::kExcl})), Errno::kExist);
  EXPECT_TRUE(root().open("d", kRead));
  EXPECT_TRUE(root().open("d/", {.oflags = Oflags::kDirectory}));
}

TEST_P(FileSystems, File_Offsets_FollowPosix) {
  auto file = open_file(root(), "f", kCreate);
  ASSERT_TRUE(file);
  File& f = **file;
  EXPECT_EQ(write_text(f, "hello world"), 11U);
  EXPECT_EQ(f.tell(), 11U);
  EXPECT_EQ(f.seek(0, Whence::kSet), 0U);
  EXPECT_EQ(read_text(f, 5), "hello");
  EXPECT_EQ(f.seek(1, Whence::kCur), 6U);
  EXPECT_EQ(read_text(f, 100), "world");
  EXPECT_EQ(f.seek(-5, Whence::kEnd), 6U);
  EXPECT_EQ(errno_of(f.seek(-7, Whence::kCur)), Errno::kInval);
  EXPECT_EQ(errno_of(f.seek(-1, Whence::kSet)), Errno::kInval);
  EXPECT_EQ(errno_of(f.seek(INT64_MAX, Whence::kEnd)), Errno::kInval);
  EXPECT_EQ(errno_of(f.seek(0, static_cast<Whence>(3))), Errno::kInval);
  EXPECT_EQ(f.tell(), 6U);
  // Positioned access leaves the offset alone.
  std::array<std::byte, 5> bytes{};
  const std::array target{base::MutableByteSpan(bytes)};
  EXPECT_EQ(f.pread(target, 0, Wait::kAllowed), 5U);
  EXPECT_EQ(base::as_text(bytes), "hello");
  const std::array source{base::as_bytes("J")};
  EXPECT_EQ(f.pwrite(source, 0), 1U);
  EXPECT_EQ(f.tell(), 6U);
  EXPECT_EQ(get(root(), "f"), "Jello world");
  // Behind the end there is nothing, and writing there leaves a hole.
  EXPECT_EQ(f.seek(1000, Whence::kSet), 1000U);
  EXPECT_EQ(read_text(f, 1), "");
  EXPECT_EQ(write_text(f, "z"), 1U);
  EXPECT_EQ(f.stat()->size, 1001U);
  EXPECT_EQ(f.seek(11, Whence::kSet), 11U);
  EXPECT_EQ(read_text(f, 2000), std::string(989, '\0') + "z");
  EXPECT_EQ(errno_of(f.pread(target, std::uint64_t{1} << 63, Wait::kAllowed)), Errno::kInval);
  EXPECT_EQ(errno_of(f.pwrite(source, std::uint64_t{1} << 63)), Errno::kInval);
  EXPECT_EQ(errno_of(f.pwrite(source, INT64_MAX)), Errno::kFbig);
}

TEST_P(FileSystems, File_SeveralBuffers_AreOneTransfer) {
  auto file = open_file(root(), "f", kCreate);
  ASSERT_TRUE(file);
  const std::array source{base::as_bytes("ab"), base::as_bytes(""), base::as_bytes("cde")};
  EXPECT_EQ((*file)->write(source), 5U);
  std::array<std::byte, 2> first{};
  std::array<std::byte, 8> second{};
  const std::array target{base::MutableByteSpan(first), base::MutableByteSpan(),
                          base::MutableByteSpan(second)};
  EXPECT_EQ((*file)->pread(target, 0, Wait::kAllowed), 5U);
  EXPECT_EQ(base::as_text(first), "ab");
  EXPECT_EQ(base::as_text(second).substr(0, 3), "cde");
  EXPECT_EQ((*file)->write({}), 0U);
  EXPECT_EQ((*file)->read({}, Wait::kAllowed), 0U);
}

TEST_P(FileSystems, File_LargeContent_IsKeptAcrossBlocks) {
  auto file = open_file(root(), "f", kCreate);
  ASSERT_TRUE(file);
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i) {
    text += std::to_string(i) + ' ';
  }
  EXPECT_EQ(write_text(**file, text), text.size());
  EXPECT_EQ(get(root(), "f"), text);
  const std::array one_transfer{base::as_bytes(text)};
  EXPECT_EQ((*file)->pwrite(one_transfer, 0), kTransferBytesMax);
}

TEST_P(FileSystems, File_Append_WritesAtTheEnd) {
  must(put(root(), "f", "12"));
  auto file = open_file(root(), "f", {.fdflags = Fdflags::kAppend, .read = true, .write = true});
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->flags(), Fdflags::kAppend);
  EXPECT_EQ(write_text(**file, "34"), 2U);
  EXPECT_EQ((*file)->tell(), 4U);
  EXPECT_EQ((*file)->seek(0, Whence::kSet), 0U);
  EXPECT_EQ(write_text(**file, "5"), 1U);
  EXPECT_EQ((*file)->tell(), 5U);
  const std::array source{base::as_bytes("X")};
  EXPECT_EQ((*file)->pwrite(source, 0), 1U);  // POSIX: at the offset even so
  EXPECT_EQ((*file)->tell(), 5U);
  EXPECT_EQ(get(root(), "f"), "X2345");
  must((*file)->set_flags(Fdflags::kNone));
  EXPECT_EQ((*file)->seek(1, Whence::kSet), 1U);
  EXPECT_EQ(write_text(**file, "YZ"), 2U);
  EXPECT_EQ(get(root(), "f"), "XYZ45");
  EXPECT_EQ(errno_of((*file)->set_flags(static_cast<Fdflags>(0x8000))), Errno::kInval);
}

TEST_P(FileSystems, File_WithSyncFlags_Writes) {
  for (const Fdflags flag : {Fdflags::kSync, Fdflags::kDsync, Fdflags::kRsync}) {
    auto file = open_file(root(), "f",
                          {.oflags = Oflags::kCreat,
                           .fdflags = flag | Fdflags::kNonblock,
                           .read = true,
                           .write = true});
    ASSERT_TRUE(file);
    EXPECT_EQ(write_text(**file, "s"), 1U);
    must((*file)->sync());
    must((*file)->datasync());
    (*file)->load(0, 10);
  }
}

TEST_P(FileSystems, File_WithoutAccess_IsRefused) {
  must(put(root(), "f", "abc"));
  std::array<std::byte, 3> bytes{};
  const std::array target{base::MutableByteSpan(bytes)};
  const std::array source{base::as_bytes("x")};
  auto reader = open_file(root(), "f", kRead);
  auto writer = open_file(root(), "f", {.write = true});
  auto neither = open_file(root(), "f", {});
  ASSERT_TRUE(reader && writer && neither);
  EXPECT_EQ(errno_of((*reader)->write(source)), Errno::kBadf);
  EXPECT_EQ(errno_of((*reader)->pwrite(source, 0)), Errno::kBadf);
  EXPECT_EQ(errno_of((*reader)->set_size(0)), Errno::kInval);
  EXPECT_EQ(errno_of((*reader)->allocate(0, 1)), Errno::kBadf);
  EXPECT_EQ(errno_of((*writer)->read(target, Wait::kAllowed)), Errno::kBadf);
  EXPECT_EQ(errno_of((*writer)->pread(target, 0, Wait::kAllowed)), Errno::kBadf);
  EXPECT_EQ(errno_of((*neither)->read(target, Wait::kAllowed)), Errno::kBadf);
  EXPECT_EQ(errno_of((*neither)->write(source)), Errno::kBadf);
  EXPECT_EQ((*neither)->stat()->size, 3U);
}

TEST_P(FileSystems, File_SetSize_CutsAndExtends) {
  auto file = open_file(root(), "f", kCreate);
  ASSERT_TRUE(file);
  EXPECT_EQ(write_text(**file, "0123456789"), 10U);
  must((*file)->set_size(4));
  must((*file)->set_size(8));
  EXPECT_EQ(get(root(), "f"), std::string("0123\0\0\0\0", 8));
  must((*file)->set_size(200'000));
  EXPECT_EQ(get(root(), "f")->size(), 200'000U);
  must((*file)->set_size(0));
  EXPECT_EQ(get(root(), "f"), "");
  EXPECT_EQ((*file)->tell(), 10U);
  EXPECT_EQ(errno_of((*file)->set_size(std::uint64_t{1} << 63)), Errno::kInval);
}

TEST_P(FileSystems, File_Allocate_ExtendsOnly) {
  auto file = open_file(root(), "f", kCreate);
  ASSERT_TRUE(file);
  EXPECT_EQ(errno_of((*file)->allocate(0, 0)), Errno::kInval);
  if (auto done = (*file)->allocate(0, 100); !done) {
    ASSERT_EQ(done.error(), Errno::kNotsup);  // the host's file system cannot
    return;
  }
  EXPECT_EQ((*file)->stat()->size, 100U);
  must((*file)->allocate(10, 10));
  EXPECT_EQ((*file)->stat()->size, 100U);
  must((*file)->allocate(90, 20));
  EXPECT_EQ((*file)->stat()->size, 110U);
  EXPECT_EQ(get(root(), "f"), std::string(110, '\0'));
  EXPECT_EQ(write_text(**file, "x"), 1U);
  EXPECT_EQ(get(root(), "f"), "x" + std::string(109, '\0'));
  EXPECT_EQ(errno_of((*file)->allocate(INT64_MAX, 1)), Errno::kFbig);
  must((*file)->advise(0, 10, Advice::kWillneed));
  EXPECT_EQ(errno_of((*file)->advise(0, 10, static_cast<Advice>(6))), Errno::kInval);
}

TEST_P(FileSystems, Stat_TellsTypesSizesAndLinks) {
  must(put(root(), "f", "abc"));
  must(root().make_directory("d"));
  must(root().symlink("f", "l"));
  const auto file = root().stat("f", Follow::kNo);
  const auto directory = root().stat("d/", Follow::kNo);
  const auto link = root().stat("l", Follow::kNo);
  ASSERT_TRUE(file && directory && link);
  EXPECT_EQ(file->filetype, Filetype::kRegularFile);
  EXPECT_EQ(file->size, 3U);
  EXPECT_EQ(file->nlink, 1U);
  EXPECT_EQ(directory->filetype, Filetype::kDirectory);
  EXPECT_EQ(link->filetype, Filetype::kSymbolicLink);
  EXPECT_EQ(link->size, 1U);
  EXPECT_EQ(root().stat("l", Follow::kYes)->ino, file->ino);
  EXPECT_NE(file->ino, link->ino);
  EXPECT_NE(file->ino, directory->ino);
  EXPECT_EQ(file->dev, directory->dev);
  auto opened = open_file(root(), "f", kRead);
  EXPECT_EQ((*opened)->stat()->ino, file->ino);
  EXPECT_EQ((*opened)->stat()->dev, file->dev);
  EXPECT_EQ((*open_directory(root(), "d"))->stat()->ino, directory->ino);
  EXPECT_EQ(errno_of(root().stat("f/", Follow::kNo)), Errno::kNotdir);
  EXPECT_GT(file->mtim, 0U);
}

TEST_P(FileSystems, SetTimes_ChangesOnlyWhatIsAsked) {
  must(put(root(), "f", ""));
  must(root().symlink("f", "l"));
  must(root().make_directory("d"));
  const auto both =
      TimesChange::from(1'000'000'001, 2'000'000'002, Fstflags::kAtim | Fstflags::kMtim);
  ASSERT_TRUE(both);
  must(root().set_times("f", Follow::kNo, *both));
  EXPECT_EQ(root().stat("f", Follow::kNo)->atim, 1'000'000'001U);
  EXPECT_EQ(root().stat("f", Follow::kNo)->mtim, 2'000'000'002U);
  must(root().set_times("l", Follow::kNo, *TimesChange::from(0, 7, Fstflags::kMtim)));
  EXPECT_EQ(root().stat("l", Follow::kNo)->mtim, 7U);
  EXPECT_EQ(root().stat("f", Follow::kNo)->mtim, 2'000'000'002U);
  must(root().set_times("l", Follow::kYes, *TimesChange::from(0, 9, Fstflags::kMtim)));
  EXPECT_EQ(root().stat("f", Follow::kNo)->mtim, 9U);
  EXPECT_EQ(root().stat("f", Follow::kNo)->atim, 1'000'000'001U);
  must(root().set_times("f", Follow::kNo, *TimesChange::from(0, 0, Fstflags::kMtimNow)));
  EXPECT_GT(root().stat("f", Follow::kNo)->mtim, 1'000'000'000'000'000'000U);
  must(root().set_times("d", Follow::kNo, *both));
  EXPECT_EQ(root().stat("d", Follow::kNo)->mtim, 2'000'000'002U);
  must((*open_directory(root(), "d"))->set_times(*TimesChange::from(5, 0, Fstflags::kAtim)));
  EXPECT_EQ(root().stat("d", Follow::kNo)->atim, 5U);
  auto file = open_file(root(), "f", kReadWrite);
  must((*file)->set_times(*both));
  EXPECT_EQ((*file)->stat()->mtim, 2'000'000'002U);
  for (const Fstflags flags : {Fstflags::kAtim | Fstflags::kAtimNow,
                               Fstflags::kMtim | Fstflags::kMtimNow, static_cast<Fstflags>(16)}) {
    EXPECT_EQ(errno_of(TimesChange::from(0, 0, flags)), Errno::kInval);
  }
}

TEST_P(FileSystems, Times_AdvanceWithChanges) {
  must(put(root(), "f", "x"));
  must(root().make_directory("d"));
  const auto long_ago = *TimesChange::from(5, 5, Fstflags::kAtim | Fstflags::kMtim);
  must(root().set_times("f", Follow::kNo, long_ago));
  must(root().set_times("d", Follow::kNo, long_ago));
  must(put(root(), "d/n", ""));
  auto file = open_file(root(), "f", kReadWrite);
  EXPECT_EQ((*file)->stat()->mtim, 5U);
  EXPECT_EQ(write_text(**file, "y"), 1U);
  EXPECT_GT((*file)->stat()->mtim, 5U);
  EXPECT_GT(root().stat("d", Follow::kNo)->mtim, 5U);
}

TEST_P(FileSystems, MakeAndRemoveDirectory_Errors) {
  must(root().make_directory("d"));
  must(root().make_directory("d/e/"));
  must(put(root(), "f", ""));
  must(root().symlink("d", "l"));
  must(root().symlink("nowhere", "dangling"));
  EXPECT_EQ(errno_of(root().make_directory("d")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("d/")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("f")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("l")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("dangling")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory(".")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("d/..")), Errno::kExist);
  EXPECT_EQ(errno_of(root().make_directory("n/n")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().make_directory("f/n")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().remove_directory("d")), Errno::kNotempty);
  EXPECT_EQ(errno_of(root().remove_directory("f")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().remove_directory("f/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().remove_directory("l")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().remove_directory("l/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().remove_directory("n")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().remove_directory(".")), Errno::kInval);
  EXPECT_EQ(errno_of(root().remove_directory("d/e/..")), Errno::kNotempty);
  must(root().remove_directory("d/e/"));
  must(root().remove_directory("d"));
  EXPECT_THAT(list(root()), ElementsAre("dangling@", "f", "l@"));
}

TEST_P(FileSystems, Unlink_Errors) {
  must(root().make_directory("d"));
  must(put(root(), "f", ""));
  must(root().symlink("d", "l"));
  EXPECT_EQ(errno_of(root().unlink("d")), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().unlink("d/")), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().unlink(".")), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().unlink("f/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().unlink("l/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().unlink("n")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().unlink("n/")), Errno::kNoent);
  must(root().unlink("l"));
  must(root().unlink("f"));
  EXPECT_THAT(list(root()), ElementsAre("d/"));
}

TEST_P(FileSystems, Unlink_OfAnOpenFile_KeepsItsContent) {
  must(put(root(), "f", "still here"));
  auto file = open_file(root(), "f", kReadWrite);
  must(root().unlink("f"));
  EXPECT_EQ((*file)->stat()->nlink, 0U);
  EXPECT_EQ(read_text(**file, 100), "still here");
  must(put(root(), "f", "another"));
  EXPECT_EQ(write_text(**file, "!"), 1U);
  EXPECT_EQ(get(root(), "f"), "another");
}

TEST_P(FileSystems, RemoveDirectory_OfAnOpenOne_LeavesItDead) {
  must(root().make_directory("d"));
  auto dir = open_directory(root(), "d");
  ASSERT_TRUE(dir);
  must(root().remove_directory("d"));
  EXPECT_EQ(errno_of((*dir)->make_directory("x")), Errno::kNoent);
  EXPECT_EQ(errno_of((*dir)->open("x", kCreate)), Errno::kNoent);
  EXPECT_EQ(errno_of((*dir)->symlink("x", "x")), Errno::kNoent);
  EXPECT_TRUE((*dir)->stat());
  must(root().make_directory("d"));
}

TEST_P(FileSystems, Symlink_Errors) {
  must(put(root(), "f", ""));
  must(root().make_directory("d"));
  EXPECT_EQ(errno_of(root().symlink("", "l")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().symlink(std::string("a\0b", 3), "l")), Errno::kInval);
  EXPECT_EQ(errno_of(root().symlink("\xff", "l")), Errno::kIlseq);
  EXPECT_EQ(errno_of(root().symlink(std::string(4096, 'x'), "l")), Errno::kNametoolong);
  EXPECT_EQ(errno_of(root().symlink("t", "f")), Errno::kExist);
  EXPECT_EQ(errno_of(root().symlink("t", "d")), Errno::kExist);
  EXPECT_EQ(errno_of(root().symlink("t", "d/")), Errno::kExist);
  EXPECT_EQ(errno_of(root().symlink("t", "f/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().symlink("t", "n/")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().symlink("t", ".")), Errno::kExist);
  EXPECT_EQ(errno_of(root().symlink("t", "n/l")), Errno::kNoent);
  must(root().symlink("t", "l"));
  EXPECT_EQ(errno_of(root().symlink("t", "l")), Errno::kExist);
  EXPECT_EQ(root().read_link("l"), "t");
  EXPECT_EQ(errno_of(root().read_link("f")), Errno::kInval);
  EXPECT_EQ(errno_of(root().read_link("d")), Errno::kInval);
  EXPECT_EQ(errno_of(root().read_link(".")), Errno::kInval);
  EXPECT_EQ(errno_of(root().read_link("n")), Errno::kNoent);
}

TEST_P(FileSystems, Symlink_IsFollowedWithinTheDirectory) {
  must(root().make_directory("a"));
  must(root().make_directory("a/b"));
  must(put(root(), "a/b/f", "found"));
  must(root().symlink("a/b", "dir"));
  must(root().symlink("b/f", "a/file"));
  must(root().symlink("../b/../../a/file", "a/b/up"));
  must(root().symlink("a/b/new", "creates"));
  EXPECT_EQ(get(root(), "dir/f"), "found");
  EXPECT_EQ(get(root(), "a/file"), "found");
  EXPECT_EQ(get(root(), "dir/up"), "found");
  EXPECT_EQ(get(root(), "dir/../b/f"), "found");
  EXPECT_TRUE(root().open("dir/", {}));
  EXPECT_EQ(errno_of(root().open("a/file/", kRead)), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir", {.oflags = Oflags::kDirectory})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().open("dir", {})), Errno::kLoop);
  EXPECT_EQ(errno_of(root().open("a/file", kRead)), Errno::kLoop);
  EXPECT_TRUE(root().open("dir", {.follow = Follow::kYes, .oflags = Oflags::kDirectory}));
  EXPECT_EQ(errno_of(root().open("a/file", {.follow = Follow::kYes, .oflags = Oflags::kDirectory})),
            Errno::kNotdir);
  // Creating through a dangling link creates what it says, but not exclusively.
  EXPECT_EQ(errno_of(root().open("creates", kFollow)), Errno::kNoent);
  EXPECT_EQ(errno_of(root().open(
                "creates", {.follow = Follow::kYes, .oflags = Oflags::kCreat | Oflags::kExcl})),
            Errno::kExist);
  EXPECT_TRUE(root().open("creates", {.follow = Follow::kYes, .oflags = Oflags::kCreat}));
  EXPECT_THAT(list(root(), "a/b"), ElementsAre("f", "new", "up@"));
  // From inside, the same link leads out.
  auto b = open_directory(root(), "a/b");
  ASSERT_TRUE(b);
  EXPECT_EQ(errno_of((*b)->open("up", kFollow)), Errno::kPerm);
}

TEST_P(FileSystems, Symlink_LeadingOut_IsRefused) {
  must(root().make_directory("d"));
  const char* const targets[] = {"..",      "../x",      "../../etc/passwd",
                                 "d/../..", "d/../../x", "./../d"};
  int n = 0;
  for (const char* target : targets) {
    const std::string name = "l" + std::to_string(n++);
    must(root().symlink(target, name));
    EXPECT_EQ(errno_of(root().open(name, kFollow)), Errno::kPerm) << target;
    EXPECT_EQ(errno_of(root().stat(name, Follow::kYes)), Errno::kPerm) << target;
    EXPECT_EQ(errno_of(root().open(name + "/x", kRead)), Errno::kPerm) << target;
    EXPECT_EQ(errno_of(root().make_directory(name + "/x")), Errno::kPerm) << target;
    EXPECT_EQ(errno_of(root().open(name + "/", {})), Errno::kPerm) << target;
    EXPECT_EQ(errno_of(root().rename("d", root(), name + "/d")), Errno::kPerm) << target;
    EXPECT_TRUE(root().stat(name, Follow::kNo));
  }
}

TEST_P(FileSystems, Symlink_Chains_AreBounded) {
  must(root().symlink("loop", "loop"));
  EXPECT_EQ(errno_of(root().open("loop", kFollow)), Errno::kLoop);
  EXPECT_EQ(errno_of(root().open("loop", kRead)), Errno::kLoop);
  EXPECT_EQ(errno_of(root().open("loop/x", kRead)), Errno::kLoop);
  must(root().symlink("b", "a"));
  must(root().symlink("a", "b"));
  EXPECT_EQ(errno_of(root().stat("a", Follow::kYes)), Errno::kLoop);
  must(put(root(), "c0", "end"));
  for (int i = 1; i <= 41; ++i) {
    must(root().symlink("c" + std::to_string(i - 1), "c" + std::to_string(i)));
  }
  EXPECT_EQ(get(root(), "c40"), "end");
  EXPECT_EQ(errno_of(get(root(), "c41")), Errno::kLoop);
}

TEST_P(FileSystems, Link_GivesAnotherName) {
  must(put(root(), "f", "one"));
  must(root().make_directory("d"));
  must(root().link("f", root(), "g"));
  auto dir = open_directory(root(), "d");
  must(root().link("f", **dir, "h"));
  EXPECT_EQ(root().stat("f", Follow::kNo)->nlink, 3U);
  EXPECT_EQ(root().stat("f", Follow::kNo)->ino, root().stat("d/h", Follow::kNo)->ino);
  auto file = open_file(root(), "g", kReadWrite);
  EXPECT_EQ(write_text(**file, "two"), 3U);
  EXPECT_EQ(get(root(), "d/h"), "two");
  must(root().unlink("f"));
  EXPECT_EQ(get(root(), "g"), "two");
  EXPECT_EQ(root().stat("g", Follow::kNo)->nlink, 2U);

  EXPECT_EQ(errno_of(root().link("g", root(), "g")), Errno::kExist);
  EXPECT_EQ(errno_of(root().link("g", root(), "d")), Errno::kExist);
  EXPECT_EQ(errno_of(root().link("g", root(), "n/")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().link("g/", root(), "n")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().link("d", root(), "n")), Errno::kPerm);
  EXPECT_EQ(errno_of(root().link("d/", root(), "n")), Errno::kPerm);
  EXPECT_EQ(errno_of(root().link(".", root(), "n")), Errno::kPerm);
  EXPECT_EQ(errno_of(root().link("n", root(), "m")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().link("g", root(), "n/m")), Errno::kNoent);
  must(root().symlink("nowhere", "l"));
  EXPECT_EQ(errno_of(root().link("g", root(), "l")), Errno::kExist);
  must(root().link("l", root(), "l2"));
  EXPECT_EQ(root().read_link("l2"), "nowhere");
}

TEST_P(FileSystems, Rename_Replaces) {
  must(put(root(), "f", "f"));
  must(put(root(), "g", "g"));
  must(root().make_directory("d"));
  must(root().make_directory("e"));
  must(root().make_directory("full"));
  must(put(root(), "full/x", ""));
  EXPECT_EQ(errno_of(root().rename("n", root(), "m")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().rename("f", root(), "n/m")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().rename("f", root(), "g/m")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().rename("f", root(), "d")), Errno::kIsdir);
  EXPECT_EQ(errno_of(root().rename("d", root(), "f")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().rename("d", root(), "full")), Errno::kNotempty);
  EXPECT_EQ(errno_of(root().rename("d", root(), "full/x")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().rename("f/", root(), "n")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().rename("f", root(), "n/")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().rename(".", root(), "n")), Errno::kBusy);
  EXPECT_EQ(errno_of(root().rename("d", root(), ".")), Errno::kBusy);
  EXPECT_EQ(errno_of(root().rename("d", root(), "d/n")), Errno::kInval);
  EXPECT_EQ(errno_of(root().rename("full", root(), "full/x")), Errno::kInval);
  EXPECT_EQ(errno_of(root().rename("full/x", root(), "full")), Errno::kNotempty);
  must(root().rename("f", root(), "f"));
  must(root().rename("f", root(), "g"));
  EXPECT_EQ(get(root(), "g"), "f");
  must(root().rename("full", root(), "d"));
  must(root().rename("d/", root(), "full"));
  must(root().rename("full", root(), "d/"));
  EXPECT_THAT(list(root()), ElementsAre("d/", "e/", "g"));
  must(root().rename("d", root(), "e/inner"));
  EXPECT_THAT(list(root(), "e/inner"), ElementsAre("x"));
  auto e = open_directory(root(), "e");
  must((*e)->rename("inner/x", root(), "x"));
  EXPECT_THAT(list(root()), ElementsAre("e/", "g", "x"));
  must(root().link("x", root(), "y"));
  must(root().rename("x", root(), "y"));  // two names of one file: nothing happens
  EXPECT_THAT(list(root()), ElementsAre("e/", "g", "x", "y"));
}

TEST_P(FileSystems, Rename_OfADirectory_KeepsItsParentsRight) {
  must(root().make_directory("a"));
  must(root().make_directory("b"));
  must(root().make_directory("a/moved"));
  must(put(root(), "b/there", "b"));
  auto moved = open_directory(root(), "a/moved");
  must(root().rename("a/moved", root(), "b/moved"));
  EXPECT_EQ(get(root(), "b/moved/../there"), "b");
  EXPECT_EQ(errno_of(root().rename("b", root(), "b/moved/b")), Errno::kInval);
  must((*moved)->make_directory("inside"));
  EXPECT_THAT(list(root(), "b/moved"), ElementsAre("inside/"));
  must(root().remove_directory("a"));
}

TEST_P(FileSystems, ReadEntries_CookiesResumeAnywhere) {
  must(root().make_directory("d"));
  auto dir = open_directory(root(), "d");
  ASSERT_TRUE(dir);
  EXPECT_THAT(list(**dir), IsEmpty());
  for (int i = 0; i < 500; ++i) {
    must(put(**dir, "file." + std::to_string(i), ""));
  }
  EntryCollector all;
  must((*dir)->read_entries(0, all));
  ASSERT_EQ(all.seen.size(), 502U);
  EXPECT_EQ(all.seen[0].filetype, Filetype::kDirectory);
  for (const std::size_t step : {1U, 7U, 100U}) {
    std::vector<std::string> names;
    std::uint64_t cookie = 0;
    for (;;) {
      EntryCollector some(step);
      must((*dir)->read_entries(cookie, some));
      if (some.seen.empty()) {
        break;
      }
      for (const auto& entry : some.seen) {
        names.push_back(entry.name);
      }
      cookie = some.seen.back().next_cookie;
    }
    ASSERT_EQ(names.size(), 502U);
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(names[i], all.seen[i].name);
    }
  }
  for (std::size_t i = 0; i < all.seen.size(); i += 50) {
    EntryCollector rest;
    must((*dir)->read_entries(all.seen[i].next_cookie, rest));
    EXPECT_EQ(rest.seen.size(), all.seen.size() - i - 1);
  }
  const auto stat =
      (*dir)->stat(all.seen[10].name == "." ? "file.0" : all.seen[10].name, Follow::kNo);
  EXPECT_EQ(stat->ino, all.seen[10].ino);
}

TEST_P(FileSystems, ReadEntries_WhileRemoving_SeesEachOnce) {
  constexpr int kFiles = 300;
  for (int i = 0; i < kFiles; ++i) {
    must(put(root(), std::to_string(i), ""));
  }
  int removed = 0;
  std::uint64_t cookie = 0;
  for (;;) {
    EntryCollector some(5);
    must(root().read_entries(cookie, some));
    if (some.seen.empty()) {
      break;
    }
    cookie = some.seen.back().next_cookie;
    for (const auto& entry : some.seen) {
      if (entry.name != "." && entry.name != "..") {
        must(root().unlink(entry.name));
        ++removed;
      }
    }
  }
  EXPECT_EQ(removed, kFiles);
  EXPECT_THAT(list(root()), IsEmpty());
}

TEST_P(FileSystems, ReadEntries_StrangeCookies_DoNoHarm) {
  must(put(root(), "f", ""));
  for (const std::uint64_t cookie :
       {std::uint64_t{1} << 40, std::uint64_t{1} << 62, std::uint64_t{1} << 63, UINT64_MAX}) {
    EntryCollector collector;
    static_cast<void>(root().read_entries(cookie, collector));
    EXPECT_LE(collector.seen.size(), 3U);
  }
  EntryCollector collector;
  must(root().read_entries(0, collector));
  EXPECT_EQ(collector.seen.size(), 3U);
}

TEST_P(FileSystems, DirectoryNesting_Deep_Works) {
  std::shared_ptr<Directory> directory = fixture_.file_system().open_root();
  for (int i = 0; i < 200; ++i) {
    must(directory->make_directory("d"));
    auto next = open_directory(*directory, "d");
    ASSERT_TRUE(next);
    directory = *next;
  }
  must(put(*directory, "bottom", "deep"));
  std::string path;
  for (int i = 0; i < 200; ++i) {
    path += "d/";
  }
  EXPECT_EQ(get(root(), path + "bottom"), "deep");
}

}  // namespace
}  // namespace selvedge::wasix
