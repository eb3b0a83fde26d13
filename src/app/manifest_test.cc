#include "app/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

constexpr std::string_view kPhpSite = R"([package]
name = "example/php-site"
version = "1.0.0"
description = "A site"
entrypoint = "php"

[fs]
"/site" = "public"
"/etc" = "config"

[[module]]
name = "php-cgi"
source = "php-cgi.wasm"
abi = "wasi"

[[command]]
name = "php"
module = "php-cgi"
runner = "https://webc.org/runner/wcgi"
[command.annotations.wasi]
main-args = ["-c", "/etc/php.ini"]
env = ["DOCUMENT_ROOT=/site", "EMPTY="]
exec-name = "php-cgi"
[command.annotations.wcgi]
dialect = "rfc-3875"
)";

std::string message(std::string_view text) {
  const auto parsed = parse_manifest(text, "wasmer.toml");
  return parsed.has_value() ? "no error" : parsed.error().message();
}
ErrorKind kind(std::string_view text) {
  const auto parsed = parse_manifest(text, "wasmer.toml");
  return parsed.has_value() ? ErrorKind::kInternal : parsed.error().kind();
}

TEST(Manifest, WholePackage_IsRead) {
  const auto parsed = parse_manifest(kPhpSite, "wasmer.toml");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(parsed->name, "example/php-site");
  EXPECT_EQ(parsed->version, "1.0.0");
  EXPECT_EQ(parsed->entrypoint, "php");
  ASSERT_EQ(parsed->mounts.size(), 2U);
  EXPECT_EQ(parsed->mounts[0].guest, "/site");
  EXPECT_EQ(parsed->mounts[0].host, "public");
  ASSERT_EQ(parsed->modules.size(), 1U);
  EXPECT_EQ(parsed->modules[0].source, "php-cgi.wasm");
  ASSERT_EQ(parsed->commands.size(), 1U);
  const ManifestCommand& command = parsed->commands[0];
  EXPECT_EQ(command.runner, RunnerKind::kWcgi);
  EXPECT_EQ(command.module, "php-cgi");
  EXPECT_EQ(command.exec_name, "php-cgi");
  EXPECT_THAT(command.main_args, ElementsAre("-c", "/etc/php.ini"));
  EXPECT_THAT(command.env, ElementsAre(Pair("DOCUMENT_ROOT", "/site"), Pair("EMPTY", "")));
  EXPECT_THAT(parsed->warnings, IsEmpty());
}

TEST(Manifest, Empty_IsAnUnnamedPackageWithoutCommands) {
  const auto parsed = parse_manifest("", "wasmer.toml");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->commands, IsEmpty());
}

TEST(Manifest, BrokenTableHeaders_AreReported) {
  for (const auto* text :
       {"[!]\n", "[a.!]\n", "[[!]]\n", "[", "!\n", "a.! = 1\n", "\xef\xbb\xbd"}) {
    EXPECT_THAT(message(text), StartsWith("wasmer.toml:")) << text;
  }
}

TEST(Manifest, Mounts_KeepTheOrderOfTheFile) {
  const auto parsed = parse_manifest("[fs]\n\"/z\" = \"a\"\n\"/a\" = \"b\"\nm = 'c'\n", "w");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  ASSERT_EQ(parsed->mounts.size(), 3U);
  EXPECT_EQ(parsed->mounts[0].guest, "/z");
  EXPECT_EQ(parsed->mounts[1].guest, "/a");
  EXPECT_EQ(parsed->mounts[2].guest, "/m");
}

TEST(Manifest, UnknownKeys_AreToldAndWarnedAbout) {
  const auto parsed = parse_manifest(
      "colour = \"red\"\n[package]\nname = \"a/b\"\nfancy = [1, 2]\n", "wasmer.toml");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_THAT(parsed->unknown, ElementsAre("package.fancy", "colour"));
  EXPECT_THAT(parsed->warnings,
              ElementsAre(StartsWith("wasmer.toml:4:1: unknown key package.fancy"),
                          StartsWith("wasmer.toml:1:1: unknown key colour")));
}

