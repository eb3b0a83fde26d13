#include "wasix/stdio.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "base/system.h"
#include "base/unique_fd.h"
#include "io/kernel_reactor.h"
#include "io/signal_source.h"
#include "io/standard_stream.h"

namespace selvedge::wasix {
namespace {

class StreamHandleTest : public ::testing::Test {
 protected:
  void SetUp() override { io::ignore_broken_pipe_signal(); }

  Errno write_to(int fd) {
    StreamHandle handle(open(fd, io::StandardDirection::kWrite), {.writable = true});
    const ByteSpan bytes = base::as_bytes("text");
    const auto count = handle.try_write(std::span(&bytes, 1));
    return count ? Errno::kSuccess : count.error();
  }
  Errno read_from(int fd) {
    StreamHandle handle(open(fd, io::StandardDirection::kRead), {.readable = true});
    std::array<std::byte, 8> buffer;
    const MutableByteSpan bytes(buffer);
    const auto count = handle.try_read(std::span(&bytes, 1));
    return count ? Errno::kSuccess : count.error();
  }

 private:
  std::shared_ptr<io::Stream> open(int fd, io::StandardDirection direction) {
    return io::open_standard_stream(*reactor_, fd, direction).value();
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
};

TEST_F(StreamHandleTest, Write_ToAFullDevice_IsNospc) {
  const base::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(write_to(full.get()), Errno::kNospc);
}

TEST_F(StreamHandleTest, Write_WithoutAReader_IsPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd writer(ends[1]);
  {
    const base::UniqueFd reader(ends[0]);
  }
  EXPECT_EQ(write_to(writer.get()), Errno::kPipe);
}

TEST_F(StreamHandleTest, Read_OfADirectory_IsIsdir) {
  const base::UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(read_from(directory.get()), Errno::kIsdir);
}

}  // namespace
}  // namespace selvedge::wasix
