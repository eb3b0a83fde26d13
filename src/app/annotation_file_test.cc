// Goal: annotations in a file of their own mean what they would mean in wasmer.toml, and every
// mistake is one sentence with the file and line it is in. Method: manifests whose files are in
// memory, and folders for what links do.

#include "app/internal/annotation_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "app/manifest.h"
#include "app/package.h"
#include "app/package_build.h"
#include "app/webc_package.h"
#include "base/bytes.h"
#include "base/format.h"
#include "store/testing/store_world.h"

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

constexpr std::string_view kCommand =
    "[[module]]\nname = \"m\"\nsource = \"m.wasm\"\n[[command]]\nname = \"c\"\nmodule = \"m\"\n";
constexpr std::string_view kYaml =
    "wasi:\n  main-args: [\"-c\", /etc/php.ini]\n  env:\n    - A=1\n    - \"B=x y\"\n"
    "  exec-name: php\nwcgi:\n  dialect: rfc-3875\n";
constexpr std::string_view kJson =
    "{\"wasi\": {\"main-args\": [\"-c\", \"/etc/php.ini\"], \"env\": [\"A=1\", \"B=x y\"],\n"
    "\t\"exec-name\": \"ph\\u0070\"}, \"wcgi\": {\"dialect\": \"rfc-3875\"}}\n";

Result<Manifest> parse(std::string_view kind, std::string_view content,
                       std::string_view file = "etc/notes") {
  return parse_manifest(
      fmt::format("{}annotations = {{ file = \"{}\", kind = \"{}\" }}\n", kCommand, file, kind),
      "site/wasmer.toml", [&](const std::string& path) -> Result<std::string> {
        if (path != "etc/notes") {
          return fail(ErrorKind::kNotFound, "No such file");
        }
        return std::string(content);
      });
}

std::string message(std::string_view kind, std::string_view content,
                    std::string_view file = "etc/notes") {
  const auto parsed = parse(kind, content, file);
  return parsed.has_value() ? "no error" : parsed.error().message();
}

TEST(AnnotationFile, YamlAndJson_MeanWhatTheTableWouldMean) {
  for (const auto& [kind, content] : {std::pair("yaml", kYaml), std::pair("json", kJson)}) {
    const auto parsed = parse(kind, content);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
    const ManifestCommand& command = parsed->commands.front();
    EXPECT_THAT(command.main_args, ElementsAre("-c", "/etc/php.ini")) << kind;
    EXPECT_THAT(command.env, ElementsAre(Pair("A", "1"), Pair("B", "x y"))) << kind;
    EXPECT_EQ(command.exec_name, "php") << kind;
    EXPECT_THAT(parsed->warnings, IsEmpty()) << kind;
  }
}

TEST(AnnotationFile, WithoutValues_ChangesNothing) {
  for (const auto& [kind, content] : {std::pair("yaml", "wasi:\n  exec-name: ~\nwcgi:\n"),
                                      std::pair("json", R"({"wasi": {"exec-name": null}})"),
                                      std::pair("json", "{}"), std::pair("yaml", "{}")}) {
    const auto parsed = parse(kind, content);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
    EXPECT_EQ(parsed->commands.front().exec_name, std::nullopt) << content;
  }
}

TEST(AnnotationFile, UnknownKeys_AreWarnedAboutWhereTheyAre) {
  const auto yaml = parse("yaml", "wasi:\n  colour: red\nfile: other.yaml\n");
  ASSERT_TRUE(yaml.has_value()) << yaml.error().message();
  EXPECT_THAT(yaml->warnings,
              ElementsAre("site/etc/notes:2:11: unknown key command.annotations.wasi.colour is not "
                          "used",
                          "site/etc/notes:3:7: unknown key command.annotations.file is not used"));
  const auto json = parse("json", "{\n  \"wasi\": {\n \"colour\":   7 }}");
  ASSERT_TRUE(json.has_value()) << json.error().message();
  EXPECT_THAT(json->warnings,
              ElementsAre(StartsWith("site/etc/notes:3:14: unknown key command.annotations.wasi")));
}

TEST(AnnotationFile, MistakesInTheManifest_NameItsLine) {
  EXPECT_THAT(message("toml", ""),
              HasSubstr("site/wasmer.toml:7:44: command.annotations.kind must be \"yaml\" or "
                        "\"json\", not \"toml\""));
  EXPECT_THAT(message("yaml", "", "../notes"),
              HasSubstr("site/wasmer.toml:7:24: command.annotations.file must name a file inside "
                        "the package, not \"../notes\""));
  EXPECT_THAT(message("yaml", "", "/notes"), HasSubstr("inside the package"));
  EXPECT_EQ(message("yaml", "", "none"),
            "site/wasmer.toml:7:24: command.annotations.file: No such file");
  const auto without_kind =
      parse_manifest(fmt::format("{}annotations = {{ file = \"x\" }}\n", kCommand), "w");
  ASSERT_FALSE(without_kind.has_value());
  EXPECT_EQ(without_kind.error().message(),
            "w:7:15: command.annotations.kind must be \"yaml\" or \"json\"");
}

