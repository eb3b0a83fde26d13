#include "wasix/event_handle.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/system.h"
#include "io/kernel_reactor.h"

namespace selvedge::wasix {
namespace {

class EventHandleTest : public ::testing::Test {
 protected:
  EventHandleTest() : reactor_(*io::KernelReactor::create(clock_)) {}

  static ErrnoResult<std::size_t> write(EventHandle& event, std::uint64_t number) {
    const ByteSpan bytes = std::as_bytes(std::span(&number, 1));
    return event.try_write(std::span(&bytes, 1));
  }
  static ErrnoResult<std::uint64_t> read(EventHandle& event) {
    std::uint64_t number = 0;
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(&number, 1));
    SELVEDGE_TRY_ERRNO(const std::size_t count, event.try_read(std::span(&bytes, 1)));
    EXPECT_EQ(count, 8U);
    return number;
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_;
};

TEST_F(EventHandleTest, Read_TakesTheSum_ThenWouldBlock) {
  EventHandle event(*reactor_, {.count = 2});
  EXPECT_TRUE(event.readable()->is_set());
  EXPECT_EQ(write(event, 40), 8U);
  EXPECT_EQ(read(event), 42U);
  EXPECT_FALSE(event.readable()->is_set());
  EXPECT_FALSE(event.read_readiness().ready);
  EXPECT_EQ(read(event).error(), Errno::kAgain);
}

TEST_F(EventHandleTest, Semaphore_GivesOneAtATime) {
  EventHandle event(*reactor_, {.count = 2, .semaphore = true});
  EXPECT_EQ(read(event), 1U);
  EXPECT_TRUE(event.readable()->is_set());
  EXPECT_EQ(read(event), 1U);
  EXPECT_EQ(read(event).error(), Errno::kAgain);
}

TEST_F(EventHandleTest, Write_BeyondTheMaximum_WouldBlockUntilARead) {
  EventHandle event(*reactor_, {});
  EXPECT_EQ(write(event, EventHandle::kCountMax - 1), 8U);
  EXPECT_TRUE(event.write_readiness().ready);
  EXPECT_EQ(write(event, 2).error(), Errno::kAgain);
  EXPECT_FALSE(event.writable()->is_set());
  EXPECT_EQ(write(event, 1), 8U);
  EXPECT_FALSE(event.write_readiness().ready);
  EXPECT_EQ(read(event), EventHandle::kCountMax);
  EXPECT_TRUE(event.writable()->is_set());
  EXPECT_EQ(write(event, 2), 8U);
}

TEST_F(EventHandleTest, Write_OfTheReservedNumber_OrTooFewBytes_IsInval) {
  EventHandle event(*reactor_, {});
  EXPECT_EQ(write(event, ~std::uint64_t{0}).error(), Errno::kInval);
  std::array<std::byte, 7> seven{};
  const ByteSpan source = seven;
  EXPECT_EQ(event.try_write(std::span(&source, 1)).error(), Errno::kInval);
  const MutableByteSpan target = seven;
  EXPECT_EQ(event.try_read(std::span(&target, 1)).error(), Errno::kInval);
  EXPECT_EQ(event.try_read({}).error(), Errno::kInval);
  EXPECT_FALSE(event.read_readiness().ready);
}

TEST_F(EventHandleTest, Write_OfZero_AddsNothing) {
  EventHandle event(*reactor_, {});
  EXPECT_EQ(write(event, 0), 8U);
  EXPECT_FALSE(event.readable()->is_set());
}

TEST_F(EventHandleTest, Number_MayLieInSeveralBuffers) {
  EventHandle event(*reactor_, {});
  const std::uint64_t number = 0x0102'0304'0506'0708;
  const ByteSpan bytes = std::as_bytes(std::span(&number, 1));
  const std::array<ByteSpan, 3> pieces{bytes.first(3), ByteSpan(), bytes.subspan(3)};
  EXPECT_EQ(event.try_write(pieces), 8U);
  std::array<std::byte, 12> target{};
  const MutableByteSpan all = target;
  const std::array<MutableByteSpan, 2> buffers{all.first(5), all.subspan(5)};
  EXPECT_EQ(event.try_read(buffers), 8U);
  EXPECT_EQ(std::memcmp(target.data(), &number, sizeof(number)), 0);
}

}  // namespace
}  // namespace selvedge::wasix
