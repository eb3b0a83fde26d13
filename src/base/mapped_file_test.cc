#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace selvedge::base {
namespace {

TEST(MappedFile, ShowsTheBytesOfAFile) {
  const std::filesystem::path folder(testing::TempDir());
  const std::string path = (folder / "mapped_file_test").string();
  std::ofstream(path) << "contents";
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  EXPECT_EQ(as_text(file->bytes()), "contents");
  std::ofstream(path, std::ios::trunc);
  const auto empty = MappedFile::open(path);
  ASSERT_TRUE(empty.has_value());
  EXPECT_TRUE(empty->bytes().empty());
  std::filesystem::remove(path);
  EXPECT_EQ(MappedFile::open(path).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(MappedFile::open(folder.string()).error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace selvedge::base
