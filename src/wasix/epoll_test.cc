#include "wasix/epoll.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "wasix/event_handle.h"
#include "wasix/file_handle.h"
#include "wasix/pipe.h"
#include "wasix/stdio.h"

namespace selvedge::wasix {
namespace {

constexpr EpollType kIn = EpollType::kIn;
constexpr EpollType kOut = EpollType::kOut;
constexpr EpollType kEdge = EpollType::kEdge;
constexpr EpollType kNone = EpollType::kNone;

class EpollTest : public ::testing::Test {
 protected:
  EpollTest()
      : reactor_(*io::KernelReactor::create(clock_)),
        usage_(std::make_shared<EpollUsage>()),
        epoll_(std::make_shared<EpollHandle>(*reactor_, usage_)) {}

  static Descriptor descriptor(std::shared_ptr<Handle> handle) {
    const Rights rights = handle->rights_base();
    return {.handle = std::move(handle), .rights_base = rights};
  }
  // Each entry's data is its descriptor.
  Errno add(GuestFd fd, const std::shared_ptr<Handle>& handle, EpollType events) {
    return epoll_->add(fd, descriptor(handle), {.events = events, .data = {fd}});
  }
  Errno modify(GuestFd fd, const std::shared_ptr<Handle>& handle, EpollType events) {
    return epoll_->modify(fd, descriptor(handle), {.events = events, .data = {fd}});
  }
  std::shared_ptr<EventHandle> event(std::uint64_t count = 0) {
    return std::make_shared<EventHandle>(*reactor_, EventHandle::Options{.count = count});
  }
  static void write(Handle& handle, std::string_view text = "12345678") {
    const ByteSpan bytes = base::as_bytes(text);
    ASSERT_TRUE(handle.try_write(std::span(&bytes, 1)));
  }
  static void read(Handle& handle) {
    std::array<std::byte, 8> buffer;
    const MutableByteSpan bytes = buffer;
    ASSERT_TRUE(handle.try_read(std::span(&bytes, 1)));
  }
  // What the only ready entry reports; kNone: none is ready.
  EpollType collect_one() {
    const auto events = epoll_->collect(10);
    EXPECT_LE(events.size(), 1U);
    return events.empty() ? kNone : events.front().events;
  }
  std::vector<std::uint64_t> collect(std::size_t count_max) {
    std::vector<std::uint64_t> result;
    for (const abi::EpollEvent& found : epoll_->collect(count_max)) {
      result.push_back(found.data[0]);
    }
    return result;
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_;
  std::shared_ptr<EpollUsage> usage_;
  std::shared_ptr<EpollHandle> epoll_;
};

TEST_F(EpollTest, Level_IsReportedUntilItIsNotReady) {
  const auto watched = event();
  EXPECT_EQ(add(3, watched, kIn), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kNone);
  EXPECT_FALSE(epoll_->readable()->is_set());
  write(*watched);
  EXPECT_TRUE(epoll_->readable()->is_set());
  EXPECT_TRUE(epoll_->read_readiness().ready);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kIn);
  read(*watched);
  EXPECT_FALSE(epoll_->read_readiness().ready);
  EXPECT_FALSE(epoll_->readable()->is_set());
  EXPECT_EQ(collect_one(), kNone);
  write(*watched);
  EXPECT_EQ(collect_one(), kIn);
}

TEST_F(EpollTest, Level_WhatIsReadyWhenAdded_IsReported) {
  EXPECT_EQ(add(3, event(1), kIn | kOut), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kNone);  // the handle is gone
  const auto watched = event(1);
  EXPECT_EQ(add(3, watched, kIn | kOut), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn | kOut);
}

TEST_F(EpollTest, Edge_IsReportedOnceForEachWrite_EvenUnread) {
  const auto watched = event();
  EXPECT_EQ(add(3, watched, kIn | kEdge), Errno::kSuccess);
  write(*watched);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kNone);
  EXPECT_FALSE(epoll_->readable()->is_set());
  write(*watched);
  EXPECT_EQ(collect_one(), kIn);
  write(*watched);
  read(*watched);
  EXPECT_EQ(collect_one(), kNone);
}

TEST_F(EpollTest, Edge_OfAPipe_EachWriteCounts) {
  const PipeEnds pipe = make_pipe(*reactor_);
  EXPECT_EQ(add(3, pipe.reader, kIn | kEdge), Errno::kSuccess);
  write(*pipe.writer);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kNone);
  write(*pipe.writer);
  EXPECT_EQ(collect_one(), kIn);
}

