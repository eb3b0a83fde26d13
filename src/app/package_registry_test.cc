#include "app/package_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/store_references.h"
#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "io/testing/simulation.h"

// Goal: a published version never changes, ranges mean the latest version that all who ask agree
// on, and what is linked holds all that it needs. Method: a real store; packages of small modules.

namespace selvedge::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PackageRegistryTest : public ::testing::Test {
 protected:
  // A package with one command and module, "run", whose content is its name and version.
  PackageImage image(const std::string& name, const std::string& version,
                     std::vector<ImageDependency> dependencies = {}) {
    PackageImage made{.name = name,
                      .version = version,
                      .entrypoint = std::nullopt,
                      .modules = {},
                      .volumes = {},
                      .commands = {}};
    const std::string text = name + version;
    made.modules.push_back(
        {.name = "run", .blob = world_.put_blob(base::as_bytes(std::string_view(text)))});
    made.commands.push_back({.name = "run-" + name.substr(name.find('/') + 1),
                             .module = "run",
                             .runner = RunnerKind::kWasi,
                             .program_name = "run",
                             .main_args = {},
                             .environment = {}});
    made.dependencies = std::move(dependencies);
    return made;
  }
  Result<PublishedPackage> publish(const PackageImage& image) {
    SELVEDGE_TRY(auto linked, registry().link(image));
    return registry().publish({.image = image,
                               .linked = std::move(linked),
                               .sha256 = std::nullopt,
                               .signature = std::nullopt});
  }
  void must_publish(const std::string& name, const std::string& version,
                    std::vector<ImageDependency> dependencies = {}) {
    const auto published = publish(image(name, version, std::move(dependencies)));
    ASSERT_TRUE(published.has_value()) << published.error().message();
  }
  std::string fault_of_link(const PackageImage& own) {
    const auto linked = registry().link(own);
    return linked.has_value() ? "no error" : linked.error().message();
  }
  std::string latest(const std::string& reference) {
    const auto parsed = parse_package_reference(reference);
    if (!parsed.has_value()) {
      return parsed.error().message();
    }
    const auto found = registry().resolve(*parsed);
    return found.has_value() ? found->version : found.error().message();
  }
  static std::vector<std::string> origins(const PackageImage& image) {
    std::vector<std::string> made;
    for (const ImageOrigin& origin : image.origins) {
      made.push_back(origin.name + " " + origin.version);
    }
    return made;
  }
  PackageRegistry& registry() { return world_.packages(); }

  io::testing::Simulation simulation_{1};
  testing::AppWorld world_{simulation_.clock()};
};

TEST_F(PackageRegistryTest, AVersion_IsWrittenOnce) {
  must_publish("ada/loom", "1.0.0");
  must_publish("ada/loom", "1.0.0");  // the same
  auto other = image("ada/loom", "1.0.0");
  other.commands[0].main_args = {"-x"};
  const auto refused = publish(other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message(), HasSubstr("ada/loom 1.0.0 is published already"));
  EXPECT_EQ(registry().find("ada/loom", "1.0.0")->image, identity(image("ada/loom", "1.0.0")));
}

TEST_F(PackageRegistryTest, ARange_MeansTheLatestVersionInIt) {
  for (const char* version : {"1.2.0", "1.10.0", "1.9.3", "2.0.0-rc.1"}) {
    must_publish("ada/loom", version);
  }
  EXPECT_THAT(*registry().versions("ada/loom"),
              ElementsAre("1.2.0", "1.9.3", "1.10.0", "2.0.0-rc.1"));
  EXPECT_EQ(latest("ada/loom"), "1.10.0");
  EXPECT_EQ(latest("ada/loom@1.2"), "1.10.0");
  EXPECT_EQ(latest("ada/loom@~1.9"), "1.9.3");
  EXPECT_EQ(latest("ada/loom@=1.2.0"), "1.2.0");
  EXPECT_EQ(latest("ada/loom@2.0.0-rc"), "2.0.0-rc.1");
  EXPECT_THAT(latest("ada/loom@3"),
              HasSubstr("no version of ada/loom fits 3: the store has 1.2.0, 1.9.3, 1.10.0"));
  EXPECT_THAT(latest("ada/spool"), HasSubstr("publish it first"));
  EXPECT_THAT(latest("Ada/loom"), HasSubstr("names no package"));
  EXPECT_THAT(latest("ada/loom@latest"), HasSubstr("names no package"));
  EXPECT_THAT(*registry().names(), ElementsAre("ada/loom"));
}

