// epoll_create, epoll_ctl, epoll_wait. What is reported when is tested with EpollHandle; here:
// arguments, waiting, and descriptors that come and go.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

#include "wasix/pipe.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kEvent = 1536;
constexpr std::uint32_t kIovec = 2048;
constexpr std::uint32_t kEvents = 4096;
constexpr std::uint64_t kNowhere = 4 * 65'536 - 2;
constexpr std::uint64_t kForever = ~std::uint64_t{0};
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kAdd = 0;
constexpr std::uint64_t kMod = 1;
constexpr std::uint64_t kDel = 2;
constexpr std::uint64_t kLibcMod = 3;

class EpollCallsTest : public ::testing::Test {
 protected:
  EpollCallsTest() : input_(make_pipe(machine_.reactor())), output_(make_pipe(machine_.reactor())) {
    ProcessOptions options{.standard_input = input_.reader, .standard_output = output_.writer};
    options.limits.open_handles_max = 10'000;
    guest_.emplace(
        machine_,
        testing::link_wasix_trampolines(
            machine_, {"fd_dup", "fd_event", "fd_pipe", "epoll_create", "epoll_ctl", "epoll_wait"}),
        std::move(options));
    EXPECT_EQ(call("epoll_create", {kOut}), Errno::kSuccess);
    epoll_ = guest_->value<GuestFd>(kOut);
  }

  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  std::optional<Errno> control(std::uint64_t operation, GuestFd fd, EpollType events) {
    guest_->put_value(kEvent,
                      abi::EpollEvent{.events = events, .padding = 0, .data = {fd, ~0ULL, 1}});
    return call("epoll_ctl", {epoll_, operation, fd, kEvent});
  }
  std::optional<Errno> wait(std::uint64_t timeout, std::uint64_t count_max = 64) {
    guest_->put_value(kOut, std::uint32_t{0xFFFF});
    return call("epoll_wait", {epoll_, kEvents, count_max, timeout, kOut});
  }
  std::uint32_t count() { return guest_->value<std::uint32_t>(kOut); }
  abi::EpollEvent event(std::uint32_t index = 0) {
    return guest_->value<abi::EpollEvent>(kEvents + index * 32);
  }
  GuestFd make_event() {
    EXPECT_EQ(call("fd_event", {0, 0, kOut}), Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  void write_to(GuestFd fd) {
    guest_->put(kEvents, "12345678");
    guest_->put_value(kIovec, abi::Iovec{.buf = kEvents, .len = 8});
    EXPECT_EQ(call("fd_write", {fd, kIovec, 1, kOut}), Errno::kSuccess);
  }
  void input(std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    ASSERT_TRUE(input_.writer->try_write(std::span(&bytes, 1)));
  }

  Machine machine_;
  PipeEnds input_;
  PipeEnds output_;
  std::optional<CallingGuest> guest_;
  GuestFd epoll_ = 0;
};

TEST_F(EpollCallsTest, WhatIsReady_IsReportedAtOnce_WithItsData) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  EXPECT_EQ(control(kAdd, 1, EpollType::kOut), Errno::kSuccess);
  EXPECT_EQ(wait(kForever), Errno::kSuccess);
  ASSERT_EQ(count(), 1U);
  EXPECT_EQ(event().events, EpollType::kOut);
  EXPECT_EQ(event().data, (std::array<std::uint64_t, 3>{1, ~0ULL, 1}));
  input("x");
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 2U);
  EXPECT_EQ(wait(0, 1), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
}

TEST_F(EpollCallsTest, OwnWrite_IsSeenByTheNextWait) {
  const GuestFd watched = make_event();
  EXPECT_EQ(control(kAdd, watched, EpollType::kIn | EpollType::kEdge), Errno::kSuccess);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
  write_to(watched);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  write_to(watched);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
}

TEST_F(EpollCallsTest, Wait_IsWokenByWhatAnotherWrites) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  guest_->begin("epoll_wait", {epoll_, kEvents, 8, kForever, kOut});
  EXPECT_FALSE(guest_->turn());
  input("abc");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(event().events, EpollType::kIn);
}

