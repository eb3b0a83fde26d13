#include "wasix/standard_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::errno_of;

class StandardFileTest : public ::testing::Test {
 protected:
  StandardFileTest() { std::ofstream(path()) << "0123456789"; }

  std::string path() const { return folder_.path() / "f"; }
  base::UniqueFd open_host(int flags) const {
    return base::UniqueFd(::open(path().c_str(), flags | O_CLOEXEC));
  }
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }
  static std::string read(Handle& handle, std::size_t count) {
    std::string text(count, '\0');
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(text));
    const auto got = handle.try_read(std::span(&bytes, 1));
    text.resize(got.value_or(0));
    return text;
  }
  static Errno write(Handle& handle, std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return errno_of(handle.try_write(std::span(&bytes, 1)));
  }

  testing::TemporaryDirectory folder_;
};

TEST_F(StandardFileTest, Stat_IsThatOfARegularFile) {
  const auto fd = open_host(O_RDONLY);
  const auto handle = StandardFileHandle::open(fd.get());
  ASSERT_NE(handle, nullptr);
  EXPECT_EQ(handle->filetype(), Filetype::kRegularFile);
  EXPECT_EQ(handle->filestat()->filetype, Filetype::kRegularFile);
  EXPECT_EQ(handle->filestat()->size, 10U);
  EXPECT_FALSE(handle->counts_as_output());
}

TEST_F(StandardFileTest, Offset_IsSharedWithTheHost) {
  const auto fd = open_host(O_RDONLY);
  ASSERT_EQ(::lseek(fd.get(), 2, SEEK_SET), 2);
  const auto handle = StandardFileHandle::open(fd.get());
  EXPECT_EQ(handle->file()->tell(), 2U) << "begins where the shell's is";
  EXPECT_EQ(read(*handle, 3), "234");
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 5) << "and the shell goes on behind what was read";
  EXPECT_EQ(handle->file()->seek(-1, Whence::kEnd), 9U);
  EXPECT_EQ(read(*handle, 3), "9");
  EXPECT_EQ(read(*handle, 3), "");
  EXPECT_EQ(errno_of(handle->file()->seek(-1, Whence::kSet)), Errno::kInval);
  std::array<std::byte, 2> two{};
  const MutableByteSpan bytes(two);
  EXPECT_EQ(handle->file()->pread(std::span(&bytes, 1), 4, Wait::kAllowed), 2U);
  EXPECT_EQ(handle->file()->tell(), 10U) << "reading at an offset does not move it";
}

TEST_F(StandardFileTest, WrittenByTwo_GoesBehindEachOther) {
  const auto fd = open_host(O_WRONLY | O_TRUNC);
  const auto one = StandardFileHandle::open(fd.get());
  const auto other = StandardFileHandle::open(fd.get());
  EXPECT_EQ(write(*one, "one "), Errno::kSuccess);
  EXPECT_EQ(write(*other, "two "), Errno::kSuccess);
  EXPECT_EQ(write(*one, "three"), Errno::kSuccess);
  EXPECT_EQ(content(), "one two three");
  EXPECT_TRUE(one->counts_as_output());
}

TEST_F(StandardFileTest, OpenedForAppending_KeepsWhatIsThere) {
  const auto fd = open_host(O_WRONLY | O_APPEND);
  const auto handle = StandardFileHandle::open(fd.get());
  EXPECT_EQ(handle->flags(), Fdflags::kAppend);
  EXPECT_EQ(handle->set_flags(Fdflags::kNone), Errno::kSuccess);
  EXPECT_EQ(handle->flags(), Fdflags::kAppend);
  EXPECT_EQ(handle->file()->seek(0, Whence::kSet), 0U);
  EXPECT_EQ(write(*handle, "ab"), Errno::kSuccess);
  EXPECT_EQ(content(), "0123456789ab");
}

TEST_F(StandardFileTest, Access_IsTheDescriptors) {
  const auto reads = StandardFileHandle::open(open_host(O_RDONLY).get());
  EXPECT_EQ(write(*reads, "x"), Errno::kBadf);
  EXPECT_NE(errno_of(reads->file()->set_size(0)), Errno::kSuccess);
  EXPECT_NE(errno_of(reads->file()->allocate(0, 100)), Errno::kSuccess);
  EXPECT_EQ(errno_of(reads->file()->set_times({})), Errno::kPerm);
  EXPECT_FALSE(has_any(reads->rights_base(), Rights::kFdWrite));
  const auto writes = StandardFileHandle::open(open_host(O_WRONLY).get());
  EXPECT_EQ(read(*writes, 1), "");
  EXPECT_FALSE(has_any(writes->rights_base(), Rights::kFdRead));
  const auto both = StandardFileHandle::open(open_host(O_RDWR).get());
  EXPECT_EQ(read(*both, 1), "0");
  EXPECT_EQ(write(*both, "x"), Errno::kSuccess);
  EXPECT_EQ(content(), "0x23456789");
}

TEST_F(StandardFileTest, WhatIsNoRegularFile_IsNone) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  const base::UniqueFd writer(ends[1]);
  EXPECT_EQ(StandardFileHandle::open(reader.get()), nullptr);
  EXPECT_EQ(StandardFileHandle::open(base::UniqueFd(::open("/dev/null", O_RDWR)).get()), nullptr);
  EXPECT_EQ(StandardFileHandle::open(base::UniqueFd(::open("/", O_RDONLY)).get()), nullptr);
  EXPECT_EQ(StandardFileHandle::open(open_host(O_PATH).get()), nullptr);
  EXPECT_EQ(StandardFileHandle::open(-1), nullptr);
}

}  // namespace
}  // namespace selvedge::wasix