TEST_F(PackageRegistryTest, AFile_IsFoundByItsHash) {
  const std::string sha256(64, 'a');
  auto unnamed = image("", "");
  unnamed.commands[0].name = "run";
  const auto published = registry().publish(
      {.image = unnamed, .linked = unnamed, .sha256 = sha256, .signature = std::nullopt});
  ASSERT_TRUE(published.has_value()) << published.error().message();
  const auto found = registry().resolve({.name = "", .range = "*", .sha256 = sha256});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->linked, identity(unnamed));
  EXPECT_THAT(latest("sha256:" + std::string(64, 'b')), HasSubstr("no package sha256:bbbb"));
  EXPECT_THAT(latest("sha256:b"), HasSubstr("64 small hexadecimal digits"));
}

TEST_F(PackageRegistryTest, WhatHasNoNameOrVersion_IsRefused) {
  for (const auto& [name, version] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"loom", "1.0.0"},
                                                        {"Ada/loom", "1.0.0"},
                                                        {"ada/loom", "1.0"},
                                                        {"ada/loom", ""},
                                                        {"ada/../x", "1.0.0"},
                                                        {"ada/.x", "1.0.0"}}) {
    auto own = image("x/x", "1.0.0");
    own.name = name;
    own.version = version;
    const auto refused = publish(own);
    ASSERT_FALSE(refused.has_value()) << name << " " << version;
    EXPECT_THAT(refused.error().message(), HasSubstr("cannot be published")) << name;
  }
}

TEST_F(PackageRegistryTest, Dependencies_AreLinkedNearestFirst) {
  must_publish("ada/thread", "1.0.0");
  must_publish("ada/thread", "1.1.0");
  must_publish("ada/loom", "1.0.0", {{.name = "ada/thread", .range = "^1"}});
  auto own = image("me/site", "0.1.0", {{.name = "ada/loom", .range = "1"}});
  own.commands.push_back({.name = "weave",
                          .module = "ada/loom:run",
                          .runner = RunnerKind::kWasi,
                          .program_name = "weave",
                          .main_args = {},
                          .environment = {}});
  const auto linked = registry().link(own);
  ASSERT_TRUE(linked.has_value()) << linked.error().message();
  EXPECT_THAT(linked->dependencies, IsEmpty());
  EXPECT_THAT(origins(*linked), ElementsAre("me/site 0.1.0", "ada/loom 1.0.0", "ada/thread 1.1.0"));
  std::vector<std::string> commands;
  for (const ImageCommand& command : linked->commands) {
    commands.push_back(command.name + "=" + command.module);
  }
  EXPECT_THAT(commands, ElementsAre("run-site=run", "weave=ada/loom:run", "run-loom=ada/loom:run",
                                    "run-thread=ada/thread:run"));
}

TEST_F(PackageRegistryTest, APackageWithoutCommands_RunsWhatItDependsOn) {
  must_publish("ada/server", "1.0.0");
  auto own = image("me/site", "0.1.0", {{.name = "ada/server", .range = "1"}});
  own.commands.clear();
  const auto linked = registry().link(own);
  ASSERT_TRUE(linked.has_value()) << linked.error().message();
  EXPECT_EQ(linked->entrypoint, "run-server");
}

