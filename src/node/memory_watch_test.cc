#include "node/memory_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace selvedge::node {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kLimit = 1000;

class MemoryReaderTest : public ::testing::Test {
 protected:
  MemoryReaderTest() {
    std::string name = ::testing::TempDir() + "/memory-XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~MemoryReaderTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  std::filesystem::path root_;
};

TEST_F(MemoryReaderTest, WithoutControlGroup_TheMachineCounts) {
  write("proc/meminfo", "MemTotal:       2000 kB\nMemFree:  5 kB\n");
  const auto available = MemoryReader(root_).available();
  ASSERT_TRUE(available.has_value()) << available.error().message();
  EXPECT_EQ(*available, 2000U * 1024);
}

TEST_F(MemoryReaderTest, TheLeastLimitOfAllGroupsCounts) {
  write("proc/meminfo", "MemTotal: 2000 kB\n");
  write("proc/self/cgroup", "1:name=systemd:/elsewhere\n0::/system.slice/selvedge.service\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/system.slice/memory.max", "1000000\n");
  write("sys/fs/cgroup/system.slice/selvedge.service/memory.max", "max\n");
  EXPECT_EQ(MemoryReader(root_).available().value(), 1'000'000U);
  write("sys/fs/cgroup/system.slice/selvedge.service/memory.max", "500000\n");
  EXPECT_EQ(MemoryReader(root_).available().value(), 500'000U);
  write("sys/fs/cgroup/memory.max", "9000000000\n");
  EXPECT_EQ(MemoryReader(root_).available().value(), 500'000U);
}

TEST_F(MemoryReaderTest, PagesOfFilesDoNotCount) {
  write("proc/self/status", "VmRSS:  900 kB\nRssAnon: 100 kB\nRssFile: 780 kB\nRssShmem: 20 kB\n");
  EXPECT_EQ(MemoryReader(root_).used().value(), 120U * 1024);
}

TEST_F(MemoryReaderTest, WhatDoesNotSay_IsAnError) {
  EXPECT_FALSE(MemoryReader(root_).available().has_value());
  write("proc/meminfo", "MemTotal: plenty\n");
  EXPECT_FALSE(MemoryReader(root_).available().has_value());
  write("proc/self/status", "RssAnon: 100 kB\n");
  EXPECT_FALSE(MemoryReader(root_).used().has_value());
}

TEST(MemoryReaderOfThisMachineTest, MoreIsThereThanIsUsed) {
  const MemoryReader reader;
  EXPECT_GT(reader.used().value(), 0U);
  EXPECT_GT(reader.available().value(), reader.used().value());
}

TEST(MemoryWatchTest, WhileThereIsPlenty_NothingEndsEarly) {
  MemoryWatch watch(kLimit);
  for (int second = 0; second < 100; ++second) {
    EXPECT_EQ(watch.update(899), (MemoryAllowance{MemoryWatch::kIdleTimeMax, true}));
  }
}

TEST(MemoryWatchTest, WhenItGetsScarce_IdleTimeHalvesUntilNoneIsLeft) {
  MemoryWatch watch(kLimit);
  EXPECT_EQ(watch.update(900).idle_time_max, minutes(10));
  EXPECT_EQ(watch.update(950).idle_time_max, minutes(5));
  base::Duration last = minutes(5);
  int updates = 0;
  while (last > base::Duration::zero()) {
    ASSERT_LT(++updates, 15);
    const MemoryAllowance& allowance = watch.update(950);
    EXPECT_LT(allowance.idle_time_max, last);
    EXPECT_TRUE(allowance.starts);
    last = allowance.idle_time_max;
  }
  EXPECT_EQ(watch.update(950).idle_time_max, base::Duration::zero());
}

TEST(MemoryWatchTest, BetweenScarceAndPlenty_TheIdleTimeStays) {
  MemoryWatch watch(kLimit);
  watch.update(950);
  EXPECT_EQ(watch.update(899).idle_time_max, minutes(10));
  EXPECT_EQ(watch.update(800).idle_time_max, minutes(10));
}

TEST(MemoryWatchTest, OnceThereIsPlentyAgain_TheIdleTimeReturns) {
  MemoryWatch watch(kLimit);
  for (int second = 0; second < 30; ++second) {
    watch.update(kLimit);
  }
  base::Duration last = watch.update(799).idle_time_max;
  EXPECT_GT(last, base::Duration::zero());
  int updates = 0;
  while (last < MemoryWatch::kIdleTimeMax) {
    ASSERT_LT(++updates, 15);
    EXPECT_GE(watch.update(799).idle_time_max, 2 * last);
    last = watch.update(799).idle_time_max;
  }
}

TEST(MemoryWatchTest, WithAllUsed_NothingMoreIsStarted) {
  MemoryWatch watch(kLimit);
  EXPECT_TRUE(watch.update(999).starts);
  EXPECT_FALSE(watch.update(1000).starts);
  EXPECT_TRUE(watch.update(999).starts);
}

}  // namespace
}  // namespace selvedge::node