TEST(Manifest, DeprecatedMainArgs_AreSplitAtBlanks) {
  const auto parsed = parse_manifest(
      "[[module]]\nname='m'\nsource='m.wasm'\n[[command]]\nname='c'\nmodule='m'\n"
      "main_args = ' -a  b\\tc'\n",
      "w");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_THAT(parsed->commands[0].main_args, ElementsAre("-a", "b\\tc"));
  EXPECT_EQ(parsed->warnings.size(), 1U);
}

struct BadManifest {
  const char* text;
  ErrorKind kind;
  const char* sentence;
};
constexpr const char* kModule = "[[module]]\nname = \"m\"\nsource = \"m.wasm\"\n";

class ManifestRefused : public testing::TestWithParam<BadManifest> {};

TEST_P(ManifestRefused, NamesLineColumnAndCure) {
  EXPECT_THAT(message(GetParam().text), HasSubstr(GetParam().sentence));
  EXPECT_EQ(kind(GetParam().text), GetParam().kind);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ManifestRefused,
    testing::Values(
        BadManifest{"[package\n", ErrorKind::kInvalid, "wasmer.toml:1:9: "},
        BadManifest{"a = 1\na = 2\n", ErrorKind::kInvalid, "wasmer.toml:2:"},
        BadManifest{"[package]\nname = 3\n", ErrorKind::kInvalid,
                    "wasmer.toml:2:8: package.name must be a string, not an integer"},
        BadManifest{"[package]\nname = \"a b\"\n", ErrorKind::kInvalid,
                    "wasmer.toml:2:8: package.name must be \"owner/name\""},
        BadManifest{"package = 1\n", ErrorKind::kInvalid,
                    "wasmer.toml:1:11: package must be a table ([package]), not an integer"},
        BadManifest{"module = 1\n", ErrorKind::kInvalid, "module must be written [[module]]"},
        BadManifest{"[dependencies]\nname = \"1\"\n", ErrorKind::kInvalid,
                    "wasmer.toml:2:8: the dependency \"name\" must be named \"owner/name\""},
        BadManifest{"[package]\nreadme = \"../x\"\n", ErrorKind::kInvalid,
                    "package.readme must name a file inside the package"},
        BadManifest{"[package]\nprivate = 1\n", ErrorKind::kInvalid,
                    "package.private must be true or false, not an integer"},
        BadManifest{"[[module]]\nsource = \"m.wasm\"\n", ErrorKind::kInvalid,
                    "wasmer.toml:1:1: module.name is missing"},
        BadManifest{"[[module]]\nname = \"m\"\n", ErrorKind::kInvalid, "module.source is missing"},
        BadManifest{"[[module]]\nname = \"m\"\nsource = \"../m.wasm\"\n", ErrorKind::kInvalid,
                    "wasmer.toml:3:10: module.source must name a file inside the package"},
        BadManifest{"[[module]]\nname = \"m\"\nsource = \"/m.wasm\"\n", ErrorKind::kInvalid,
                    "inside the package"},
        BadManifest{"[[module]]\nname='m'\nsource='a'\n[[module]]\nname='m'\nsource='b'\n",
                    ErrorKind::kInvalid, "wasmer.toml:5:6: two modules are named \"m\""},
        BadManifest{"[[module]]\nname='m'\nsource='a'\nabi='none'\n", ErrorKind::kInvalid,
                    "wasmer.toml:4:5: module \"m\" has abi \"none\" and no interfaces"},
        BadManifest{"[[module]]\nname='m'\nsource='a'\nabi='c'\n", ErrorKind::kInvalid,
                    "module.abi must be \"wasi\", not \"c\""},
        BadManifest{"[[command]]\nname='c'\nmodule='m'\n", ErrorKind::kInvalid,
                    "wasmer.toml:3:8: command \"c\" names the module \"m\", which no [[module]]"},
        BadManifest{"[[command]]\nname='c'\nmodule='x/y:m'\n", ErrorKind::kInvalid,
                    "which [dependencies] does not declare"},
        BadManifest{"[dependencies]\n\"x/y\"='1'\n[[command]]\nname='c'\nmodule='x/y:'\n",
                    ErrorKind::kInvalid,
                    "wasmer.toml:5:8: command \"c\" names no module of \"x/y\""},
        BadManifest{"[package]\nentrypoint='c'\n", ErrorKind::kInvalid,
                    "wasmer.toml:2:12: package.entrypoint \"c\" is not the name of a [[command]]"},
        BadManifest{"[fs]\n\"/a\" = \"../x\"\n", ErrorKind::kInvalid,
                    "wasmer.toml:2:8: fs.\"/a\" must name a folder inside the package"},
        BadManifest{"[fs]\n\"/a/../b\" = \"x\"\n", ErrorKind::kInvalid, "must not contain \"..\""},
        BadManifest{"[fs]\n\"/a\" = \"x\"\n\"/a/\" = \"y\"\n", ErrorKind::kInvalid,
                    "two [fs] entries mount \"/a\""},
        BadManifest{"[fs]\n\"/a\" = \"x\\u0000\"\n", ErrorKind::kInvalid,
                    "must not contain a NUL character"}));

