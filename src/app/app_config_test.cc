#include "app/app_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/format.h"

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

std::string error_of(std::string_view more) {
  const auto parsed = parse_app_config(fmt::format("kind: wasmer.io/App.v0\n{}", more), "app.yaml");
  return parsed.has_value() ? "" : parsed.error().message();
}

AppConfig config_of(std::string_view more) {
  auto parsed = parse_app_config(fmt::format("kind: wasmer.io/App.v0\n{}", more), "app.yaml");
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return parsed.has_value() ? *std::move(parsed) : AppConfig{};
}

TEST(AppConfig, ReadsWhatARealFileSays) {
  const AppConfig config = config_of(R"(
name: my-site
app_id: da_abc123
owner: somebody
package: .
domains: [www.Example.com, example.com., www.example.com]
env:
  PORT: 8080
  GREETING: "hello, world"
  EMPTY:
cli_args: [--verbose, "1"]
scaling:
  concurrency: 16
  idle_timeout: 90s
  grace: 2s
locality:
  regions: [be-mons1]
capabilities:
  memory:
    limit: 512MiB
limits:
  request_time: 30s
network:
  egress: ["api.example.com:443"]
)");
  EXPECT_EQ(config.name, "my-site");
  EXPECT_EQ(config.package, ".");
  EXPECT_THAT(config.domains, ElementsAre("www.example.com", "example.com"));
  EXPECT_THAT(config.environment, ElementsAre(Pair("PORT", "8080"),
                                              Pair("GREETING", "hello, world"), Pair("EMPTY", "")));
  EXPECT_THAT(config.arguments, ElementsAre("--verbose", "1"));
  EXPECT_EQ(config.scaling.concurrency_max, 16U);
  EXPECT_EQ(config.scaling.idle_time_max, std::chrono::seconds(90));
  EXPECT_EQ(config.scaling.stop_time_max, std::chrono::seconds(2));
  EXPECT_THAT(config.regions, ElementsAre("be-mons1"));
  EXPECT_EQ(config.memory_bytes_max, std::uint64_t{512} << 20);
  EXPECT_EQ(config.request_time_max, std::chrono::seconds(30));
  EXPECT_THAT(config.egress, ElementsAre("api.example.com:443"));
  EXPECT_THAT(config.warnings,
              ElementsAre("app.yaml:18:12: locality.regions has no effect here: every node serves "
                          "every app; the list is kept"));
}

TEST(AppConfig, DefaultsAreThoseOfTheDocumentation) {
  const AppConfig config = config_of("");
  EXPECT_EQ(config.name, std::nullopt);
  EXPECT_EQ(config.package, ".");
  EXPECT_FALSE(config.scaling.single_concurrency);
  EXPECT_THAT(config.warnings, IsEmpty());
  EXPECT_TRUE(config_of("scaling: {mode: single_concurrency}").scaling.single_concurrency);
}

TEST(AppConfig, KeepsUnknownKeysAndNamesTheirLine) {
  const AppConfig config = config_of("scaling:\n  burst: 7\nnovel: {a: 1}\n");
  EXPECT_THAT(config.unknown, ElementsAre("scaling.burst", "novel"));
  EXPECT_THAT(config.warnings,
              ElementsAre("app.yaml:3:3: unknown key scaling.burst is kept but not used",
                          "app.yaml:4:1: unknown key novel is kept but not used"));
}

TEST(AppConfig, WarnsOfWhatHasNoEffectHere) {
  for (const char* text :
       {"debug: true", "enable_email: true", "vault: v", "volumes: [{name: a, mount: /a}]",
        "capabilities: {runtime: {async_threads: true}}", "capabilities: {instaboot: {}}",
        "capabilities: {database: {engine: mysql}}", "capabilities: {cdn_cache: {enabled: true}}",
        "capabilities: {ssh: {enabled: true}}"}) {
    const AppConfig config = config_of(text);
    EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("has no effect here"))) << text;
    EXPECT_THAT(config.unknown, IsEmpty()) << text;
  }
}

TEST(AppConfig, ForceHttps_SaysWhenItTakesEffect) {
  const AppConfig config = config_of("redirect: {force_https: true, other: 1}");
  EXPECT_TRUE(config.force_https);
  EXPECT_THAT(config.warnings,
              ElementsAre(HasSubstr("app.yaml:2:25: redirect.force_https takes effect for requests "
                                    "that come through a proxy"),
                          HasSubstr("unknown key redirect.other")));
  EXPECT_THAT(config_of("redirect: {force_https: false}").warnings, IsEmpty());
  EXPECT_FALSE(config_of("redirect: {}").force_https);
}

