#include "app/volume_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "wasix/testing/file_systems.h"
#include "wire/testing/webc_files.h"

// Goal: of packages that lie above each other guests see all files, and where two have one of a
// name the upper one's. Method: trees in memory, looked at through the file systems made of them.

namespace selvedge::app {
namespace {

using ::testing::ElementsAre;
using wasix::testing::get;
using wasix::testing::list;
using wire::testing::file;
using wire::testing::folder;

LayeredVolume volume(std::string guest, std::size_t layer, std::vector<wire::WebcNode> children) {
  std::ranges::sort(children, {}, &wire::WebcNode::name);
  return {.guest = std::move(guest),
          .layer = layer,
          .root = std::make_shared<wire::WebcNode>(folder("", std::move(children)))};
}

std::shared_ptr<wasix::Directory> at(const std::vector<MountedVolume>& mounts,
                                     std::string_view guest) {
  const auto found = std::ranges::find(mounts, guest, &MountedVolume::guest);
  return found == mounts.end() ? nullptr : found->files->open_root();
}

TEST(LayeredVolumes, FilesOfAllLayers_AreSeen_TheUpperOneFirst) {
  const auto mounts = mount_layers(
      {volume("/", 0, {file("a", "own"), folder("etc", {file("own.conf", "1")})}),
       volume("/", 1,
              {file("a", "first"), file("b", "first"),
               folder("etc", {file("first.conf", "2"), file("own.conf", "no")})}),
       volume("/", 2, {file("a", "second"), file("b", "second"), file("c", "second")})},
      {});
  ASSERT_EQ(mounts.size(), 1U);
  const auto root = at(mounts, "/");
  EXPECT_THAT(list(*root), ElementsAre("a", "b", "c", "etc/"));
  EXPECT_EQ(get(*root, "a"), "own");
  EXPECT_EQ(get(*root, "b"), "first");
  EXPECT_EQ(get(*root, "c"), "second");
  EXPECT_THAT(list(*root, "etc"), ElementsAre("first.conf", "own.conf"));
  EXPECT_EQ(get(*root, "etc/own.conf"), "1");
}

TEST(LayeredVolumes, AFileHidesAFolderOfItsName) {
  const auto mounts = mount_layers(
      {volume("/", 0, {file("x", "file")}), volume("/", 1, {folder("x", {file("y", "")})})}, {});
  EXPECT_EQ(get(*at(mounts, "/"), "x"), "file");
}

TEST(LayeredVolumes, AVolumeDeeperDown_HidesNothingOfAnotherLayer) {
  const auto mounts = mount_layers(
      {volume("/", 0, {folder("lib", {file("both.so", "own"), file("own.so", "own")})}),
       volume("/lib", 1, {file("both.so", "theirs"), file("their.so", "theirs")})},
      {});
  ASSERT_EQ(mounts.size(), 2U);
  const auto lib = at(mounts, "/lib");
  EXPECT_THAT(list(*lib), ElementsAre("both.so", "own.so", "their.so"));
  EXPECT_EQ(get(*lib, "both.so"), "own");
}

TEST(LayeredVolumes, WithinALayer_AMountHidesWhatIsBelowIt) {
  const auto mounts = mount_layers({volume("/", 0, {folder("lib", {file("hidden", "")})}),
                                    volume("/lib", 0, {file("seen", "")})},
                                   {});
  EXPECT_THAT(list(*at(mounts, "/lib")), ElementsAre("seen"));
}

TEST(LayeredVolumes, PathsThatOnlyBeginAlike_AreNotBelowEachOther) {
  const auto mounts =
      mount_layers({volume("/lib", 0, {file("a", "")}), volume("/lib64", 1, {file("b", "")})}, {});
  EXPECT_THAT(list(*at(mounts, "/lib64")), ElementsAre("b"));
}

}  // namespace
}  // namespace selvedge::app
