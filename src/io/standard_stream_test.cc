#include "io/standard_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "base/system.h"
#include "base/unique_fd.h"
#include "io/signal_source.h"
#include "io/task_scope.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

class StandardStreamTest : public ::testing::Test {
 protected:
  void SetUp() override { ignore_broken_pipe_signal(); }
  std::unique_ptr<Stream> open(int fd, StandardDirection direction) {
    return open_standard_stream(*reactor_, fd, direction).value();
  }
  Deadline soon() { return reactor_->deadline_after(20s); }

  // Writes `text` to `writer`'s stream and reads it from `reader`'s, with the flags of both
  // descriptions unchanged after.
  void expect_passes(int reader, int writer, std::string_view text) {
    const int reader_flags = ::fcntl(reader, F_GETFL);
    const int writer_flags = ::fcntl(writer, F_GETFL);
    const auto body = [&](this auto /*self*/) -> Task<std::string> {
      auto in = open(reader, StandardDirection::kRead);
      auto out = open(writer, StandardDirection::kWrite);
      std::string received(text.size(), '\0');
      const auto waits = co_await in->read(std::as_writable_bytes(std::span(received)),
                                           reactor_->deadline_after(3ms));
      EXPECT_EQ(waits.error().kind(), ErrorKind::kTimeout);
      SELVEDGE_CO_TRY_VOID(co_await out->write_all(base::as_bytes(text), soon()));
      SELVEDGE_CO_TRY_VOID(
          co_await in->read_exactly(std::as_writable_bytes(std::span(received)), soon()));
      co_return received;
    };
    const auto result = reactor_->run(body());
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(*result, text);
    EXPECT_EQ(::fcntl(reader, F_GETFL), reader_flags);
    EXPECT_EQ(::fcntl(writer, F_GETFL), writer_flags);
  }

  base::SystemClock clock_;
  std::unique_ptr<KernelReactor> reactor_ = KernelReactor::create(clock_).value();
};

struct FdPair {
  base::UniqueFd read;
  base::UniqueFd write;
};

FdPair make_pipe() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {base::UniqueFd(fds[0]), base::UniqueFd(fds[1])};
}

TEST_F(StandardStreamTest, Pipe_Passes_AndKeepsItsFlags) {
  const FdPair pipe = make_pipe();
  expect_passes(pipe.read.get(), pipe.write.get(), "through a pipe");
}

TEST_F(StandardStreamTest, Check_TellsWhetherAnAttemptWouldWait) {
  int terminal = -1;
  int keyboard = -1;
  ASSERT_EQ(::openpty(&keyboard, &terminal, nullptr, nullptr, nullptr), 0);
  FdPair pipe = make_pipe();
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  for (FdPair& pair :
       std::to_array<FdPair>({std::move(pipe),
                              {base::UniqueFd(terminal), base::UniqueFd(keyboard)},
                              {base::UniqueFd(sockets[0]), base::UniqueFd(sockets[1])}})) {
    const auto in = open(pair.read.get(), StandardDirection::kRead);
    EXPECT_FALSE(in->check_readable());
    ASSERT_EQ(::write(pair.write.get(), "a\n", 2), 2);
    const auto arrives = [&](this auto /*self*/) -> Task<> {
      co_return co_await in->readable().wait(soon());
    };
    ASSERT_TRUE(reactor_->run(arrives()));
    EXPECT_TRUE(in->check_readable());
    std::array<std::byte, 16> buffer;
    ASSERT_EQ(*in->try_read(buffer), 2U);
    EXPECT_FALSE(in->check_readable());
    EXPECT_FALSE(in->readable().is_set());
    pair.write.reset();
    ASSERT_TRUE(reactor_->run(arrives()));
    EXPECT_TRUE(in->check_readable());
  }
}

TEST_F(StandardStreamTest, CheckWritable_IsFalseWhileThePipeIsFull) {
  const FdPair pipe = make_pipe();
  const auto out = open(pipe.write.get(), StandardDirection::kWrite);
  EXPECT_TRUE(out->check_writable());
  const std::string much(1 << 20, 'x');
  while (out->try_write(base::as_bytes(much))->has_value()) {
  }
  EXPECT_FALSE(out->check_writable());
  std::string read(1 << 20, '\0');
  ASSERT_GT(::read(pipe.read.get(), read.data(), read.size()), 0);
  const auto room = [&](this auto /*self*/) -> Task<> {
    co_return co_await out->writable().wait(soon());
  };
  ASSERT_TRUE(reactor_->run(room()));
  EXPECT_TRUE(out->check_writable());
}