TEST_F(EpollCallsTest, Wait_WokenForNothing_WaitsOn) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  guest_->begin("epoll_wait", {epoll_, kEvents, 8, kForever, kOut});
  EXPECT_FALSE(guest_->turn());
  input("a");
  std::array<std::byte, 8> buffer;
  const MutableByteSpan bytes = buffer;
  ASSERT_TRUE(input_.reader->try_read(std::span(&bytes, 1)));
  EXPECT_FALSE(guest_->turn());
  input_.writer.reset();
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(event().events, EpollType::kHup);
}

TEST_F(EpollCallsTest, Timeout_EndsTheWaitWithNoEvents_NotBeforeItsTime) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  const auto begin = machine_.clock().now();
  EXPECT_EQ(wait(20 * kMillisecond), Errno::kSuccess);
  EXPECT_GE(machine_.clock().now() - begin, std::chrono::milliseconds(20));
  EXPECT_EQ(count(), 0U);
}

TEST_F(EpollCallsTest, EventWithinTheTimeout_IsReported) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  guest_->begin("epoll_wait", {epoll_, kEvents, 8, 3'600'000 * kMillisecond, kOut});
  EXPECT_FALSE(guest_->turn());
  input("abc");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
}

TEST_F(EpollCallsTest, DroppedWhileItWaits_LeavesNothingBehind) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  const std::shared_ptr<Handle> epoll = (*guest_->process().handles().find(epoll_))->handle;
  const long owners = epoll.use_count();
  guest_->begin("epoll_wait", {epoll_, kEvents, 8, kForever, kOut});
  EXPECT_FALSE(guest_->turn());
  EXPECT_EQ(epoll.use_count(), owners + 1);
  guest_->drop();
  EXPECT_EQ(epoll.use_count(), owners);
  input("nobody is woken");
}

TEST_F(EpollCallsTest, ClosedDescriptor_IsNotReported_ItsNumberCanBeWatchedAnew) {
  const GuestFd watched = make_event();
  EXPECT_EQ(control(kAdd, watched, EpollType::kIn), Errno::kSuccess);
  write_to(watched);
  EXPECT_EQ(call("fd_close", {watched}), Errno::kSuccess);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
  EXPECT_EQ(control(kMod, watched, EpollType::kIn), Errno::kBadf);
  ASSERT_EQ(make_event(), watched);
  EXPECT_EQ(control(kLibcMod, watched, EpollType::kIn), Errno::kNoent);
  EXPECT_EQ(control(kAdd, watched, EpollType::kIn), Errno::kSuccess);
}

TEST_F(EpollCallsTest, Control_TakesTheNumbersOfTheLibraryToo) {
  constexpr std::uint32_t kLibcAdd = 1;
  input("x");
  EXPECT_EQ(control(kLibcAdd, 0, EpollType::kIn), Errno::kSuccess);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(control(kLibcMod, 0, EpollType::kOut), Errno::kSuccess);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
  EXPECT_EQ(control(kDel, 0, EpollType::kNone), Errno::kSuccess);
  EXPECT_EQ(control(kLibcMod, 0, EpollType::kIn), Errno::kNoent);
}

TEST_F(EpollCallsTest, ClosedWhileItWaits_TheOthersStillWake) {
  const GuestFd watched = make_event();
  EXPECT_EQ(control(kAdd, watched, EpollType::kIn), Errno::kSuccess);
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  guest_->begin("epoll_wait", {epoll_, kEvents, 8, kForever, kOut});
  EXPECT_FALSE(guest_->turn());
  EXPECT_EQ(guest_->process().handles().close(watched), Errno::kSuccess);
  EXPECT_EQ(guest_->process().handles().close(epoll_), Errno::kSuccess);
  EXPECT_FALSE(guest_->turn());
  input("x");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(event().data[0], 0U);
}

TEST_F(EpollCallsTest, Duplicate_KeepsTheEntry) {
  const GuestFd watched = make_event();
  EXPECT_EQ(control(kAdd, watched, EpollType::kIn), Errno::kSuccess);
  EXPECT_EQ(call("fd_dup", {watched, kOut}), Errno::kSuccess);
  const GuestFd copy = guest_->value<GuestFd>(kOut);
  EXPECT_EQ(call("fd_close", {watched}), Errno::kSuccess);
  write_to(copy);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(event().data[0], watched);
  EXPECT_EQ(call("fd_close", {copy}), Errno::kSuccess);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
}

