#include "wasix/pipe.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "io/task_scope.h"

namespace selvedge::wasix {
namespace {

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() : reactor_(*io::KernelReactor::create(clock_)), pipe_(make_pipe(*reactor_)) {}

  ErrnoResult<std::size_t> write(std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return pipe_.writer->try_write(std::span(&bytes, 1));
  }
  ErrnoResult<std::string> read(std::size_t size) {
    std::string text(size, '\0');
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(text));
    SELVEDGE_TRY_ERRNO(const std::size_t count, pipe_.reader->try_read(std::span(&bytes, 1)));
    text.resize(count);
    return text;
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_;
  PipeEnds pipe_;
};

TEST_F(PipeTest, Read_WhenEmpty_WouldBlock) {
  EXPECT_EQ(read(1).error(), Errno::kAgain);
  EXPECT_FALSE(pipe_.reader->readable()->is_set());
  EXPECT_TRUE(pipe_.writer->writable()->is_set());
}

TEST_F(PipeTest, Read_OfNothing_DoesNotBlock) { EXPECT_EQ(read(0), ""); }

TEST_F(PipeTest, Bytes_ComeOutInOrder_AcrossTheRingsEnd) {
  std::string sent;
  std::string received;
  for (int round = 0; round < 50; ++round) {
    const std::string chunk(5000, static_cast<char>('a' + round % 26));
    ASSERT_EQ(write(chunk), chunk.size());
    sent += chunk;
    const auto got = read(4500);
    ASSERT_TRUE(got);
    received += *got;
  }
  while (received.size() < sent.size()) {
    received += *read(9999);
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(read(1).error(), Errno::kAgain);
}

TEST_F(PipeTest, Write_BeyondCapacity_IsShortThenBlocks_UntilHalfIsRead) {
  const std::string much(kPipeBytesMax + 100, 'x');
  EXPECT_EQ(write(much), kPipeBytesMax);
  EXPECT_EQ(write("y").error(), Errno::kAgain);
  EXPECT_FALSE(pipe_.writer->writable()->is_set());
  EXPECT_EQ(read(kPipeBytesMax - kPipeBytesLow - 1)->size(), kPipeBytesMax - kPipeBytesLow - 1);
  EXPECT_FALSE(pipe_.writer->writable()->is_set());
  EXPECT_EQ(read(1)->size(), 1U);
  EXPECT_TRUE(pipe_.writer->writable()->is_set());
}

TEST_F(PipeTest, Read_AfterWriterClosed_GivesRestThenEnd) {
  ASSERT_TRUE(write("rest"));
  pipe_.writer.reset();
  EXPECT_EQ(read(2), "re");
  EXPECT_TRUE(pipe_.reader->read_readiness().hangup);
  EXPECT_EQ(read(9), "st");
  EXPECT_EQ(read(9), "");
  EXPECT_EQ(read(9), "");
  EXPECT_TRUE(pipe_.reader->readable()->is_set());
}

TEST_F(PipeTest, Write_AfterReaderClosed_IsPipe) {
  pipe_.reader.reset();
  EXPECT_EQ(write("x").error(), Errno::kPipe);
  EXPECT_TRUE(pipe_.writer->write_readiness().hangup);
}

TEST_F(PipeTest, Gathered_ReadFillsBuffersInOrder) {
  ASSERT_TRUE(write("abcdef"));
  std::array<std::byte, 2> first;
  std::array<std::byte, 8> second;
  const std::array<MutableByteSpan, 3> buffers{first, MutableByteSpan(), second};
  EXPECT_EQ(pipe_.reader->try_read(buffers), 6U);
  EXPECT_EQ(base::as_text(first), "ab");
  EXPECT_EQ(base::as_text(ByteSpan(second).first(4)), "cdef");
}

io::Task<> write_much(PipeWriter& writer, const std::string& text) {
  SELVEDGE_CO_TRY_VOID(co_await writer.write_all(base::as_bytes(text)));
  writer.close();
  co_return Result<>();
}

io::Task<std::string> read_to_end(PipeReader& reader) {
  std::string all;
  std::array<std::byte, 1000> buffer;
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await reader.read(buffer));
    if (count == 0) {
      co_return all;
    }
    all += base::as_text(ByteSpan(buffer).first(count));
  }
}

TEST_F(PipeTest, Tasks_MoveMoreThanTheCapacity) {
  std::string text;
  for (int index = 0; text.size() < 5 * kPipeBytesMax; ++index) {
    text += std::to_string(index);
  }
  io::TaskScope scope(*reactor_);
  scope.spawn(write_much(*pipe_.writer, text));
  const auto received = reactor_->run(read_to_end(*pipe_.reader));
  ASSERT_TRUE(received);
  EXPECT_EQ(*received, text);
}

TEST_F(PipeTest, WriteAll_WhenReaderCloses_IsDisconnected) {
  io::TaskScope scope(*reactor_);
  const auto close_soon = [](PipeReader& reader, io::Reactor& reactor) -> io::Task<> {
    co_await reactor.yield();
    reader.close();
    co_return Result<>();
  };
  scope.spawn(close_soon(*pipe_.reader, *reactor_));
  const std::string text(2 * kPipeBytesMax, 'x');
  const auto result = reactor_->run(pipe_.writer->write_all(base::as_bytes(text)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kDisconnected);
}

TEST_F(PipeTest, Read_AtDeadline_TimesOut) {
  std::array<std::byte, 8> buffer;
  const auto result = reactor_->run(
      pipe_.reader->read(buffer, reactor_->deadline_after(std::chrono::milliseconds(5))));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kTimeout);
}

io::Task<> read_one(PipeReader& reader) {
  std::array<std::byte, 1> buffer;
  SELVEDGE_CO_TRY_VOID(co_await reader.read(buffer));
  co_return Result<>();
}

// With a reader that waits, what gives_way says after each of these times.
std::vector<bool> gives_way(bool counts_as_output, std::vector<base::Duration> times) {
  const base::SystemClock clock;
  const auto reactor = *io::KernelReactor::create(clock);
  const PipeEnds pipe = make_pipe(*reactor, {.counts_as_output = counts_as_output});
  EXPECT_FALSE(pipe.writer->gives_way(std::chrono::hours(1))) << "nobody waits";
  std::vector<bool> answers;
  io::TaskScope scope(*reactor);
  scope.spawn(read_one(*pipe.reader));
  const auto ask = [](io::Reactor& loop, const PipeEnds& ends, std::vector<base::Duration> asked,
                      std::vector<bool>& out) -> io::Task<> {
    while (!ends.reader->readable()->has_waiters()) {
      co_await loop.yield();
    }
    for (const base::Duration time : asked) {
      out.push_back(ends.writer->gives_way(time));
    }
    ends.writer->close();
    co_return Result<>();
  };
  EXPECT_TRUE(reactor->run(ask(*reactor, pipe, std::move(times), answers)));
  EXPECT_TRUE(reactor->run(scope.close()));
  return answers;
}

TEST(PipeOutputTest, GivesWay_ToAWaitingReader_OncePerInterval) {
  const base::Duration interval = kGiveWayInterval;
  EXPECT_EQ(gives_way(true, {interval / 2, interval, interval * 3 / 2, interval * 2}),
            (std::vector{false, true, false, true}));
}

TEST(PipeOutputTest, GivesWay_InsideAGuest_Never) {
  EXPECT_EQ(gives_way(false, {std::chrono::hours(1)}), std::vector{false});
}

}  // namespace
}  // namespace selvedge::wasix
