#include "app/package_build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/package_inspect.h"
#include "app/package_source.h"
#include "app/webc_package.h"
#include "base/bytes.h"
#include "store/testing/store_world.h"

// Goal: a folder becomes a package that says all that its wasmer.toml says, with the same bytes
// wherever it is built, and what no reader would take is refused. Method: folders on this disk,
// read back by the reader of packages.

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kModule =
    R"((module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (memory (export "memory") 1) (func (export "_start"))))";

constexpr std::string_view kManifest = R"([package]
name = "ada/loom"
version = "2.1.0"
description = "Weaves pages"
license = "MIT"
homepage = "https://example.com"
[dependencies]
"ada/thread" = "^1"
[fs]
"/srv" = "./public"
"/copy" = "public/"
[[module]]
name = "main"
source = "main.wat"
[[command]]
name = "serve"
module = "main"
runner = "wcgi"
[command.annotations.wasi]
main-args = ["-p"]
env = ["MODE=fast"]
exec-name = "loomd"
[[command]]
name = "spin"
module = "ada/thread:spin"
)";

class PackageBuildTest : public ::testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) const {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  void write_loom() const {
    write("wasmer.toml", kManifest);
    write("main.wat", kModule);
    write("public/index.html", "<p>");
    write("public/sub/b", "b");
    write("README.md", "Read");
    write("license.txt", "Free");
  }
  std::string fault(std::string_view target = "") const {
    const auto built =
        build_package(target.empty() ? folder_.path().string() : std::string(target));
    return built.has_value() ? "no error" : built.error().message();
  }
  static std::shared_ptr<const WebcFileContents> open(const BuiltPackage& built) {
    auto webc = open_webc_bytes(std::string(base::as_text(base::ByteSpan(built.bytes))), "x.webc");
    EXPECT_TRUE(webc.has_value()) << webc.error().message();
    return *std::move(webc);
  }

  store::testing::TemporaryFolder folder_;
};

TEST_F(PackageBuildTest, AFolder_IsAllInThePackage) {
  write_loom();
  const auto built = build_package(folder_.path().string());
  ASSERT_TRUE(built.has_value()) << built.error().message();
  const auto webc = open(*built);
  const WebcManifest& manifest = webc->manifest;
  EXPECT_EQ(manifest.name, "ada/loom");
  EXPECT_EQ(manifest.version, "2.1.0");
  EXPECT_EQ(manifest.description, "Weaves pages");
  EXPECT_EQ(manifest.license, "MIT");
  EXPECT_EQ(manifest.homepage, "https://example.com");
  EXPECT_EQ(manifest.readme, (WebcFile{.volume = "metadata", .path = "/README.md"}));
  EXPECT_EQ(manifest.license_file, (WebcFile{.volume = "metadata", .path = "/license.txt"}));
  ASSERT_EQ(manifest.commands.size(), 2U);
  EXPECT_EQ(manifest.commands[0].runner, "https://webc.org/runner/wcgi");
  EXPECT_THAT(manifest.commands[0].main_args, ElementsAre("-p"));
  EXPECT_EQ(manifest.commands[0].exec_name, "loomd");
  EXPECT_EQ(manifest.commands[1].dependency, "ada/thread");
  EXPECT_EQ(manifest.commands[1].atom, "spin");
  ASSERT_EQ(manifest.dependencies.size(), 1U);
  EXPECT_EQ(manifest.dependencies[0].specifier, "ada/thread@^1");
  // One volume for one folder, wherever it is mounted.
  EXPECT_EQ(webc->package.volumes().size(), 2U);
  const wire::WebcVolume* const volume = webc->package.find_volume("/public");
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(base::as_text(volume->root.find("index.html")->content), "<p>");
  ASSERT_EQ(manifest.mounts.size(), 2U);
  EXPECT_EQ(manifest.mounts[1].guest, "/copy");
}

TEST_F(PackageBuildTest, TheSameFiles_MakeTheSameBytes) {
  write_loom();
  const auto one = build_package(folder_.path().string());
  const store::testing::TemporaryFolder elsewhere;
  fs::copy(folder_.path(), elsewhere.path() / "copy", fs::copy_options::recursive);
  const auto two = build_package((elsewhere.path() / "copy").string());
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_EQ(one->bytes, two->bytes);
}

