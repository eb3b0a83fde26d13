#include "app/app_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(VersionRecord, ComesBackFromItsText) {
  const VersionRecord record{
      .number = 7, .package = {}, .config = "kind: x\n\"quoted\"", .created = 1'795'000'000};
  const auto parsed = parse_version_record(to_json(record));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(*parsed, record);
  EXPECT_FALSE(parse_version_record("{}").has_value());
  EXPECT_FALSE(parse_version_record(to_json(VersionRecord())).has_value());
}

TEST(ActiveRecord, ComesBackFromItsText) {
  const ActiveRecord record{{{.version = 2, .weight = 90}, {.version = 3, .weight = 10}}};
  const auto parsed = parse_active_record(to_json(record));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(*parsed, record);
}

TEST(ActiveRecord, RefusesChoicesThatAreNone) {
  const auto valid = [](std::vector<VersionWeight> versions) {
    return validate({.versions = std::move(versions)}).has_value();
  };
  EXPECT_TRUE(valid({{1, 1}}));
  EXPECT_FALSE(valid({}));
  EXPECT_FALSE(valid({{0, 1}}));
  EXPECT_FALSE(valid({{1, 0}}));
  EXPECT_FALSE(valid({{1, kWeightMax + 1}}));
  EXPECT_FALSE(valid({{1, 1}, {1, 2}}));
  EXPECT_FALSE(valid(std::vector<VersionWeight>(kActiveVersionsMax + 1)));
  EXPECT_FALSE(parse_active_record(R"({"versions":[]})").has_value());
  EXPECT_FALSE(parse_active_record(R"({"versions":[{"version":-1}]})").has_value());
}

TEST(ChooseVersion, FollowsTheWeights) {
  base::SeededRandom random(5);
  const ActiveRecord record{{{.version = 2, .weight = 9}, {.version = 3, .weight = 1}}};
  std::map<VersionNumber, int> chosen;
  for (int i = 0; i < 10'000; ++i) {
    ++chosen[choose_version(record, random)];
  }
  EXPECT_EQ(chosen.size(), 2U);
  EXPECT_NEAR(chosen[3], 1000, 150);
  EXPECT_EQ(choose_version({{{.version = 4, .weight = 3}}}, random), 4U);
}

TEST(ChangeRecord, TellsWhatChangedAfterANumber) {
  ChangeRecord record;
  EXPECT_THAT(record.since(0).value(), IsEmpty());
  record.add("a");
  record.add("b");
  record.add("a");
  const auto parsed = parse_change_record(to_json(record));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->since(0).value(), ElementsAre("a", "b", "a"));
  EXPECT_THAT(parsed->since(2).value(), ElementsAre("a"));
  EXPECT_THAT(parsed->since(3).value(), IsEmpty());
  EXPECT_EQ(parsed->since(4), std::nullopt);
  for (std::size_t i = 0; i < kChangesMax; ++i) {
    record.add("c");
  }
  EXPECT_EQ(record.apps.size(), kChangesMax);
  EXPECT_EQ(record.since(2), std::nullopt);
  EXPECT_TRUE(record.since(3).has_value());
  EXPECT_FALSE(parse_change_record(R"({"sequence":0,"apps":["a"]})").has_value());
  EXPECT_FALSE(parse_change_record(R"({"sequence":1,"apps":["../a"]})").has_value());
}

TEST(AppHost, Table) {
  const auto app_of = [](std::string_view host) {
    const auto parsed = parse_app_host(host, "example.com");
    return !parsed.has_value()           ? "none"
           : parsed->version.has_value() ? parsed->app + " " + std::to_string(*parsed->version)
                                         : parsed->app;
  };
  EXPECT_EQ(app_of("site.example.com"), "site");
  EXPECT_EQ(app_of("SITE.Example.COM."), "site");
  EXPECT_EQ(app_of("my-site--v12.example.com"), "my-site 12");
  for (const char* host :
       {"example.com", ".example.com", "a.b.example.com", "siteexample.com", "site.example.org",
        "site--v0.example.com", "site--v.example.com", "site--12.example.com",
        "site--v01.example.com", "site--v1--v2.example.com", "--v1.example.com",
        "site--v9999999999.example.com", "site_.example.com", "", "site.example.com..", "127.0.0.1",
        "[::1]"}) {
    EXPECT_EQ(app_of(host), "none") << host;
  }
  EXPECT_EQ(app_host("site", 3, "localhost"), "site--v3.localhost");
  EXPECT_EQ(parse_app_host(app_host("site", 3, "localhost"), "localhost")->version, 3U);
  EXPECT_EQ(app_host("site", std::nullopt, "localhost"), "site.localhost");
}

TEST(DomainRecord, ComesBackFromItsText) {
  EXPECT_EQ(parse_domain_record(to_json(DomainRecord{.app = "site"}))->app, "site");
  EXPECT_FALSE(parse_domain_record(R"({"app":"../x"})").has_value());
}

}  // namespace
}  // namespace selvedge::app
