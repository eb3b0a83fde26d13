#include "wasix/handle_table.h"

#include <gtest/gtest.h>

#include "wasix/stdio.h"

namespace selvedge::wasix {
namespace {

Descriptor null_descriptor(Rights rights = Rights::kAll) {
  return {.handle = std::make_shared<NullHandle>(), .rights_base = rights};
}

TEST(HandleTable_Insert, GivesLowestFreeNumber_AsPosixDoes) {
  HandleTable table;
  EXPECT_EQ(table.insert(null_descriptor()), 0U);
  EXPECT_EQ(table.insert(null_descriptor()), 1U);
  EXPECT_EQ(table.insert(null_descriptor()), 2U);
  EXPECT_EQ(table.close(1), Errno::kSuccess);
  EXPECT_EQ(table.close(0), Errno::kSuccess);
  EXPECT_EQ(table.insert(null_descriptor()), 0U);
  EXPECT_EQ(table.insert(null_descriptor()), 1U);
  EXPECT_EQ(table.insert(null_descriptor()), 3U);
}

TEST(HandleTable_Insert, FullTable_IsMfile) {
  HandleTable table(2);
  EXPECT_TRUE(table.insert(null_descriptor()));
  EXPECT_FALSE(table.full());
  EXPECT_TRUE(table.insert(null_descriptor()));
  EXPECT_TRUE(table.full());
  EXPECT_EQ(table.insert(null_descriptor()).error(), Errno::kMfile);
  EXPECT_EQ(table.close(0), Errno::kSuccess);
  EXPECT_EQ(table.insert(null_descriptor()), 0U);
}

TEST(HandleTable_Find, ClosedNumberIsBadf_MissingRightIsNotcapable) {
  HandleTable table;
  ASSERT_TRUE(table.insert(null_descriptor(Rights::kFdRead)));
  EXPECT_EQ(table.find(1).error(), Errno::kBadf);
  EXPECT_EQ(table.find(0xFFFF'FFFF).error(), Errno::kBadf);
  EXPECT_TRUE(table.find(0, Rights::kFdRead));
  EXPECT_EQ(table.find(0, Rights::kFdRead | Rights::kFdWrite).error(), Errno::kNotcapable);
  EXPECT_EQ(table.close(0), Errno::kSuccess);
  EXPECT_EQ(table.find(0).error(), Errno::kBadf);
  EXPECT_EQ(table.close(0), Errno::kBadf);
}

TEST(HandleTable_Renumber, MovesDescriptorWithItsName_AndClosesTheTarget) {
  HandleTable table;
  Descriptor named = null_descriptor();
  named.preopen_name = "/";
  const std::weak_ptr<Handle> moved = named.handle;
  ASSERT_TRUE(table.insert(null_descriptor()));
  const std::weak_ptr<Handle> target = (*table.find(0))->handle;
  ASSERT_TRUE(table.insert(std::move(named)));

  EXPECT_EQ(table.renumber(1, 0), Errno::kSuccess);
  EXPECT_TRUE(target.expired());
  EXPECT_EQ((*table.find(0))->handle, moved.lock());
  EXPECT_EQ((*table.find(0))->preopen_name, "/");
  EXPECT_EQ(table.find(1).error(), Errno::kBadf);
  EXPECT_EQ(table.size(), 1U);
}

TEST(HandleTable_Renumber, OntoItselfDoesNothing_ToAClosedNumberIsBadf) {
  HandleTable table;
  ASSERT_TRUE(table.insert(null_descriptor()));
  EXPECT_EQ(table.renumber(0, 0), Errno::kSuccess);
  EXPECT_TRUE(table.find(0));
  EXPECT_EQ(table.renumber(0, 1), Errno::kBadf);
  EXPECT_EQ(table.renumber(1, 0), Errno::kBadf);
  EXPECT_TRUE(table.find(0));
}

TEST(HandleTable_Insert, FromALowestNumber_LeavesThoseBelowFree) {
  HandleTable table(8);
  ASSERT_TRUE(table.insert(null_descriptor()));
  EXPECT_EQ(table.insert(null_descriptor(), 5), 5U);
  EXPECT_EQ(table.insert(null_descriptor(), 5), 6U);
  EXPECT_EQ(table.insert(null_descriptor()), 1U);
  EXPECT_EQ(table.insert(null_descriptor(), 6), 7U);
  EXPECT_EQ(table.insert(null_descriptor(), 6).error(), Errno::kMfile);
  EXPECT_EQ(table.insert(null_descriptor(), 8).error(), Errno::kInval);
  EXPECT_EQ(table.insert(null_descriptor(), 0xFFFF'FFFF).error(), Errno::kInval);
  EXPECT_EQ(table.insert(null_descriptor()), 2U);
  EXPECT_EQ(table.size(), 6U);
}

TEST(HandleTable_Duplicate, SharesHandleAndRights_ButNotNameAndFlag) {
  HandleTable table;
  Descriptor named = null_descriptor(Rights::kFdRead);
  named.rights_inheriting = Rights::kFdWrite;
  named.preopen_name = "/";
  named.close_on_exec = true;
  ASSERT_TRUE(table.insert(std::move(named)));
  EXPECT_EQ(table.duplicate(0, 0, false), 1U);
  EXPECT_EQ(table.duplicate(0, 7, true), 7U);
  const Descriptor& copy = **table.find(1);
  EXPECT_EQ(copy.handle, (*table.find(0))->handle);
  EXPECT_EQ(copy.rights_base, Rights::kFdRead);
  EXPECT_EQ(copy.rights_inheriting, Rights::kFdWrite);
  EXPECT_EQ(copy.preopen_name, std::nullopt);
  EXPECT_FALSE(copy.close_on_exec);
  EXPECT_TRUE((*table.find(7))->close_on_exec);
  EXPECT_EQ(table.duplicate(2, 0, false).error(), Errno::kBadf);
  EXPECT_EQ(table.close(0), Errno::kSuccess);
  EXPECT_TRUE(table.find(1));
}

TEST(HandleTable_Place, TakesTheNumber_ClosingWhatItWas) {
  HandleTable table(4);
  ASSERT_TRUE(table.insert(null_descriptor()));
  const std::weak_ptr<Handle> replaced = (*table.find(0))->handle;
  EXPECT_EQ(table.place(0, null_descriptor()), Errno::kSuccess);
  EXPECT_TRUE(replaced.expired());
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.place(3, null_descriptor()), Errno::kSuccess);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.place(4, null_descriptor()), Errno::kBadf);
  EXPECT_EQ(table.insert(null_descriptor()), 1U);
}

TEST(HandleTable_DuplicateOnto, FreeNumberOrAnother_KeepsTheSource) {
  HandleTable table(8);
  ASSERT_TRUE(table.insert(null_descriptor()));
  ASSERT_TRUE(table.insert(null_descriptor()));
  const std::shared_ptr<Handle> handle = (*table.find(0))->handle;
  (*table.find(0))->close_on_exec = true;
  EXPECT_EQ(table.duplicate_onto(0, 5), Errno::kSuccess);
  EXPECT_EQ((*table.find(5))->handle, handle);
  EXPECT_FALSE((*table.find(5))->close_on_exec);
  EXPECT_EQ(table.duplicate_onto(5, 1), Errno::kSuccess);
  EXPECT_EQ((*table.find(1))->handle, handle);
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.duplicate_onto(1, 1), Errno::kSuccess);
  EXPECT_EQ(table.duplicate_onto(3, 1), Errno::kBadf);
  EXPECT_EQ(table.duplicate_onto(1, 8), Errno::kBadf);
  Descriptor preopen = null_descriptor();
  preopen.preopen_name = "/";
  EXPECT_EQ(table.place(3, std::move(preopen)), Errno::kSuccess);
  EXPECT_EQ(table.duplicate_onto(0, 3), Errno::kNotsup);
  EXPECT_EQ(table.duplicate_onto(3, 4), Errno::kSuccess);
  EXPECT_FALSE((*table.find(4))->preopen_name);
}

TEST(HandleTable_CloseUnlessPreopened, LeavesPreopenedDirectoriesOnly) {
  HandleTable table;
  ASSERT_TRUE(table.insert(null_descriptor()));
  Descriptor preopen = null_descriptor();
  preopen.preopen_name = "/";
  ASSERT_TRUE(table.insert(std::move(preopen)));
  EXPECT_FALSE(table.is_preopened(0));
  EXPECT_TRUE(table.is_preopened(1));
  EXPECT_FALSE(table.is_preopened(2));
  for (GuestFd fd = 0; fd < 2; ++fd) {
    EXPECT_EQ(table.close_unless_preopened(fd), Errno::kSuccess);
  }
  EXPECT_EQ(table.close_unless_preopened(0), Errno::kBadf);
  EXPECT_TRUE(table.find(1));
}

TEST(HandleTable_CloseMarkedForExec, KeepsPreopenedDirectories) {
  HandleTable table;
  Descriptor preopen = null_descriptor();
  preopen.preopen_name = "/";
  preopen.close_on_exec = true;
  ASSERT_TRUE(table.insert(std::move(preopen)));
  table.close_marked_for_exec();
  EXPECT_TRUE(table.is_preopened(0));
}

TEST(HandleTable_CloseMarkedForExec, KeepsTheOthers) {
  HandleTable table;
  for (int index = 0; index < 4; ++index) {
    ASSERT_TRUE(table.insert(null_descriptor()));
  }
  (*table.find(1))->close_on_exec = true;
  (*table.find(3))->close_on_exec = true;
  table.close_marked_for_exec();
  EXPECT_TRUE(table.find(0));
  EXPECT_FALSE(table.find(1));
  EXPECT_TRUE(table.find(2));
  EXPECT_FALSE(table.find(3));
  EXPECT_EQ(table.size(), 2U);
}

}  // namespace
}  // namespace selvedge::wasix