TEST_F(PackageRegistryTest, RangesOfAll_AreMetTogether) {
  for (const char* version : {"1.0.0", "1.1.0", "1.2.0"}) {
    must_publish("ada/thread", version);
  }
  must_publish("ada/loom", "1.0.0", {{.name = "ada/thread", .range = "<1.2"}});
  const auto linked = registry().link(
      image("me/site", "1.0.0",
            {{.name = "ada/thread", .range = "^1"}, {.name = "ada/loom", .range = "1"}}));
  ASSERT_TRUE(linked.has_value()) << linked.error().message();
  EXPECT_THAT(origins(*linked), ElementsAre("me/site 1.0.0", "ada/thread 1.1.0", "ada/loom 1.0.0"));
}

TEST_F(PackageRegistryTest, AConflict_SaysWhoAsksForWhat) {
  must_publish("ada/thread", "1.0.0");
  must_publish("ada/thread", "2.0.0");
  must_publish("ada/loom", "1.0.0", {{.name = "ada/thread", .range = "^1"}});
  EXPECT_THAT(
      fault_of_link(
          image("me/site", "1.0.0",
                {{.name = "ada/thread", .range = "^2"}, {.name = "ada/loom", .range = "1"}})),
      HasSubstr("no version of ada/thread fits: me/site asks for ^2, ada/loom 1.0.0 asks for ^1; "
                "the store has 1.0.0, 2.0.0"));
}

TEST_F(PackageRegistryTest, WhatIsMissingOrMalformed_IsNamed) {
  EXPECT_THAT(fault_of_link(image("me/site", "1.0.0", {{.name = "ada/no", .range = "1"}})),
              HasSubstr("me/site depends on ada/no, which is not in the store: publish it first"));
  EXPECT_THAT(fault_of_link(image("me/site", "1.0.0", {{.name = "ada/no", .range = "latest"}})),
              HasSubstr("\"latest\", which is not a range"));
  must_publish("ada/loom", "1.0.0");
  auto own = image("me/site", "1.0.0", {{.name = "ada/loom", .range = "1"}});
  own.commands[0].module = "ada/loom:walk";
  EXPECT_THAT(fault_of_link(own), HasSubstr("ada/loom 1.0.0 has no module \"walk\"; it has: run"));
}

TEST_F(PackageRegistryTest, WhatIsPublished_IsNeededInTheStore) {
  must_publish("ada/thread", "1.0.0");
  must_publish("ada/loom", "1.0.0", {{.name = "ada/thread", .range = "1"}});
  const auto unnamed = image("", "");
  ASSERT_TRUE(registry()
                  .publish({.image = unnamed,
                            .linked = unnamed,
                            .sha256 = std::string(64, 'a'),
                            .signature = std::nullopt})
                  .has_value());
  StoreReferences references(world_.blobs());
  ASSERT_TRUE(references.read([] { return Result<>(); }).has_value());
  const auto loom = registry().find("ada/loom", "1.0.0");
  for (const auto& hash : {loom->image, loom->linked, identity(unnamed)}) {
    EXPECT_TRUE(references.contains(hash));
  }
  for (const PackageImage& each : {image("ada/thread", "1.0.0"), unnamed}) {
    EXPECT_TRUE(references.contains(each.modules[0].blob.hash));
  }
}

TEST_F(PackageRegistryTest, Cycles_AreRefused) {
  must_publish("ada/loom", "1.0.0");
  must_publish("ada/thread", "1.0.0", {{.name = "ada/loom", .range = "1"}});
  EXPECT_THAT(fault_of_link(image("ada/loom", "1.1.0", {{.name = "ada/thread", .range = "1"}})),
              HasSubstr("packages must not need themselves"));
  EXPECT_THAT(fault_of_link(image("ada/loom", "1.1.0", {{.name = "ada/loom", .range = "1"}})),
              HasSubstr("packages must not need themselves"));
}

}  // namespace
}  // namespace selvedge::app
