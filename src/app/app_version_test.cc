#include "app/app_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "base/system.h"
#include "engine/engine.h"

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class VersionLoaderTest : public ::testing::Test {
 protected:
  std::string fault(const PackageImage& image) const {
    const auto prepared = world_.loader().prepare(image);
    return prepared.has_value() ? "no error" : prepared.error().message();
  }

  base::SystemClock clock_;
  testing::AppWorld world_{clock_};
};

TEST_F(VersionLoaderTest, Prepare_TakesWhatCanServe) {
  EXPECT_EQ(fault(world_.image_of(testing::cgi_program("x"))), "no error");
  PackageImage image = world_.image_of(testing::cgi_program("x"));
  image.commands[0].runner = RunnerKind::kWcgi;
  EXPECT_EQ(fault(image), "no error");
  image = world_.image_of(testing::listening_program());
  image.commands[0].runner = RunnerKind::kWasi;
  EXPECT_EQ(fault(image), "no error");
}

TEST_F(VersionLoaderTest, Prepare_RefusesWhatCannotRun) {
  EXPECT_THAT(fault(world_.image_of(R"((module (import "env" "missing" (func))
                                         (func (export "_start"))))")),
              HasSubstr("module \"m\""));
  PackageImage image = world_.image_of(testing::cgi_program("x"));
  image.commands[0].runner = RunnerKind::kWasi;
  EXPECT_THAT(fault(image), HasSubstr("cannot serve requests"));
  image = world_.image_of(testing::cgi_program("x"));
  image.volumes.push_back({.guest = "/data", .blob = world_.put_blob(base::as_bytes("no"))});
  EXPECT_THAT(fault(image), HasSubstr("the volume at /data"));
  image = world_.image_of(testing::cgi_program("x"));
  image.modules[0].blob = world_.put_blob(base::as_bytes("not a module"));
  EXPECT_THAT(fault(image), HasSubstr("module \"m\""));
  image = world_.image_of(testing::cgi_program("x"));
  image.commands.push_back(image.commands[0]);
  image.commands[1].name = "other";
  EXPECT_THAT(fault(image), HasSubstr("no entrypoint"));
}

TEST_F(VersionLoaderTest, Prepare_LeavesModulesThatNoCommandNames) {
  PackageImage image = world_.image_of(testing::cgi_program("x"));
  image.modules.push_back({.name = "data", .blob = world_.put_blob(base::as_bytes("anything"))});
  EXPECT_EQ(fault(image), "no error");
}

TEST_F(VersionLoaderTest, ABlobThatIsMissing_IsNotFound) {
  PackageImage image = world_.image_of(testing::cgi_program("x"));
  image.modules[0].blob.hash = crypto::blake3(base::as_bytes("never sent"));
  const auto prepared = world_.loader().prepare(image);
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().kind(), ErrorKind::kNotFound);
}

TEST_F(VersionLoaderTest, ADamagedBlob_IsNeverRun) {
  const PackageImage image = world_.image_of(testing::cgi_program("x"));
  world_.deploy_image("site", image);
  ASSERT_TRUE(world_.loader().load("site", 1).has_value());
  const BlobReference& blob = image.modules[0].blob;
  const fs::path file = world_.store_folder() / store::blob_key(blob.hash).text();
  ASSERT_TRUE(fs::exists(file));
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{5}, std::size_t{blob.bytes}}) {
    fs::remove(file);
    std::ofstream(file, std::ios::binary) << std::string(bytes, 'x');
    const auto loaded = world_.loader().load("site", 1);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().kind(), ErrorKind::kInternal) << loaded.error().message();
  }
}

TEST_F(VersionLoaderTest, WhatIsCompiled_IsLoadedWithoutItsBytes) {
  const auto remove_module = [this](const PackageImage& image) {
    fs::remove(world_.store_folder() / store::blob_key(image.modules[0].blob.hash).text());
  };
  const PackageImage image = world_.image_of(testing::cgi_program("x"));
  world_.deploy_image("site", image);
  const auto running = world_.loader().load("site", 1);
  ASSERT_TRUE(running.has_value());
  remove_module(image);
  const auto again = world_.loader().load("site", 1);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(&(*again)->program->module()->module(), &(*running)->program->module()->module());
  EXPECT_TRUE((*again)->program->options().commands.empty());

  // One that starts programs has them at hand, also itself.
  const PackageImage shell = world_.image_of(R"((module
      (import "wasix_32v1" "proc_exec" (func (param i32 i32 i32 i32)))
      (memory (export "memory") 1) (func (export "_start"))))");
  world_.deploy_image("shell", shell);
  const auto started = world_.loader().load("shell", 1);
  ASSERT_TRUE(started.has_value()) << started.error().message();
  EXPECT_EQ((*started)->program->options().commands.size(), 1U);
  remove_module(shell);
  EXPECT_EQ(world_.loader().load("shell", 1).error().kind(), ErrorKind::kNotFound);
}

TEST_F(VersionLoaderTest, TheConfigurationReachesTheProgram) {
  PackageImage image = world_.image_of(testing::cgi_program("x"));
  image.commands[0].main_args = {"-c"};
  image.commands[0].environment = {{"A", "package"}, {"B", "package"}};
  world_.deploy_image("site", image, R"(env: {A: app}
cli_args: ["-d"]
capabilities: {memory: {limit: 1MiB}}
limits: {cpu_time: 500ms}
network: {egress: ["10.0.0.0/8:80"]}
)");
  const auto version = world_.loader().load("site", 1);
  ASSERT_TRUE(version.has_value()) << version.error().message();
  EXPECT_EQ((*version)->app, "site");
  EXPECT_EQ((*version)->record.number, 1U);
  const ProgramOptions& options = (*version)->program->options();
  EXPECT_THAT(options.arguments, ElementsAre("c", "-c", "-d"));
  EXPECT_THAT(options.environment,
              ::testing::UnorderedElementsAre(Pair("A", "app"), Pair("B", "package")));
  EXPECT_EQ(options.limits.instance.memory_bytes_max, std::uint64_t{1} << 20);
  EXPECT_EQ(options.limits.instance.cpu_time_max, milliseconds(500));
  ASSERT_NE(options.egress, nullptr);
  EXPECT_TRUE(options.egress->allows(io::IpAddress::v4({10, 1, 2, 3}), 80));
  EXPECT_FALSE(options.egress->allows(io::IpAddress::v4({8, 8, 8, 8}), 80));
  EXPECT_FALSE((*version)->program->listens());
}

TEST_F(VersionLoaderTest, AppsAreTenantsOfTheirOwn_AndReachNothingByDefault) {
  world_.deploy("one", testing::cgi_program("x"));
  world_.deploy("two", testing::cgi_program("x"));
  world_.deploy("one", testing::cgi_program("y"));
  const auto tenant = [this](const std::string& app, VersionNumber number) {
    const auto version = world_.loader().load(app, number).value();
    EXPECT_EQ(version->program->options().egress, nullptr);
    return version->program->options().tenant;
  };
  EXPECT_EQ(tenant("one", 1), tenant("one", 2));
  EXPECT_NE(tenant("one", 1), tenant("two", 1));
}

TEST_F(VersionLoaderTest, AVersionThatDoesNotExist_IsNotFound) {
  EXPECT_EQ(world_.loader().load("site", 1).error().kind(), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace selvedge::app