TEST_F(PackageBuildTest, WhatIsBuilt_IsPublishedAsTheFolderIs) {
  write_loom();
  const auto built = build_package(folder_.path().string());
  ASSERT_TRUE(built.has_value());
  write("out/loom.webc", base::as_text(base::ByteSpan(built->bytes)));
  const auto of_folder = read_package_source(folder_.path().string());
  const auto of_file = read_package_source((folder_.path() / "out/loom.webc").string());
  ASSERT_TRUE(of_folder.has_value()) << of_folder.error().message();
  ASSERT_TRUE(of_file.has_value()) << of_file.error().message();
  EXPECT_EQ(of_file->image.modules, of_folder->image.modules);
  EXPECT_EQ(of_file->image.volumes, of_folder->image.volumes);
  EXPECT_EQ(of_file->image.commands, of_folder->image.commands);
  EXPECT_EQ(of_file->image.dependencies, of_folder->image.dependencies);
}

TEST_F(PackageBuildTest, AModule_IsAPackageOfOneCommand) {
  write("hello.wat", kModule);
  const auto built = build_package((folder_.path() / "hello.wat").string(), RunnerKind::kWcgi);
  ASSERT_TRUE(built.has_value()) << built.error().message();
  const auto package = package_of_webc(open(*built), "x.webc");
  ASSERT_TRUE(package.has_value());
  ASSERT_EQ(package->commands.size(), 1U);
  EXPECT_EQ(package->commands[0].name, "hello");
  EXPECT_EQ(package->commands[0].runner, RunnerKind::kWcgi);
  EXPECT_TRUE(package->commands[0].module_bytes);
}

TEST_F(PackageBuildTest, Inspection_TellsCommandsModulesAndFiles) {
  write_loom();
  const auto built = build_package(folder_.path().string());
  ASSERT_TRUE(built.has_value());
  const json told = inspect_package(*open(*built));
  EXPECT_EQ(told["name"], "ada/loom");
  EXPECT_EQ(told["commands"][0]["runner"], "wcgi");
  EXPECT_EQ(told["commands"][1]["dependency"], "ada/thread");
  EXPECT_EQ(told["modules"][0]["imports"]["wasi_snapshot_preview1"], json::array({"proc_exit"}));
  EXPECT_EQ(told["modules"][0]["sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(told["volumes"][0]["files"][0]["path"], "/index.html");
  EXPECT_EQ(told["volumes"][0]["files"][0]["bytes"], 3);
  EXPECT_EQ(told["dependencies"][0]["specifier"], "ada/thread@^1");
}

TEST_F(PackageBuildTest, WhatNoReaderWouldTake_IsRefused) {
  write_loom();
  fs::create_symlink("/etc/passwd", folder_.path() / "public/passwd");
  EXPECT_THAT(fault(), HasSubstr("passwd"));
  fs::remove(folder_.path() / "public/passwd");
  write("public/Index.html", "");
  EXPECT_THAT(fault(), HasSubstr("ndex.html"));
  fs::remove(folder_.path() / "public/Index.html");
  write("main.wat", "(module");
  EXPECT_THAT(fault(), HasSubstr("module \"main\""));
  fs::remove(folder_.path() / "main.wat");
  EXPECT_THAT(fault(), HasSubstr("main.wat"));
  write("empty.webc", "");
  EXPECT_THAT(fault((folder_.path() / "empty.webc").string()), HasSubstr("is a package already"));
  EXPECT_THAT(fault((folder_.path() / "none").string()), HasSubstr("none"));
}

TEST_F(PackageBuildTest, ADamagedPackage_IsRefusedWhereverItIsDamaged) {
  write_loom();
  const auto built = build_package(folder_.path().string());
  ASSERT_TRUE(built.has_value());
  const std::string good(base::as_text(base::ByteSpan(built->bytes)));
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    const auto opened = open_webc_bytes(bad, "x.webc");
    if (opened.has_value()) {  // a time, or a word about the package
      continue;
    }
    EXPECT_THAT(opened.error().message(), HasSubstr("x.webc")) << i;
    EXPECT_FALSE(open_webc_bytes(good.substr(0, i), "x.webc").has_value()) << i;
  }
}

}  // namespace
}  // namespace selvedge::app
