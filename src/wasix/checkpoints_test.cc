#include "wasix/checkpoints.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

namespace selvedge::wasix {
namespace {

std::shared_ptr<const engine::SavedStack> stack_of(std::size_t bytes) {
  return std::make_shared<engine::SavedStack>(
      engine::SavedStack{.frames = std::vector<std::byte>(bytes), .globals = {}});
}

class CheckpointsTest : public ::testing::Test {
 protected:
  engine::GuestMemory memory() { return {bytes_.data(), bytes_.size()}; }
  // As the guest's record holds it.
  void keep(std::uint32_t address, CheckpointId id) {
    std::memcpy(bytes_.data() + address, &id, sizeof(id));
  }
  std::array<std::byte, 64> bytes_{};
  CheckpointTable table_;
};

TEST_F(CheckpointsTest, Find_IsByIdentifierAndThread) {
  const auto id = table_.add({.thread = 3, .stack = stack_of(10)}, memory());
  ASSERT_TRUE(id);
  ASSERT_NE(table_.find(*id, 3), nullptr);
  EXPECT_EQ(table_.find(*id, 2), nullptr);
  EXPECT_EQ(table_.find(*id + 1, 3), nullptr);
  EXPECT_EQ(table_.find(0, 3), nullptr);
}

TEST_F(CheckpointsTest, OneOfAContext_IsItsOwn_AndGoesWithIt) {
  const auto own = table_.add({.context = 2, .stack = stack_of(1)}, memory());
  const auto main = table_.add({.stack = stack_of(1)}, memory());
  EXPECT_NE(table_.find(*own, kMainThread, 2), nullptr);
  EXPECT_EQ(table_.find(*own, kMainThread), nullptr);
  EXPECT_EQ(table_.forked(kMainThread).find(*own, kMainThread, 2), nullptr);
  table_.remove(kMainThread, 2);
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_NE(table_.find(*main, kMainThread), nullptr);
}

TEST_F(CheckpointsTest, Add_WhenFull_DropsThoseThatAreOverwritten) {
  const auto kept = table_.add({.stack = stack_of(1), .id_address = 8}, memory());
  keep(8, *kept);
  while (table_.size() < CheckpointTable::kCheckpointsMax) {
    ASSERT_TRUE(table_.add({.stack = stack_of(1), .id_address = 16}, memory()));
  }
  EXPECT_TRUE(table_.add({.stack = stack_of(1), .id_address = 16}, memory()));
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_NE(table_.find(*kept, kMainThread), nullptr);
}

TEST_F(CheckpointsTest, Add_BeyondTheBytes_IsRefusedWhileAllAreInUse) {
  const std::size_t half = CheckpointTable::kCheckpointBytesMax / 2;
  keep(8, *table_.add({.stack = stack_of(half), .id_address = 8}, memory()));
  keep(16, *table_.add({.stack = stack_of(half), .id_address = 16}, memory()));
  EXPECT_FALSE(table_.add({.stack = stack_of(1), .id_address = 24}, memory()));
  keep(8, 0);
  EXPECT_TRUE(table_.add({.stack = stack_of(1), .id_address = 24}, memory()));
}

TEST_F(CheckpointsTest, Forked_HasThoseOfTheThreadAsTheMainThreads) {
  const auto own = table_.add({.thread = 5, .stack = stack_of(1)}, memory());
  const auto other = table_.add({.thread = 1, .stack = stack_of(1)}, memory());
  CheckpointTable child = table_.forked(5);
  EXPECT_NE(child.find(*own, kMainThread), nullptr);
  EXPECT_EQ(child.find(*other, kMainThread), nullptr);
  table_.remove(5);
  EXPECT_EQ(table_.find(*own, 5), nullptr);
  EXPECT_EQ(table_.size(), 1U);
}

}  // namespace
}  // namespace selvedge::wasix
