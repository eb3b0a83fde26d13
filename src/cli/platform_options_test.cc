#include "cli/platform_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/options.h"

namespace selvedge::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ParseContext kContext{
    .host_variable = [](const std::string&) { return std::optional<std::string>(); }};
const ParseContext kContextWithNode{.host_variable = [](const std::string& name) {
  return name == "SELVEDGE_NODE" ? std::optional<std::string>("/e") : std::nullopt;
}};

template <class Command>
Command parse(const std::vector<std::string>& arguments, const ParseContext& context = kContext) {
  auto parsed = parse_command_line(arguments, context);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  if (!parsed.has_value() || !std::holds_alternative<PlatformCommand>(*parsed)) {
    ADD_FAILURE() << "another command";
    return {};
  }
  return std::get<Command>(std::get<PlatformCommand>(*std::move(parsed)));
}

std::string message(const std::vector<std::string>& arguments) {
  const auto parsed = parse_command_line(arguments, kContext);
  return parsed.has_value() ? "no error" : parsed.error().message();
}

TEST(NodeCommandLine, Dev_HasDefaults) {
  const auto command = parse<NodeCommand>({"node", "--dev"});
  EXPECT_EQ(command.options.data_folder, ".selvedge");
  EXPECT_EQ(command.options.store_folder, std::nullopt);
  EXPECT_EQ(command.options.http.port(), 8080);
  EXPECT_EQ(command.options.domain, "localhost");
  EXPECT_EQ(command.options.shards, 0U);
  EXPECT_FALSE(command.options.access_log);
}

TEST(NodeCommandLine, EverythingElse_IsPassedOn) {
  const auto command = parse<NodeCommand>({"node", "--data", "/d", "--store", "/s", "--http", ":80",
                                           "--domain", "Apps.Example.COM", "--shards", "2",
                                           "--access-log", "--log-level", "debug", "--json"});
  EXPECT_EQ(command.options.data_folder, "/d");
  EXPECT_EQ(command.options.store_folder, "/s");
  EXPECT_EQ(command.options.http.port(), 80);
  EXPECT_TRUE(command.options.http_every_interface);
  EXPECT_EQ(command.options.domain, "apps.example.com");
  EXPECT_EQ(command.options.shards, 2U);
  EXPECT_TRUE(command.options.access_log);
  EXPECT_EQ(command.options.log_level, log::Level::kDebug);
  EXPECT_TRUE(command.output.json);
}

TEST(NodeCommandLine, DevWithAFolder_UsesTheFolder) {
  EXPECT_EQ(parse<NodeCommand>({"node", "--dev", "--data", "/d"}).options.data_folder, "/d");
}

TEST(NodeCommandLine, Mistakes_AreOneSentence) {
  for (const auto& [arguments, expected] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"node"}, "--data DIR"},
           {{"node", "--dev", "--http", "nowhere"}, "nowhere"},
           {{"node", "--dev", "--http", "99999"}, "99999"},
           {{"node", "--dev", "--domain", "a b"}, "a b"},
           {{"node", "--dev", "--shards", "many"}, "shards"},
           {{"node", "--dev", "--shards", "100000"}, "shards"},
           {{"node", "--dev", "--log-level", "loud"}, "loud"},
           {{"node", "--dev", "surplus"}, "surplus"},
       }) {
    const std::string text = message(arguments);
    EXPECT_THAT(text, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(text, '\n'), 0) << text;
  }
}

TEST(DeployCommandLine, Defaults) {
  const auto command = parse<DeployCommand>({"deploy"});
  EXPECT_EQ(command.target, ".");
  EXPECT_EQ(command.app, std::nullopt);
  EXPECT_TRUE(command.activate);
  EXPECT_EQ(command.socket, ".selvedge/admin.sock");
}

TEST(DeployCommandLine, EverythingElse_IsPassedOn) {
  const auto command = parse<DeployCommand>(
      {"deploy", "x.wasm", "--app", "site", "--no-activate", "--node", "/n", "-q"});
  EXPECT_EQ(command.target, "x.wasm");
  EXPECT_EQ(command.app, "site");
  EXPECT_FALSE(command.activate);
  EXPECT_EQ(command.socket, "/n");
  EXPECT_TRUE(command.output.quiet);
}

TEST(DeployCommandLine, TheEnvironmentNamesTheNode_UnlessTheOptionDoes) {
  EXPECT_EQ(parse<DeployCommand>({"deploy"}, kContextWithNode).socket, "/e");
  EXPECT_EQ(parse<DeployCommand>({"deploy", "--node", "/n"}, kContextWithNode).socket, "/n");
}

