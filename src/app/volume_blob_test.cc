#include "app/volume_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/volume_file_system.h"
#include "base/bytes.h"
#include "base/mapped_file.h"
#include "wasix/testing/file_systems.h"
#include "wire/webc_reader.h"

// Goal: what a guest sees of a published folder is what was in it, and hostile folders and blobs
// are refused. Method: folders on the disk, packed and opened again.

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wasix::testing::get;
using wasix::testing::list;

class VolumeTest : public ::testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) const {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  Result<std::vector<std::byte>> pack() const { return pack_folder(folder_.path().string()); }
  std::string fault() const {
    const auto packed = pack();
    return packed.has_value() ? "no error" : packed.error().message();
  }
  Result<std::shared_ptr<wasix::FileSystem>> open(base::ByteSpan bytes) const {
    const fs::path path = blobs_.path() / "volume";
    std::ofstream(path, std::ios::binary) << base::as_text(bytes);
    SELVEDGE_TRY(auto file, base::MappedFile::open(path.string()));
    return open_volume(std::move(file), "the volume", 7);
  }

  wasix::testing::TemporaryDirectory folder_;
  wasix::testing::TemporaryDirectory blobs_;
};

TEST_F(VolumeTest, AFolder_IsSeenAsItWas) {
  write("index.html", "<p>hello</p>");
  write("empty", "");
  write("lib/deep/a", std::string(100'000, 'a'));
  fs::create_directory(folder_.path() / "nothing");
  fs::create_symlink("lib/deep", folder_.path() / "link");
  fs::create_symlink("../index.html", folder_.path() / "lib/home");
  const auto packed = pack();
  ASSERT_TRUE(packed.has_value()) << packed.error().message();
  const auto volume = open(*packed);
  ASSERT_TRUE(volume.has_value()) << volume.error().message();
  const auto root = (*volume)->open_root();
  EXPECT_THAT(list(*root), ElementsAre("empty", "index.html", "lib/", "link@", "nothing/"));
  EXPECT_THAT(list(*root, "lib"), ElementsAre("deep/", "home@"));
  EXPECT_EQ(get(*root, "index.html").value(), "<p>hello</p>");
  EXPECT_EQ(get(*root, "empty").value(), "");
  EXPECT_EQ(get(*root, "link/a").value(), std::string(100'000, 'a'));
  EXPECT_EQ(get(*root, "lib/home").value(), "<p>hello</p>");
  EXPECT_EQ(root->stat("index.html", wasix::Follow::kNo)->mtim, 7U);
}

TEST_F(VolumeTest, TheSameFiles_MakeTheSameBytes) {
  write("b", "B");
  write("a", "A");
  write("c/d", "D");
  const auto first = pack().value();
  wasix::testing::TemporaryDirectory other;
  fs::create_directory(other.path() / "c");
  for (const auto& [name, text] :
       {std::pair("c/d", "D"), std::pair("a", "A"), std::pair("b", "B")}) {
    std::ofstream(other.path() / name) << text;
    ::chmod((other.path() / name).c_str(), 0600);
    fs::last_write_time(other.path() / name, fs::file_time_type());
  }
  EXPECT_EQ(pack_folder(other.path().string()).value(), first);
  // And so do those of a package.
  const auto container = wire::WebcPackage::open(first).value();
  EXPECT_EQ(pack_volume(container.find_volume(kVolumeName)->root).value(), first);
}

TEST_F(VolumeTest, AnEmptyFolder_IsAVolume) {
  const auto volume = open(pack().value());
  ASSERT_TRUE(volume.has_value()) << volume.error().message();
  EXPECT_THAT(list(*(*volume)->open_root()), ElementsAre());
}

TEST_F(VolumeTest, NamesThatDifferOnlyInCase_AreRefused) {
  write("lib/A", "upper");
  write("lib/a", "lower");
  EXPECT_THAT(fault(), HasSubstr("case"));
  EXPECT_THAT(fault(), HasSubstr("lib"));
}

TEST_F(VolumeTest, LinksThatLeaveTheFolder_AreRefused) {
  fs::create_directories(folder_.path() / "lib");
  for (const auto* target : {"/etc/passwd", "../../x", "..", "deep/../../../x", "./../../x"}) {
    const fs::path link = folder_.path() / "lib/link";
    fs::create_symlink(target, link);
    if (std::string_view(target) != "..") {
      EXPECT_THAT(fault(), HasSubstr("lib/link: a symbolic link must")) << target;
      EXPECT_THAT(fault(), HasSubstr(folder_.path().string()));
    } else {
      EXPECT_EQ(fault(), "no error");
    }
    fs::remove(link);
  }
}

TEST_F(VolumeTest, Fifos_AreRefusedWithoutBeingOpened) {
  ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(fault(), HasSubstr("pipe: neither file, folder nor link"));
}

TEST_F(VolumeTest, NamesThatAreNotUtf8_AreRefused) {
  write("a\xff", "x");
  EXPECT_THAT(fault(), HasSubstr("not UTF-8"));
}

TEST_F(VolumeTest, LinkTargetsThatAreNotUtf8_AreRefused) {
  fs::create_symlink("a\xff", folder_.path() / "link");
  EXPECT_THAT(fault(), HasSubstr("link: a symbolic link must be UTF-8"));
}

TEST_F(VolumeTest, TooDeepFolders_AreRefused) {
  std::string path = "d";
  for (int i = 0; i < 400; ++i) {
    path += "/d";
  }
  write(path + "/f", "x");
  EXPECT_THAT(fault(), HasSubstr("folders within each other"));
}

TEST_F(VolumeTest, AFolderThatIsMissing_IsNamed) {
  const auto packed = pack_folder((folder_.path() / "missing").string());
  ASSERT_FALSE(packed.has_value());
  EXPECT_THAT(packed.error().message(), HasSubstr("missing"));
}

TEST_F(VolumeTest, WhatIsNoVolume_IsRefused) {
  write("a", "A");
  EXPECT_FALSE(open(base::as_bytes("")).has_value());
  EXPECT_FALSE(open(base::as_bytes("not a container")).has_value());
  auto packed = pack().value();
  packed.resize(packed.size() / 2);
  const auto truncated = open(packed);
  ASSERT_FALSE(truncated.has_value());
  EXPECT_EQ(truncated.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(truncated.error().message(), HasSubstr("volume"));
}

}  // namespace
}  // namespace selvedge::app