TEST_F(EpollTest, Edge_Modify_ReportsAgain) {
  const auto watched = event(1);
  EXPECT_EQ(add(3, watched, kIn | kEdge), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kNone);
  EXPECT_EQ(modify(3, watched, kIn | kEdge), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
}

TEST_F(EpollTest, Oneshot_ReportsNothingMore_UntilModified) {
  const auto watched = event(1);
  EXPECT_EQ(add(3, watched, kIn | EpollType::kOneshot), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
  write(*watched);
  EXPECT_EQ(collect_one(), kNone);
  EXPECT_EQ(modify(3, watched, kIn | EpollType::kOneshot), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kNone);
}

TEST_F(EpollTest, Pipe_EndsTellHangupAndError_WithoutBeingAsked) {
  PipeEnds first = make_pipe(*reactor_);
  EXPECT_EQ(add(3, first.reader, kNone), Errno::kSuccess);
  write(*first.writer);
  EXPECT_EQ(collect_one(), kNone);
  first.writer.reset();
  EXPECT_EQ(collect_one(), EpollType::kHup);
  EXPECT_EQ(modify(3, first.reader, kIn | EpollType::kRdhup), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn | EpollType::kHup);
  std::array<std::byte, 64> buffer;
  const MutableByteSpan bytes(buffer);
  EXPECT_TRUE(first.reader->try_read(std::span(&bytes, 1)));
  EXPECT_EQ(collect_one(), EpollType::kHup) << "there is nothing to read";
  first.reader.reset();

  PipeEnds second = make_pipe(*reactor_);
  EXPECT_EQ(add(4, second.writer, kNone), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kNone);
  second.reader.reset();
  EXPECT_EQ(collect_one(), EpollType::kErr);
}

TEST_F(EpollTest, Pipe_WriterIsReadyAgainWhenThereIsRoom) {
  const PipeEnds pipe = make_pipe(*reactor_);
  EXPECT_EQ(add(3, pipe.writer, kOut | kEdge), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kOut);
  write(*pipe.writer, std::string(kPipeBytesMax, 'x'));
  EXPECT_EQ(collect_one(), kNone);
  std::vector<std::byte> buffer(kPipeBytesMax);
  const MutableByteSpan bytes = buffer;
  ASSERT_TRUE(pipe.reader->try_read(std::span(&bytes, 1)));
  EXPECT_EQ(collect_one(), kOut);
}

TEST_F(EpollTest, Rights_BoundWhatIsReported) {
  const auto watched = event(1);
  Descriptor only_read = descriptor(watched);
  only_read.rights_base = Rights::kPollFdReadwrite | Rights::kFdRead;
  EXPECT_EQ(epoll_->add(3, only_read, {.events = kIn | kOut}), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
  only_read.rights_base = Rights::kFdRead;
  EXPECT_EQ(epoll_->add(4, only_read, {.events = kIn}), Errno::kNotcapable);
}

TEST_F(EpollTest, Entries_AreOfADescriptorAndItsHandle) {
  auto first = event(1);
  EXPECT_EQ(add(3, first, kIn), Errno::kSuccess);
  EXPECT_EQ(add(3, first, kIn), Errno::kExist);
  EXPECT_EQ(add(4, first, kIn), Errno::kSuccess);  // a duplicate of it
  const auto second = event(1);
  EXPECT_EQ(modify(3, second, kIn), Errno::kNoent);
  EXPECT_EQ(epoll_->remove(3, descriptor(second)), Errno::kNoent);
  EXPECT_EQ(add(3, second, kIn), Errno::kSuccess);
  EXPECT_EQ(collect(10), (std::vector<std::uint64_t>{3, 4, 3}));
  first.reset();
  EXPECT_EQ(collect(10), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(epoll_->size(), 1U);
  EXPECT_EQ(epoll_->remove(3, descriptor(second)), Errno::kSuccess);
  EXPECT_EQ(collect(10), std::vector<std::uint64_t>{});
  EXPECT_EQ(usage_->entries, 0U);
}

TEST_F(EpollTest, Files_Directories_AndEpolls_AreRefused) {
  const auto other = std::make_shared<EpollHandle>(*reactor_, usage_);
  EXPECT_EQ(add(3, other, kIn), Errno::kLoop);
  EXPECT_EQ(add(4, std::make_shared<DirectoryHandle>(nullptr), kIn), Errno::kPerm);
  EXPECT_EQ(epoll_->size(), 0U);
}

TEST_F(EpollTest, WhatNeverBlocks_IsAlwaysReady) {
  const auto null = std::make_shared<NullHandle>();
  EXPECT_EQ(add(3, null, kIn), Errno::kSuccess);
  EXPECT_EQ(collect_one(), kIn);
  EXPECT_EQ(collect_one(), kIn);
}

TEST_F(EpollTest, Collect_OfFewerThanReady_TakesTurns) {
  std::vector<std::shared_ptr<EventHandle>> watched;
  for (GuestFd fd = 0; fd < 4; ++fd) {
    watched.push_back(event(1));
    EXPECT_EQ(add(fd, watched.back(), kIn), Errno::kSuccess);
  }
  EXPECT_EQ(collect(3), (std::vector<std::uint64_t>{0, 1, 2}));
  EXPECT_EQ(collect(3), (std::vector<std::uint64_t>{3, 0, 1}));
  EXPECT_EQ(collect(4).size(), 4U);
}

TEST_F(EpollTest, ThousandsOfEntries_OnlyTheReadyAreLookedAt) {
  std::vector<std::shared_ptr<EventHandle>> watched;
  for (GuestFd fd = 0; fd < 5000; ++fd) {
    watched.push_back(event());
    ASSERT_EQ(add(fd, watched.back(), fd % 2 == 0 ? kIn : kIn | kEdge), Errno::kSuccess);
  }
  EXPECT_EQ(collect(10), std::vector<std::uint64_t>{});
  write(*watched[4321]);
  write(*watched[0]);
  EXPECT_EQ(collect(10), (std::vector<std::uint64_t>{4321, 0}));
  EXPECT_EQ(collect(10), (std::vector<std::uint64_t>{0}));
  for (const auto& handle : watched) {
    write(*handle);
  }
  EXPECT_EQ(collect(5000).size(), 5000U);
  EXPECT_EQ(collect(5000).size(), 2500U);
}

TEST_F(EpollTest, HandlesThatCameAndWent_LeaveABoundedRest) {
  for (int round = 0; round < 10'000; ++round) {
    ASSERT_EQ(add(3, event(), kIn), Errno::kSuccess);
  }
  EXPECT_LE(epoll_->size(), 65U);
  EXPECT_EQ(usage_->entries, epoll_->size());
}

TEST_F(EpollTest, LimitOfAllEpolls_IsNospc) {
  const auto watched = event();
  usage_->entries = EpollHandle::kEntriesMax - 1;
  EXPECT_EQ(add(3, watched, kIn), Errno::kSuccess);
  EXPECT_EQ(add(4, watched, kIn), Errno::kNospc);
  epoll_.reset();
  EXPECT_EQ(usage_->entries, EpollHandle::kEntriesMax - 1);
}

TEST_F(EpollTest, EpollGoneFirst_ItsHandlesLiveOn) {
  const auto watched = event();
  EXPECT_EQ(add(3, watched, kIn | kOut), Errno::kSuccess);
  epoll_.reset();
  write(*watched);
  EXPECT_EQ(watched.use_count(), 1);
}

}  // namespace
}  // namespace selvedge::wasix
