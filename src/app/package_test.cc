#include "app/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PackageTest : public testing::Test {
 protected:
  PackageTest() {
    std::string pattern = (fs::temp_directory_path() / "selvedge-package-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~PackageTest() override { fs::remove_all(folder_); }

  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  void write(std::string_view name, std::string_view text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }
  static std::string message(const Result<Package>& result) {
    return result.has_value() ? "no error" : result.error().message();
  }
  static ErrorKind kind(const Result<Package>& result) {
    return result.has_value() ? ErrorKind::kInternal : result.error().kind();
  }

  fs::path folder_;
};

constexpr std::string_view kTwoCommands = R"([package]
name = "a/b"
[fs]
"/data" = "data"
[[module]]
name = "m"
source = "bin/m.wasm"
[[command]]
name = "one"
module = "m"
runner = "wasi"
[[command]]
name = "two"
module = "m"
runner = "wcgi"
[command.annotations.wasi]
exec-name = "deux"
)";

TEST_F(PackageTest, BareFile_IsOneCommandWithoutRunner) {
  write("hello.wasm", "x");
  const auto package = open_package(path("hello.wasm"));
  ASSERT_TRUE(package.has_value()) << message(package);
  const auto command = select_command(*package, std::nullopt);
  ASSERT_TRUE(command.has_value());
  EXPECT_EQ((*command)->program_name, "hello.wasm");
  EXPECT_FALSE((*command)->runner.has_value());
}

TEST_F(PackageTest, Folder_ResolvesModulesAndMounts) {
  write("wasmer.toml", kTwoCommands);
  write("bin/m.wasm", "x");
  write("data/file", "y");
  const auto package = open_package(folder_.string());
  ASSERT_TRUE(package.has_value()) << message(package);
  EXPECT_EQ(package->name, "a/b");
  ASSERT_EQ(package->mounts.size(), 1U);
  EXPECT_EQ(package->mounts[0].host, path("data"));
  const auto two = select_command(*package, "two");
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ((*two)->program_name, "deux");
  EXPECT_EQ((*two)->runner, RunnerKind::kWcgi);
  EXPECT_EQ((*two)->module_path, path("bin/m.wasm"));
  const auto none = select_command(*package, std::nullopt);
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message(), HasSubstr("choose one with -e (one, two)"));
  const auto wrong = select_command(*package, "three");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message(), HasSubstr("has no command \"three\"; it has: one, two"));
}

TEST_F(PackageTest, ManifestFileItself_MeansItsFolder) {
  write("wasmer.toml", kTwoCommands);
  write("bin/m.wasm", "x");
  write("data/file", "y");
  EXPECT_TRUE(open_package(path("wasmer.toml")).has_value());
}

TEST_F(PackageTest, MissingModule_NamesManifestLine) {
  write("wasmer.toml", kTwoCommands);
  write("data/file", "y");
  const auto package = open_package(folder_.string());
  EXPECT_EQ(kind(package), ErrorKind::kNotFound);
  EXPECT_THAT(message(package), HasSubstr("wasmer.toml:5: module \"m\": "));
}

TEST_F(PackageTest, MissingMount_NamesManifestLine) {
  write("wasmer.toml", kTwoCommands);
  write("bin/m.wasm", "x");
  EXPECT_THAT(message(open_package(folder_.string())), HasSubstr("wasmer.toml:4: fs.\"/data\": "));
}

TEST_F(PackageTest, Dependencies_AreTold) {
  write(
      "wasmer.toml",
      "[dependencies]\n\"php/php\" = \"8\"\n[[command]]\nname = \"c\"\nmodule = \"php/php:cgi\"\n");
  const auto package = open_package(folder_.string());
  ASSERT_TRUE(package.has_value()) << message(package);
  ASSERT_EQ(package->dependencies.size(), 1U);
  EXPECT_EQ(package->dependencies[0].name, "php/php");
  EXPECT_EQ(package->dependencies[0].version, "8");
  EXPECT_EQ(package->commands[0].dependency, "php/php");
  EXPECT_EQ(package->commands[0].module, "cgi");
}

TEST_F(PackageTest, CommandsOfOtherRunners_AreLeftOut) {
  write("wasmer.toml",
        "[[module]]\nname = \"m\"\nsource = \"m.wasm\"\n[[command]]\nname = \"c\"\nmodule = \"m\"\n"
        "runner = \"emscripten\"\n");
  write("m.wasm", "x");
  EXPECT_THAT(message(open_package(folder_.string())), HasSubstr("no command that can be run"));
}

TEST_F(PackageTest, NoCommand_SaysSo) {
  write("wasmer.toml", "");
  EXPECT_THAT(message(open_package(folder_.string())), HasSubstr("add a [[command]]"));
}

TEST_F(PackageTest, WhatIsNoPackage_IsRefused) {
  write("p.webc", "x");
  EXPECT_EQ(kind(open_package(path("p.webc"))), ErrorKind::kInvalid);
  EXPECT_EQ(kind(open_package("owner/name")), ErrorKind::kNotFound);
  EXPECT_EQ(kind(open_package("owner/name@1.2")), ErrorKind::kNotFound);
}

TEST_F(PackageTest, AppConfigAlone_IsNothingToRun) {
  write("app.yaml", "kind: wasmer.io/App.v0\n");
  const auto package = open_package(folder_.string());
  EXPECT_EQ(kind(package), ErrorKind::kNotFound);
  EXPECT_THAT(message(package), HasSubstr("an app.yaml but no wasmer.toml"));
}

TEST_F(PackageTest, BadTargets_AreRefused) {
  EXPECT_EQ(kind(open_package("")), ErrorKind::kInvalid);
  EXPECT_EQ(kind(open_package(path("missing.wasm"))), ErrorKind::kNotFound);
  EXPECT_THAT(message(open_package(path("missing.wasm"))), HasSubstr("missing.wasm: no such file"));
  EXPECT_EQ(kind(open_package(folder_.string())), ErrorKind::kNotFound);
  ASSERT_EQ(::mkfifo(path("pipe.wasm").c_str(), 0600), 0);
  EXPECT_EQ(kind(open_package(path("pipe.wasm"))), ErrorKind::kInvalid);
}

TEST_F(PackageTest, ManifestTooLarge_IsRefusedUnread) {
  write("wasmer.toml", std::string(kManifestBytesMax + 1, '#'));
  EXPECT_THAT(message(open_package(folder_.string())), HasSubstr("more than the limit"));
}

}  // namespace
}  // namespace selvedge::app
