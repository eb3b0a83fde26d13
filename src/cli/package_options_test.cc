#include "cli/package_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "cli/options.h"

namespace selvedge::cli {
namespace {

using ::testing::HasSubstr;
using Verb = PackageAction::Verb;

Result<Invocation> parse(const std::vector<std::string>& arguments) {
  return parse_command_line(arguments,
                            {.host_variable = [](const std::string&) -> std::optional<std::string> {
                              return std::nullopt;
                            }});
}

PackageAction action(const std::vector<std::string>& arguments) {
  const auto parsed = parse(arguments);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  const auto* made = parsed.has_value() ? std::get_if<PackageAction>(&*parsed) : nullptr;
  EXPECT_NE(made, nullptr);
  return made != nullptr ? *made : PackageAction{};
}

TEST(PackageCommandLine, Verbs_AndWhatTheyTake) {
  EXPECT_EQ(action({"package", "build"}).verb, Verb::kBuild);
  EXPECT_EQ(action({"package", "build"}).target, ".");
  const auto build = action({"package", "build", "x.wasm", "-o", "x.webc", "--runner", "wcgi"});
  EXPECT_EQ(build.target, "x.wasm");
  EXPECT_EQ(build.output_file, "x.webc");
  EXPECT_EQ(build.runner, app::RunnerKind::kWcgi);
  const auto publish = action({"package", "publish", "d", "--sign", "k", "--node", "/n", "--json"});
  EXPECT_EQ(publish.verb, Verb::kPublish);
  EXPECT_EQ(publish.key_file, "k");
  EXPECT_EQ(publish.socket, "/n");
  EXPECT_TRUE(publish.output.json);
  EXPECT_EQ(action({"package", "pull", "a/b@^1"}).target, "a/b@^1");
  EXPECT_EQ(action({"package", "list"}).socket, ".selvedge/admin.sock");
  EXPECT_EQ(action({"package", "info", "a/b"}).verb, Verb::kInfo);
  EXPECT_EQ(action({"package", "keygen", "f"}).verb, Verb::kKeygen);
}

TEST(PackageCommandLine, Mistakes_AreOneSentence) {
  for (const auto& [arguments, expected] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"package"}, "subcommand"},
           {{"package", "pull"}, "PACKAGE"},
           {{"package", "build", "--runner", "cgi"}, "is not a runner"},
           {{"package", "build", "a", "b"}, "b"},
           {{"package", "keygen"}, "FILE"},
       }) {
    const auto parsed = parse(arguments);
    ASSERT_FALSE(parsed.has_value());
    EXPECT_THAT(parsed.error().message(), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace selvedge::cli