TEST(AppConfig, SaysWhatIsWrongAndWhere) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"name: Site", "app.yaml:2:7: name must be small letters"},
           Case{"name: a--b", "app.yaml:2:7: name must be"},
           Case{"name: [a]", "app.yaml:2:7: name must be a text, not a list"},
           Case{"name: a\nname: b", "app.yaml:3:1: the document has the key name twice"},
           Case{"package: ''", "app.yaml:2:10: package is empty"},
           Case{"domains: [localhost]", "app.yaml:2:10: domains: \"localhost\" is not a domain"},
           Case{"redirect: {force_https: 1}",
                "app.yaml:2:25: redirect.force_https must be true or false"},
           Case{"redirect: true", "app.yaml:2:11: redirect must be a mapping"},
           Case{"domains: [a..b]", "is not a domain name"},
           Case{"env: [A=1]", "app.yaml:2:6: env must be a mapping"},
           Case{"env: {A=B: 1}", "app.yaml:2:7: env has a name that is empty or contains '='"},
           Case{"env: {A: [1]}", "app.yaml:2:10: env.A must be a text"},
           Case{"env: {A: \"\\0\"}", "env.A must not contain a NUL"},
           Case{"scaling: {mode: many}", "scaling.mode can only be single_concurrency"},
           Case{"scaling: {concurrency: 0}", "must be a whole number from 1 to 10000, not \"0\""},
           Case{"scaling: {mode: single_concurrency, concurrency: 2}", "contradicts"},
           Case{"scaling: {min_instances: 257}", "must be a whole number from 0 to 256"},
           Case{"scaling: {min_instances: 3, max_instances: 2}",
                "scaling.min_instances is 3, but scaling.max_instances only 2"},
           Case{"scaling: {max_instances: 0}", "must be a whole number from 1 to 10000"},
           Case{"scaling: {idle_timeout: soon}",
                "scaling.idle_timeout: \"soon\" is not a duration"},
           Case{"capabilities: {memory: {limit: 5GiB}}", "must be from 64KiB to 4GiB"},
           Case{"network: {egress: [':']}", "network.egress: "},
           Case{"a: [", "app.yaml:2:1: end of sequence"},
           Case{"? {a: b}\n: c", "every key of the document must be a text, not a mapping"},
           Case{"---\n", "must hold one YAML document, not several"},
       }) {
    EXPECT_THAT(error_of(c.text), HasSubstr(c.message)) << c.text;
    EXPECT_THAT(error_of(c.text), StartsWith("app.yaml:")) << c.text;
  }
  EXPECT_THAT(parse_app_config("kind: Other", "f").error().message(),
              "f:1:7: kind must be wasmer.io/App.v0, not \"Other\"");
  EXPECT_THAT(parse_app_config("name: a", "f").error().message(),
              HasSubstr("kind is missing: add kind: wasmer.io/App.v0"));
  EXPECT_THAT(parse_app_config("", "f").error().message(), HasSubstr("f: must hold one YAML"));
}

TEST(AppConfig, HostileDocumentsEndInASentence) {
  EXPECT_FALSE(parse_app_config(std::string(100'000, '['), "f").has_value());
  EXPECT_FALSE(parse_app_config(std::string(100'000, '{'), "f").has_value());
  EXPECT_FALSE(parse_app_config(std::string(kAppConfigBytesMax + 1, ' '), "f").has_value());
  EXPECT_FALSE(parse_app_config("kind: &a [*a, *a]", "f").has_value());
  EXPECT_FALSE(parse_app_config("kind: *a", "f").has_value());
  EXPECT_FALSE(parse_app_config("\xff\xfe", "f").has_value());
  // What nobody reads is not expanded.
  std::string bomb = "kind: wasmer.io/App.v0\na0: &a0 [x]\n";
  for (int i = 1; i < 64; ++i) {
    bomb += fmt::format("a{}: &a{} [*a{}, *a{}]\n", i, i, i - 1, i - 1);
  }
  EXPECT_TRUE(parse_app_config(bomb, "f").has_value());
}

TEST(AppName, Table) {
  EXPECT_TRUE(is_app_name("a"));
  EXPECT_TRUE(is_app_name("my-site-2"));
  EXPECT_TRUE(is_app_name(std::string(48, 'a')));
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string("a-"), std::string("a--v1"), std::string("A"),
        std::string("a.b"), std::string("a/b"), std::string(49, 'a')}) {
    EXPECT_FALSE(is_app_name(name)) << name;
  }
}

TEST(AppConfigText, WhatIsNotOneDocument_IsRefused) {
  for (const auto* text : {"", "# nothing\n", ", a: b\n", ",", "]\n", "--- {}\n--- {}\n"}) {
    const auto parsed = parse_app_config(text, "app.yaml");
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_TRUE(parsed.error().message().starts_with("app.yaml:")) << parsed.error().message();
  }
}

}  // namespace
}  // namespace selvedge::app