TEST_F(StandardStreamTest, Socket_Passes_AndKeepsItsFlags) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const base::UniqueFd left(fds[0]);
  const base::UniqueFd right(fds[1]);
  expect_passes(left.get(), right.get(), "through a socket");
}

TEST_F(StandardStreamTest, Terminal_Passes_AndKeepsItsFlags) {
  int control_fd = -1;
  int terminal_fd = -1;
  if (::openpty(&control_fd, &terminal_fd, nullptr, nullptr, nullptr) != 0) {
    GTEST_SKIP() << "no pseudo-terminals here";
  }
  const base::UniqueFd control(control_fd);
  const base::UniqueFd terminal(terminal_fd);
  expect_passes(terminal.get(), control.get(), "a line typed\n");
}

TEST_F(StandardStreamTest, Pipe_LargeTransferToASlowReader_IsWhole) {
  constexpr std::size_t kBytes = 1'000'000;
  const FdPair pipe = make_pipe();
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    auto in = open(pipe.read.get(), StandardDirection::kRead);
    auto out = open(pipe.write.get(), StandardDirection::kWrite);
    const std::vector<std::byte> data(kBytes);
    const auto writer = [&](this auto /*self*/) -> Task<> {
      co_return co_await out->write_all(data, soon());
    };
    TaskScope scope(*reactor_);
    scope.spawn(writer());
    co_await reactor_->sleep(5ms);
    EXPECT_FALSE(scope.empty());  // the pipe is full
    std::vector<std::byte> buffer(kBytes);
    SELVEDGE_CO_TRY_VOID(co_await in->read_exactly(buffer, soon()));
    SELVEDGE_CO_TRY_VOID(co_await scope.close());
    co_return buffer.size();
  };
  EXPECT_EQ(reactor_->run(body()).value(), kBytes);
}

TEST_F(StandardStreamTest, Pipe_WriterCloses_ReaderSeesTheEnd) {
  FdPair pipe = make_pipe();
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    auto in = open(pipe.read.get(), StandardDirection::kRead);
    pipe.write.reset();
    std::array<std::byte, 8> buffer{};
    co_return co_await in->read(buffer, soon());
  };
  EXPECT_EQ(reactor_->run(body()).value(), 0U);
}

TEST_F(StandardStreamTest, Pipe_ReaderCloses_WriterSeesADisconnect) {
  FdPair pipe = make_pipe();
  const auto body = [&](this auto /*self*/) -> Task<> {
    auto out = open(pipe.write.get(), StandardDirection::kWrite);
    pipe.read.reset();
    co_return co_await out->write_all(base::as_bytes("nobody reads this"), soon());
  };
  EXPECT_EQ(reactor_->run(body()).error().kind(), ErrorKind::kDisconnected);
}

TEST_F(StandardStreamTest, File_ReadAndWritten_KeepsTheSharedOffset) {
  const base::UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  const auto body = [&](this auto /*self*/) -> Task<std::string> {
    auto out = open(file.get(), StandardDirection::kWrite);
    SELVEDGE_CO_TRY_VOID(co_await out->write_all(base::as_bytes("first "), soon()));
    EXPECT_EQ(::write(file.get(), "second", 6), 6);  // another program that shares the file
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    auto in = open(file.get(), StandardDirection::kRead);
    std::string text;
    std::array<char, 5> buffer{};
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count,
                      co_await in->read(std::as_writable_bytes(std::span(buffer)), soon()));
      if (count == 0) {
        co_return text;
      }
      text.append(buffer.data(), count);
    }
  };
  EXPECT_EQ(reactor_->run(body()).value(), "first second");
}

TEST_F(StandardStreamTest, NullDevice_ReadsEndAndTakesEverything) {
  const base::UniqueFd null_device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto body = [&](this auto /*self*/) -> Task<std::size_t> {
    auto out = open(null_device.get(), StandardDirection::kWrite);
    SELVEDGE_CO_TRY_VOID(co_await out->write_all(base::as_bytes("gone"), soon()));
    auto in = open(null_device.get(), StandardDirection::kRead);
    std::array<std::byte, 8> buffer{};
    co_return co_await in->read(buffer, soon());
  };
  EXPECT_EQ(reactor_->run(body()).value(), 0U);
}

TEST_F(StandardStreamTest, Open_WrongDirectionOrClosed_IsRefused) {
  const FdPair pipe = make_pipe();
  EXPECT_EQ(
      open_standard_stream(*reactor_, pipe.read.get(), StandardDirection::kWrite).error().kind(),
      ErrorKind::kInvalid);
  EXPECT_EQ(open_standard_stream(*reactor_, 987'654, StandardDirection::kRead).error().kind(),
            ErrorKind::kInvalid);
}

}  // namespace
}  // namespace selvedge::io
