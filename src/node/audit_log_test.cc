#include "node/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/format.h"
#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLog open(std::uint64_t bytes = 1000) {
    return AuditLog({.file = file_, .file_bytes_max = bytes, .files_max = 3});
  }
  store::testing::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "audit.log";
};

TEST_F(AuditLogTest, Lines_AreKeptInOrderAndOverRestarts) {
  EXPECT_THAT(open().last(10).value(), IsEmpty());
  ASSERT_TRUE(open().append("a").has_value());
  AuditLog log = open();
  ASSERT_TRUE(log.append("b").has_value());
  ASSERT_TRUE(log.append("c").has_value());
  EXPECT_THAT(log.last(10).value(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(log.last(2).value(), ElementsAre("b", "c"));
  EXPECT_EQ(std::filesystem::status(file_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(AuditLogTest, ALineThatACrashCutOff_DoesNotSpoilTheNext) {
  std::ofstream(file_) << "whole\nhal";
  AuditLog log = open();
  ASSERT_TRUE(log.append("next").has_value());
  EXPECT_THAT(log.last(10).value(), ElementsAre("whole", "hal", "next"));
}

TEST_F(AuditLogTest, AllFilesTogether_AreBounded) {
  AuditLog log = open(100);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(log.append(fmt::format("line {:04}", i)).has_value());
  }
  std::uintmax_t bytes = 0;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    bytes += entry.file_size();
    ++files;
  }
  EXPECT_EQ(files, 3U);
  EXPECT_LE(bytes, 300U);
  const auto lines = log.last(15).value();
  ASSERT_EQ(lines.size(), 15U);
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(lines[static_cast<std::size_t>(i)], fmt::format("line {:04}", 985 + i));
  }
}

TEST_F(AuditLogTest, AFileThatCannotBeWritten_IsAnError) {
  std::filesystem::create_directory(file_);
  EXPECT_FALSE(open().append("a").has_value());
}

}  // namespace
}  // namespace selvedge::node
