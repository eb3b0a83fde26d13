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

}  // namespace
}  // namespace selvedge::wasix