TEST(AccessCommandLine, EverythingIsPassedOn) {
  const auto command =
      parse<AccessCommand>({"cluster", "token", "create", "--scope", "deploy", "--app", "a",
                            "--app", "b", "--owner", "acme", "--expires", "30d", "--name", "ci",
                            "--node", "https://h:1", "--node-fingerprint", "sha256:00"});
  EXPECT_EQ(command.verb, AccessCommand::Verb::kTokenCreate);
  EXPECT_EQ(command.scope, node::TokenScope::kDeploy);
  EXPECT_THAT(command.apps, ElementsAre("a", "b"));
  EXPECT_EQ(command.owner, "acme");
  EXPECT_EQ(command.lifetime, std::chrono::hours(24 * 30));
  EXPECT_EQ(command.name, "ci");
  EXPECT_EQ(command.socket, "https://h:1#sha256:00");
  EXPECT_EQ(parse<AccessCommand>({"cluster", "token", "revoke", "ci"}).token, "ci");
  EXPECT_EQ(parse<AccessCommand>({"cluster", "audit", "--limit", "7"}).limit, 7U);
}

TEST(AccessCommandLine, Mistakes_AreOneSentence) {
  for (const auto& [arguments, expected] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"cluster", "token", "create"}, "--scope"},
           {{"cluster", "token", "create", "--scope", "root"}, "\"root\" is no scope"},
           {{"cluster", "token", "create", "--scope", "read", "--expires", "soon"}, "--expires"},
           {{"cluster", "token", "create", "--scope", "read", "--app", "A"}, "\"A\" is not"},
           {{"cluster", "token", "revoke"}, "TOKEN"},
           {{"cluster", "audit", "--limit", "0"}, "--limit must be 1 to 1000"},
       }) {
    const std::string text = message(arguments);
    EXPECT_THAT(text, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(text, '\n'), 0) << text;
  }
}

TEST(AppCommandLine, EachVerb) {
  using Verb = AppCommand::Verb;
  EXPECT_EQ(parse<AppCommand>({"app", "list"}).verb, Verb::kList);
  const auto info = parse<AppCommand>({"app", "info", "site"});
  EXPECT_EQ(info.verb, Verb::kInfo);
  EXPECT_EQ(info.app, "site");
  EXPECT_EQ(parse<AppCommand>({"app", "rollback", "site"}).verb, Verb::kRollBack);
  EXPECT_EQ(parse<AppCommand>({"app", "delete", "site", "--yes"}).verb, Verb::kDelete);
  const auto activate = parse<AppCommand>({"app", "activate", "site", "2=90", "3"});
  EXPECT_EQ(activate.verb, Verb::kActivate);
  EXPECT_THAT(activate.active.versions, ElementsAre(app::VersionWeight{.version = 2, .weight = 90},
                                                    app::VersionWeight{.version = 3, .weight = 1}));
}

TEST(AppCommandLine, Jobs_AreListedOrOneIsRun) {
  using Verb = AppCommand::Verb;
  const auto list = parse<AppCommand>({"app", "jobs", "site", "--json"});
  EXPECT_EQ(list.verb, Verb::kJobs);
  EXPECT_EQ(list.run_job, "");
  EXPECT_TRUE(list.output.json);
  EXPECT_EQ(parse<AppCommand>({"app", "jobs", "site", "--run", "nightly"}).run_job, "nightly");
}

TEST(AppCommandLine, Mistakes_AreOneSentence) {
  for (const auto& [arguments, expected] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"app"}, "selvedge app needs a subcommand: list, info, activate,"},
           {{"app", "secret"}, "selvedge app secret needs a subcommand: set, list, delete"},
           {{"cluster"}, "selvedge cluster needs a subcommand: init, collect, token, audit"},
           {{"cluster", "token"},
            "selvedge cluster token needs a subcommand: create, list, revoke"},
           {{"app", "info"}, "APP"},
           {{"app", "info", "No_Name"}, "No_Name"},
           {{"app", "delete", "site"}, "--yes"},
           {{"app", "jobs", "site", "--run", "../x"}, "\"../x\" is not the name of a job"},
           {{"app", "activate", "site"}, "VERSION"},
           {{"app", "activate", "site", "x"}, "\"x\" is not a version"},
           {{"app", "activate", "site", "3="}, "\"3=\" is not a version"},
           {{"app", "activate", "site", "3x"}, "\"3x\" is not a version"},
           {{"app", "activate", "site", "3=1=2"}, "\"3=1=2\" is not a version"},
           {{"app", "activate", "site", "0"}, "no version 0"},
           {{"app", "activate", "site", "3=0"}, "weight of version 3"},
           {{"app", "activate", "site", "3", "3"}, "named twice"},
       }) {
    const std::string text = message(arguments);
    EXPECT_THAT(text, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(text, '\n'), 0) << text;
  }
}

}  // namespace
}  // namespace selvedge::cli
