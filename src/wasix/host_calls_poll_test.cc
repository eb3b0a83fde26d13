// poll_oneoff of both versions.

#include <gtest/gtest.h>

#include <string>

#include "wasix/host_functions.h"
#include "wasix/pipe.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kSubscriptions = 4096;
constexpr std::uint32_t kEvents = 8192;
constexpr std::uint64_t kMillisecond = 1'000'000;

class PollTest : public ::testing::Test {
 protected:
  PollTest() : input_(make_pipe(machine_.reactor())), output_(make_pipe(machine_.reactor())) {
    start(kPreview1Module, testing::preview1_imports());
  }

  void start(std::string_view module, std::span<const testing::ImportSignature> imports) {
    guest_.emplace(
        machine_, *machine_.link_wat(testing::trampoline_wat(module, imports)),
        ProcessOptions{.standard_input = input_.reader, .standard_output = output_.writer});
  }
  void subscribe(std::uint32_t index, abi::Subscription subscription) {
    guest_->put_value(kSubscriptions + index * 48, subscription);
  }
  static abi::Subscription timer(std::uint64_t userdata, std::uint64_t timeout,
                                 Clockid id = Clockid::kMonotonic,
                                 Subclockflags flags = Subclockflags::kNone) {
    abi::Subscription subscription{};
    subscription.userdata = userdata;
    subscription.type = 0;
    subscription.fd_or_clock = static_cast<std::uint32_t>(id);
    subscription.timeout = timeout;
    subscription.flags = flags;
    return subscription;
  }
  static abi::Subscription descriptor(std::uint64_t userdata, Eventtype type, GuestFd fd) {
    abi::Subscription subscription{};
    subscription.userdata = userdata;
    subscription.type = static_cast<std::uint8_t>(type);
    subscription.fd_or_clock = fd;
    return subscription;
  }
  std::optional<Errno> poll(std::uint32_t count) {
    return guest_->call("poll_oneoff", {kSubscriptions, kEvents, count, kOut});
  }
  std::uint32_t events() { return guest_->value<std::uint32_t>(kOut); }
  abi::Event event(std::uint32_t index) { return guest_->value<abi::Event>(kEvents + index * 32); }
  void input(std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    ASSERT_TRUE(input_.writer->try_write(std::span(&bytes, 1)));
  }

  Machine machine_;
  PipeEnds input_;
  PipeEnds output_;
  std::optional<CallingGuest> guest_;
};