TEST(Manifest, CommandErrors_NameLineColumnAndCure) {
  const auto with = [](std::string_view rest) {
    return message(std::string(kModule) + "[[command]]\nname = \"c\"\nmodule = \"m\"\n" +
                   std::string(rest));
  };
  EXPECT_THAT(with("runner = \"cgi\"\n"), HasSubstr("is not a runner: write \"wasi\""));
  EXPECT_THAT(with("[command.annotations.wasi]\nmain-args = \"a\"\n"),
              StartsWith("wasmer.toml:8:13: command.annotations.wasi.main-args must be an array"));
  EXPECT_THAT(with("[command.annotations.wasi]\nmain-args = [\"a\", 1]\n"),
              StartsWith("wasmer.toml:8:19: every item of command.annotations.wasi.main-args"));
  EXPECT_THAT(with("[command.annotations.wasi]\natom = \"x\"\n"),
              HasSubstr("names the atom \"x\""));
  EXPECT_THAT(with("[command.annotations.wcgi]\ndialect = \"fcgi\"\n"),
              HasSubstr("has the wcgi dialect \"fcgi\"; write \"rfc-3875\""));
  EXPECT_THAT(with("[[command]]\nname = \"c\"\nmodule = \"m\"\n"),
              StartsWith("wasmer.toml:8:8: two commands are named \"c\""));
}

TEST(Manifest, TooLarge_IsRefusedUnparsed) {
  const std::string text(kManifestBytesMax + 1, '#');
  EXPECT_THAT(message(text), HasSubstr("larger than 256 KiB"));
}

TEST(Manifest, EveryPrefix_EndsInAManifestOrAnError) {
  for (std::size_t size = 0; size <= kPhpSite.size(); ++size) {
    const auto parsed = parse_manifest(kPhpSite.substr(0, size), "w");
    EXPECT_TRUE(parsed.has_value() || parsed.error().message().starts_with("w:")) << size;
  }
}

TEST(Manifest, DeepNesting_IsRefused) {
  EXPECT_EQ(kind("a = " + std::string(10'000, '[')), ErrorKind::kInvalid);
}

TEST(NormaliseGuestPath, Table) {
  EXPECT_EQ(*normalise_guest_path("/"), "/");
  EXPECT_EQ(*normalise_guest_path("/a//b/./c/"), "/a/b/c");
  EXPECT_FALSE(normalise_guest_path("a").has_value());
  EXPECT_FALSE(normalise_guest_path("").has_value());
  EXPECT_FALSE(normalise_guest_path("/a/..").has_value());
}

TEST(ParseEnvironmentEntry, Table) {
  EXPECT_THAT(*parse_environment_entry("A=b=c"), Pair("A", "b=c"));
  EXPECT_THAT(*parse_environment_entry("A="), Pair("A", ""));
  EXPECT_FALSE(parse_environment_entry("=b").has_value());
  EXPECT_FALSE(parse_environment_entry("A").has_value());
  EXPECT_FALSE(parse_environment_entry(std::string_view("A=\0", 3)).has_value());
}

}  // namespace
}  // namespace selvedge::app