TEST_F(EpollCallsTest, Epoll_IsPolled) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  abi::Subscription subscription{};
  subscription.type = static_cast<std::uint8_t>(Eventtype::kFdRead);
  subscription.fd_or_clock = epoll_;
  guest_->put_value(kEvent, subscription);
  guest_->begin("poll_oneoff", {kEvent, kEvents, 1, kOut});
  EXPECT_FALSE(guest_->turn());
  input("x");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(guest_->value<abi::Event>(kEvents).type, Eventtype::kFdRead);
}

TEST_F(EpollCallsTest, ThousandsOfDescriptors_TheOneThatIsReadyIsReported) {
  GuestFd last = 0;
  for (int index = 0; index < 5000; ++index) {
    last = make_event();
    ASSERT_EQ(control(kAdd, last, EpollType::kIn), Errno::kSuccess);
  }
  write_to(last - 1000);
  EXPECT_EQ(wait(kForever), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(event().data[0], last - 1000);
}

TEST_F(EpollCallsTest, Control_WithBadArguments_ChangesNothing) {
  EXPECT_EQ(control(4, 0, EpollType::kIn), Errno::kInval);
  EXPECT_EQ(control(kAdd, 0, static_cast<EpollType>(256)), Errno::kInval);
  EXPECT_EQ(control(kAdd, 999, EpollType::kIn), Errno::kBadf);
  EXPECT_EQ(control(kAdd, epoll_, EpollType::kIn), Errno::kInval);
  EXPECT_EQ(control(kLibcMod, 0, EpollType::kIn), Errno::kNoent);
  EXPECT_EQ(control(kDel, 0, EpollType::kNone), Errno::kNoent);
  EXPECT_EQ(call("epoll_ctl", {epoll_, kAdd, 0, kNowhere}), Errno::kFault);
  EXPECT_EQ(call("epoll_ctl", {999, kAdd, 0, kEvent}), Errno::kBadf);
  EXPECT_EQ(call("epoll_ctl", {1, kAdd, 0, kEvent}), Errno::kInval);
  EXPECT_EQ(call("epoll_create", {kNowhere}), Errno::kFault);
  EXPECT_EQ(guest_->process().epoll_usage()->entries, 0U);
  EXPECT_EQ(guest_->process().handles().size(), 4U);
}

TEST_F(EpollCallsTest, Delete_DoesNotReadTheEvent) {
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kSuccess);
  EXPECT_EQ(control(kAdd, 0, EpollType::kIn), Errno::kExist);
  EXPECT_EQ(call("epoll_ctl", {epoll_, kDel, 0, kNowhere}), Errno::kSuccess);
  input("x");
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 0U);
}

TEST_F(EpollCallsTest, Wait_WithBadArguments_ConsumesNoEdge) {
  EXPECT_EQ(control(kAdd, 1, EpollType::kOut | EpollType::kEdge), Errno::kSuccess);
  EXPECT_EQ(wait(0, 0), Errno::kInval);
  EXPECT_EQ(wait(0, 0x8000'0000), Errno::kInval);
  EXPECT_EQ(call("epoll_wait", {999, kEvents, 1, 0, kOut}), Errno::kBadf);
  EXPECT_EQ(call("epoll_wait", {1, kEvents, 1, 0, kOut}), Errno::kInval);
  EXPECT_EQ(call("epoll_wait", {epoll_, kNowhere, 1, 0, kOut}), Errno::kFault);
  EXPECT_EQ(call("epoll_wait", {epoll_, kEvents, 1, 0, kNowhere}), Errno::kFault);
  EXPECT_EQ(wait(0), Errno::kSuccess);
  EXPECT_EQ(count(), 1U);
}

TEST_F(EpollCallsTest, Epoll_IsNeitherReadNorWritten) {
  guest_->put_value(kIovec, abi::Iovec{.buf = kEvents, .len = 8});
  EXPECT_EQ(call("fd_read", {epoll_, kIovec, 1, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_write", {epoll_, kIovec, 1, kOut}), Errno::kNotcapable);
}

}  // namespace
}  // namespace selvedge::wasix