TEST(AnnotationFile, MistakesInTheFile_NameItsLine) {
  EXPECT_EQ(message("yaml", "wasi:\n  main-args: -c\n"),
            "site/etc/notes:2:14: command.annotations.wasi.main-args must be an array of strings, "
            "not a string");
  EXPECT_EQ(message("yaml", "wasi:\n  main-args: [a, 1, true]\n"),
            "site/etc/notes:2:18: every item of command.annotations.wasi.main-args must be a "
            "string, not an integer");
  EXPECT_EQ(message("json", "{\"wasi\": {\n\"main-args\": [\"a\",\n 1.5]}}"),
            "site/etc/notes:3:2: every item of command.annotations.wasi.main-args must be a "
            "string, not a float");
  EXPECT_EQ(message("yaml", "- a\n"),
            "site/etc/notes:1:1: the document must be a mapping (key: value)");
  EXPECT_EQ(message("json", "\n\"a\""),
            "site/etc/notes:2:1: the document must be a mapping (key: value)");
  EXPECT_EQ(message("json", "{\"wasi\": {},\n \"wasi\": {}}"),
            "site/etc/notes:2:2: the key \"wasi\" is there twice");
  EXPECT_EQ(message("yaml", "wasi: {}\nwasi: {}\n"),
            "site/etc/notes:2:1: the key \"wasi\" is there twice");
  EXPECT_EQ(message("json", "{\"wasi\": {}\n  oops}"), "site/etc/notes:2:3: not valid JSON here");
  EXPECT_EQ(message("json", "{} {}"), "site/etc/notes:1:4: not valid JSON here");
  EXPECT_THAT(message("json", ""), StartsWith("site/etc/notes:1:1: not valid JSON here"));
  EXPECT_THAT(message("yaml", ""), StartsWith("site/etc/notes: must hold one YAML document"));
  EXPECT_THAT(message("yaml", "a: [\n"), StartsWith("site/etc/notes:"));
  EXPECT_THAT(message("json", "{\"wasi\": {\"main-args\": [null]}}"),
              HasSubstr(":1:25: a value is missing here"));
  EXPECT_THAT(message("yaml", "wasi: {exec-name: \"a\\0b\"}"), HasSubstr("NUL"));
  EXPECT_THAT(message("yaml", "? [a]\n: b\n"), HasSubstr("every key must be a text"));
}

TEST(AnnotationFile, BombsOfDepthAndAliases_AreRefused) {
  const std::string deep(20'000, '[');
  EXPECT_THAT(message("json", "{\"a\":" + deep), HasSubstr("lie within each other"));
  EXPECT_THAT(message("yaml", "a: " + deep), StartsWith("site/etc/notes:"));
  EXPECT_THAT(message("yaml", "x: &a {a: *a}\n"), StartsWith("site/etc/notes:"));
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    laughs += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n",
                          i, i - 1);
  }
  EXPECT_THAT(message("yaml", laughs), HasSubstr("more than 16384 values"));
}

TEST(AnnotationFile, EveryPrefix_EndsInAManifestOrAnError) {
  for (const auto& [kind, content] : {std::pair("yaml", kYaml), std::pair("json", kJson)}) {
    for (std::size_t size = 0; size <= content.size(); ++size) {
      const std::string text = message(kind, content.substr(0, size));
      EXPECT_TRUE(text == "no error" || text.starts_with("site/")) << text;
    }
  }
}

class AnnotationFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path() / "site/etc");
    write("site/wasmer.toml",
          fmt::format("{}annotations = {{ file = \"etc/notes.yaml\", kind = \"yaml\" }}\n",
                      kCommand));
    write("site/m.wasm", std::string_view("\0asm\1\0\0\0", 8));
  }
  void write(std::string_view path, std::string_view content) {
    std::ofstream(folder_.path() / path) << content;
  }
  std::string site() const { return (folder_.path() / "site").string(); }

  store::testing::TemporaryFolder folder_;
};

TEST_F(AnnotationFolder, ReadFromTheFolder_TheyAreInTheBuiltPackage) {
  write("site/etc/notes.yaml", kYaml);
  const auto package = open_package(site());
  ASSERT_TRUE(package.has_value()) << package.error().message();
  EXPECT_EQ(package->commands.front().program_name, "php");
  const auto built = build_package(site());
  ASSERT_TRUE(built.has_value()) << built.error().message();
  write("built.webc", base::as_text(built->bytes));
  const auto webc = read_webc_file((folder_.path() / "built.webc").string());
  ASSERT_TRUE(webc.has_value()) << webc.error().message();
  const WebcCommand& command = (*webc)->manifest.commands.front();
  EXPECT_THAT(command.main_args, ElementsAre("-c", "/etc/php.ini"));
  EXPECT_EQ(command.exec_name, "php");
}

TEST_F(AnnotationFolder, LinkOutOfTheFolder_IsDenied) {
  write("outside.yaml", kYaml);
  std::filesystem::create_symlink("../../outside.yaml", folder_.path() / "site/etc/notes.yaml");
  const auto package = open_package(site());
  ASSERT_FALSE(package.has_value());
  EXPECT_EQ(package.error().kind(), ErrorKind::kDenied);
  EXPECT_THAT(package.error().message(),
              HasSubstr("wasmer.toml:7:24: command.annotations.file: etc/notes.yaml: the link "
                        "leads out of the package"));
}

TEST_F(AnnotationFolder, LinkInsideTheFolder_IsFollowed) {
  write("site/real.yaml", kYaml);
  std::filesystem::create_symlink("../real.yaml", folder_.path() / "site/etc/notes.yaml");
  EXPECT_TRUE(open_package(site()).has_value());
}

TEST_F(AnnotationFolder, FileThatIsTooLarge_IsRefused) {
  write("site/etc/notes.yaml", std::string(kAnnotationBytesMax + 1, '#'));
  const auto package = open_package(site());
  ASSERT_FALSE(package.has_value());
  EXPECT_THAT(package.error().message(), HasSubstr("65537 bytes are more than the limit of 65536"));
}

TEST_F(AnnotationFolder, FileThatIsMissing_IsNotFound) {
  const auto package = open_package(site());
  ASSERT_FALSE(package.has_value());
  EXPECT_EQ(package.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(package.error().message(), HasSubstr("command.annotations.file: etc/notes.yaml: "));
}

}  // namespace
}  // namespace selvedge::app
