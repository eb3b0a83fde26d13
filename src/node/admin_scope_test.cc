// Goal: no operation of the admin API is open to a token by omission. Method: the documented ones
// are read from docs/admin-api.yaml, and the table is compared with them in both directions.

#include "node/admin_scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

namespace selvedge::node {
namespace {

using Kind = wire::Method::Kind;
using ::testing::HasSubstr;

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// "GET /v1/node"
std::set<std::string> documented_operations() {
  std::ifstream file(SELVEDGE_SOURCE_FOLDER "/docs/admin-api.yaml");
  std::set<std::string> made;
  std::string path;
  for (std::string line; std::getline(file, line) && line != "components:";) {
    if (line.starts_with("  /")) {
      path = line.substr(2, line.size() - 3);
    } else if (line.starts_with("    ") && line[4] != ' ' && path.starts_with("/v1/")) {
      made.insert(upper(line.substr(4, line.size() - 5)) + " " + path);
    }
  }
  return made;
}

std::string_view text_of(Kind kind) {
  switch (kind) {
    case Kind::kGet:
      return "GET";
    case Kind::kPost:
      return "POST";
    case Kind::kPut:
      return "PUT";
    case Kind::kDelete:
      return "DELETE";
    default:
      return "?";
  }
}

AdminCaller with(TokenScope scope, std::vector<std::string> apps = {}, std::string owner = "") {
  AdminCaller caller;
  caller.token = TokenRecord{.id = "0123456789abcdef",
                             .hash = {},
                             .name = "",
                             .scope = scope,
                             .apps = std::move(apps),
                             .owner = std::move(owner)};
  return caller;
}

std::string refusal(const AdminCaller& caller, Kind method, std::string_view path) {
  const auto allowed = authorize(caller, match_route(method, path));
  return allowed.has_value() ? "" : allowed.error().message();
}

TEST(AdminScope, EveryDocumentedOperation_IsInTheTable) {
  std::set<std::string> listed;
  for (const AdminRoute& route : admin_routes()) {
    listed.insert(std::string(text_of(route.method)) + " " + std::string(route.path));
  }
  EXPECT_GT(listed.size(), 10U);
  EXPECT_EQ(listed, documented_operations());
}

TEST(AdminScope, WhatIsNotInTheTable_IsForAdmins) {
  EXPECT_THAT(refusal(with(TokenScope::kDeploy), Kind::kGet, "/v1/nothing"), HasSubstr("admin"));
  EXPECT_THAT(refusal(with(TokenScope::kDeploy), Kind::kPatch, "/v1/apps"), HasSubstr("admin"));
  EXPECT_EQ(refusal(with(TokenScope::kAdmin), Kind::kGet, "/v1/nothing"), "");
}

TEST(AdminScope, EachScope_AllowsWhatItSays) {
  struct Case {
    Kind method;
    const char* path;
    bool read;
    bool deploy;
  };
  for (const Case& each : std::initializer_list<Case>{
           {Kind::kGet, "/v1/apps", true, true},
           {Kind::kGet, "/v1/apps/site", true, true},
           {Kind::kPost, "/v1/apps/site/versions", false, true},
           {Kind::kPut, "/v1/apps/site/active", false, true},
           {Kind::kGet, "/v1/apps/site/secrets", false, true},
           {Kind::kDelete, "/v1/apps/site/secrets/A", false, true},
           {Kind::kDelete, "/v1/apps/site", false, false},
           {Kind::kPost, "/v1/tokens", false, false},
           {Kind::kGet, "/v1/audit", false, false},
       }) {
    EXPECT_EQ(refusal(with(TokenScope::kRead), each.method, each.path).empty(), each.read);
    EXPECT_EQ(refusal(with(TokenScope::kDeploy), each.method, each.path).empty(), each.deploy);
    EXPECT_EQ(refusal(with(TokenScope::kAdmin), each.method, each.path), "");
    EXPECT_EQ(refusal({.local = true}, each.method, each.path), "");
    EXPECT_THAT(refusal({}, each.method, each.path), HasSubstr("needs a token"));
  }
}

TEST(AdminScope, ATokenOfAnOwner_ReadsThePackagesOfAllAndChangesItsOwn) {
  const auto caller = with(TokenScope::kDeploy, {}, "acme");
  EXPECT_EQ(refusal(caller, Kind::kGet, "/v1/packages/other/tool"), "");
  EXPECT_TRUE(authorize_owner(caller, "acme").has_value());
  EXPECT_THAT(authorize_owner(caller, "other").error().message(),
              HasSubstr("for packages of acme only"));
  EXPECT_THAT(authorize_owner(with(TokenScope::kDeploy, {"site"}), "acme").error().message(),
              HasSubstr("for apps only: site"));
}

TEST(AdminScope, ATokenForSomeApps_IsForNoOthers) {
  const auto caller = with(TokenScope::kDeploy, {"site", "shop"});
  EXPECT_EQ(refusal(caller, Kind::kPost, "/v1/apps/shop/versions"), "");
  EXPECT_THAT(refusal(caller, Kind::kPost, "/v1/apps/other/versions"),
              HasSubstr("for other apps only: site, shop"));
  // A name that is written otherwise is another name.
  EXPECT_NE(refusal(caller, Kind::kPost, "/v1/apps/si%74e/versions"), "");
  EXPECT_NE(refusal(caller, Kind::kPost, "//v1/apps/other/versions"), "");
  EXPECT_NE(refusal(caller, Kind::kPost, "/v1/apps//versions"), "");
  // Nor does it tell of others.
  EXPECT_THAT(refusal(caller, Kind::kGet, "/v1/metrics"), HasSubstr("this tells of all"));
  EXPECT_EQ(refusal(with(TokenScope::kRead), Kind::kGet, "/v1/metrics"), "");
  EXPECT_TRUE(caller.may_use("site"));
  EXPECT_FALSE(caller.may_use("other"));
  EXPECT_FALSE(with(TokenScope::kDeploy, {}, "acme").may_use("site"));
}

}  // namespace
}  // namespace selvedge::node
