#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/unique_fd.h"

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

TEST(MappedFile, OfADescriptor_OutlivesItAndItsName) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "mapped_file_descriptor_test").string();
  std::ofstream(path) << "contents";
  UniqueFd descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto file = MappedFile::map(descriptor.get(), "the name");
  ASSERT_TRUE(file.has_value()) << file.error().message();
  descriptor.reset();
  std::filesystem::remove(path);
  EXPECT_EQ(as_text(file->bytes()), "contents");
  EXPECT_FALSE(MappedFile::map(-1, "the name").has_value());
}

}  // namespace
}  // namespace selvedge::base