TEST_F(PollTest, NoSubscription_OrTooMany_IsInval) {
  EXPECT_EQ(poll(0), Errno::kInval);
  EXPECT_EQ(poll(4097), Errno::kInval);
  EXPECT_EQ(guest_->call("poll_oneoff", {kSubscriptions, 0xFFFF'FFF0, 1, kOut}), Errno::kFault);
}

TEST_F(PollTest, UnknownType_Clock_OrFlag_IsInval) {
  subscribe(0, descriptor(1, static_cast<Eventtype>(3), 0));
  EXPECT_EQ(poll(1), Errno::kInval);
  subscribe(0, timer(1, 0, static_cast<Clockid>(4)));
  EXPECT_EQ(poll(1), Errno::kInval);
  subscribe(0, timer(1, 0, Clockid::kMonotonic, static_cast<Subclockflags>(2)));
  EXPECT_EQ(poll(1), Errno::kInval);
}

TEST_F(PollTest, RelativeClock_FiresNotBeforeItsTime) {
  for (const Clockid id : {Clockid::kMonotonic, Clockid::kRealtime}) {
    const auto begin = machine_.clock().now();
    subscribe(0, timer(77, 20 * kMillisecond, id));
    EXPECT_EQ(poll(1), Errno::kSuccess);
    EXPECT_GE(machine_.clock().now() - begin, std::chrono::milliseconds(20));
    ASSERT_EQ(events(), 1U);
    EXPECT_EQ(event(0).userdata, 77U);
    EXPECT_EQ(event(0).error, Errno::kSuccess);
    EXPECT_EQ(event(0).type, Eventtype::kClock);
  }
}

TEST_F(PollTest, AbsoluteClock_InThePast_FiresAtOnce) {
  subscribe(0, timer(1, 1, Clockid::kRealtime, Subclockflags::kAbstime));
  subscribe(1, timer(2, 1, Clockid::kMonotonic, Subclockflags::kAbstime));
  subscribe(2, timer(3, ~std::uint64_t{0}));
  EXPECT_EQ(poll(3), Errno::kSuccess);
  ASSERT_EQ(events(), 2U);
  EXPECT_EQ(event(0).userdata, 1U);
  EXPECT_EQ(event(1).userdata, 2U);
}

TEST_F(PollTest, CpuTimeClock_IsNotsupInItsEvent) {
  subscribe(0, timer(1, 1, Clockid::kProcessCputimeId));
  EXPECT_EQ(poll(1), Errno::kSuccess);
  EXPECT_EQ(event(0).error, Errno::kNotsup);
}

TEST_F(PollTest, BadDescriptor_IsBadfInItsEvent_MissingRightNotcapable) {
  subscribe(0, descriptor(1, Eventtype::kFdRead, 99));
  subscribe(1, descriptor(2, Eventtype::kFdWrite, 0));
  EXPECT_EQ(poll(2), Errno::kSuccess);
  ASSERT_EQ(events(), 2U);
  EXPECT_EQ(event(0).error, Errno::kBadf);
  EXPECT_EQ(event(0).type, Eventtype::kFdRead);
  EXPECT_EQ(event(1).error, Errno::kNotcapable);
}

TEST_F(PollTest, Writable_IsReadyAtOnce_WithItsRoom) {
  subscribe(0, descriptor(5, Eventtype::kFdWrite, 1));
  EXPECT_EQ(poll(1), Errno::kSuccess);
  ASSERT_EQ(events(), 1U);
  EXPECT_EQ(event(0).userdata, 5U);
  EXPECT_EQ(event(0).nbytes, kPipeBytesMax);
}

TEST_F(PollTest, Readable_WakesWhenBytesCome) {
  subscribe(0, timer(1, 3'600'000 * kMillisecond));
  subscribe(1, descriptor(2, Eventtype::kFdRead, 0));
  subscribe(2, descriptor(3, Eventtype::kFdRead, 0));
  guest_->begin("poll_oneoff", {kSubscriptions, kEvents, 3, kOut});
  EXPECT_FALSE(guest_->turn());
  input("abc");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  ASSERT_EQ(events(), 2U);
  EXPECT_EQ(event(0).userdata, 2U);
  EXPECT_EQ(event(0).nbytes, 3U);
  EXPECT_EQ(event(0).flags, Eventrwflags::kNone);
  EXPECT_EQ(event(1).userdata, 3U);
}

TEST_F(PollTest, WriterGone_IsHangup) {
  input_.writer.reset();
  subscribe(0, descriptor(2, Eventtype::kFdRead, 0));
  EXPECT_EQ(poll(1), Errno::kSuccess);
  EXPECT_EQ(event(0).flags, Eventrwflags::kHangup);
}

TEST_F(PollTest, DroppedWhileItWaits_LeavesNothingBehind) {
  subscribe(0, timer(1, 3'600'000 * kMillisecond));
  subscribe(1, descriptor(2, Eventtype::kFdRead, 0));
  const long owners = input_.reader.use_count();
  guest_->begin("poll_oneoff", {kSubscriptions, kEvents, 2, kOut});
  EXPECT_FALSE(guest_->turn());
  EXPECT_EQ(input_.reader.use_count(), owners + 1);
  guest_->drop();
  EXPECT_EQ(input_.reader.use_count(), owners);
  input("nobody is woken");
}

TEST_F(PollTest, Snapshot0_HasItsOwnLayout) {
  start(kSnapshot0Module, testing::snapshot0_imports());
  abi::Snapshot0Subscription deadline{};
  deadline.userdata = 9;
  deadline.clock_identifier = 0xABCD;
  deadline.clock = 1;
  deadline.timeout = 5 * kMillisecond;
  guest_->put_value(kSubscriptions, deadline);
  abi::Snapshot0Subscription read{};
  read.userdata = 10;
  read.type = 1;
  read.fd = 0;
  guest_->put_value(kSubscriptions + 56, read);
  EXPECT_EQ(poll(2), Errno::kSuccess);
  ASSERT_EQ(events(), 1U);
  EXPECT_EQ(event(0).userdata, 9U);
  input("x");
  EXPECT_EQ(poll(2), Errno::kSuccess);
  EXPECT_EQ(event(0).userdata, 10U);
}

}  // namespace
}  // namespace selvedge::wasix
