// Goal: at the door of a network nothing passes without a good token of the right scope, at a
// bounded rate, and what passed or was refused is in the audit log without any secret. Method: the
// whole API over a real store in simulated time; requests without a network.

#include "node/admin_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/testing/app_world.h"
#include "node/app_owners.h"
#include "node/testing/admin_world.h"

namespace selvedge::node {
namespace {

using namespace std::chrono_literals;
using app::testing::RecordingExchange;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using Door = AdminGate::Door;

class AdminGateTest : public testing::AdminWorld {
 protected:
  struct Request {
    const char* method = "GET";
    std::string target = "/v1/apps";
    std::string token = {};
    std::string content = {};
    std::string address = "192.0.2.1";
    Door door = Door::kNetwork;
  };
  std::unique_ptr<RecordingExchange> send(const Request& request) {
    auto exchange = std::make_unique<RecordingExchange>(request.method, "node", request.target,
                                                        request.content);
    if (!request.token.empty()) {
      exchange->add_header("authorization", "Bearer " + request.token);
    }
    app::HttpPeer peer;
    peer.remote_address = request.address;
    exchange->change_peer(std::move(peer));
    AdminGate gate(request.door, api_, access_);
    EXPECT_TRUE(host_.reactor().run(gate.handle(*exchange)).has_value());
    EXPECT_TRUE(exchange->finished);
    return exchange;
  }
  int status(const Request& request) { return send(request)->status; }
  std::string answer(const Request& request) { return send(request)->received; }
  TokenStore::Created create(TokenStore::Wanted wanted) {
    return tokens_.create(std::move(wanted)).value();
  }
  std::vector<json> audit() {
    const auto lines = host_.reactor().run(access_.recorded(1000)).value();
    std::vector<json> made;
    for (const std::string& line : lines) {
      made.push_back(json::parse(line));
    }
    return made;
  }

  base::SeededRandom random_{7};
  TokenStore tokens_{world_.blobs(), random_, simulation_.clock()};
  AdminAccess access_{{.reactor = host_.reactor(),
                       .tokens = tokens_,
                       .store_helpers = helpers_,
                       .audit_helpers = helpers_,
                       .audit = {.file = world_.store_folder() / "audit.log"}}};
  AdminApi api_{[this] {
    AdminApi::Options made = options();
    made.access = &access_;
    return made;
  }()};
};

TEST_F(AdminGateTest, WithoutAToken_NothingPasses) {
  const auto refused = send({});
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->headers.find("www-authenticate"), "Bearer realm=\"selvedge\"");
  EXPECT_THAT(refused->received, HasSubstr("this needs a token"));
  EXPECT_EQ(status({.target = "/v1/nothing"}), 401);
  EXPECT_EQ(status({.method = "DELETE", .target = "/v1/apps/a"}), 401);
  // Through the unix socket it does.
  EXPECT_EQ(status({.door = Door::kLocal}), 200);
}

TEST_F(AdminGateTest, EachWayOfABadToken_IsOneSentence) {
  const auto revoked = create({});
  ASSERT_TRUE(tokens_.revoke(revoked.record.id).has_value());
  const auto expired = create({.lifetime = 10s});
  simulation_.step_wall_clock(11s);
  base::SeededRandom other(99);
  const std::string unknown = make_token(other);
  for (const auto& [token, sentence] : std::vector<std::pair<std::string, std::string>>{
           {"secret", "this is not a token"},
           {revoked.token.substr(0, 40), "mistyped, or a part of it is missing"},
           {unknown, "not known here"},
           {revoked.token, "was revoked"},
           {expired.token, "has expired"}}) {
    const auto refused = send({.token = token});
    EXPECT_EQ(refused->status, 401);
    EXPECT_THAT(refused->received, HasSubstr(sentence));
    EXPECT_THAT(refused->received, Not(HasSubstr(token)));
  }
}

TEST_F(AdminGateTest, AScopeThatIsTooSmall_Is403) {
  const auto read = create({.scope = TokenScope::kRead});
  EXPECT_EQ(status({.token = read.token}), 200);
  const auto refused = send({.method = "DELETE", .target = "/v1/apps/a", .token = read.token});
  EXPECT_EQ(refused->status, 403);
  EXPECT_THAT(refused->received, HasSubstr("takes one of scope admin"));
  EXPECT_EQ(status({.target = "/v1/nothing", .token = read.token}), 403);
  const auto admin = create({.scope = TokenScope::kAdmin});
  EXPECT_EQ(status({.target = "/v1/nothing", .token = admin.token}), 404);
}

TEST_F(AdminGateTest, AListOfApps_HasOnlyThoseOfTheToken) {
  world_.deploy("site", app::testing::cgi_program("x"));
  world_.deploy("shop", app::testing::cgi_program("x"));
  const auto one = create({.apps = {"shop"}});
  const auto apps = json::parse(answer({.token = one.token}))["apps"];
  ASSERT_EQ(apps.size(), 1U);
  EXPECT_EQ(apps[0]["name"], "shop");
  EXPECT_EQ(json::parse(answer({.token = create({}).token}))["apps"].size(), 2U);
  EXPECT_EQ(status({.target = "/v1/apps/site", .token = one.token}), 403);
}

TEST_F(AdminGateTest, ATokenOfAnOwner_IsForAppsThatTheOwnerMade) {
  world_.deploy("old", app::testing::cgi_program("x"));
  const auto acme = create({.scope = TokenScope::kDeploy, .apps = {"extra"}, .owner = "acme"});
  const auto other = create({.scope = TokenScope::kDeploy, .owner = "other"});
  const auto deploy = [this](const std::string& app, const std::string& token) {
    return status({.method = "POST",
                   .target = "/v1/apps/" + app + "/versions",
                   .token = token,
                   .content = "{}"});
  };
  EXPECT_EQ(deploy("old", acme.token), 403);
  EXPECT_EQ(deploy("new", acme.token), 200);  // what is wrong with it, the answer says
  // A deploy that has failed takes no name.
  EXPECT_EQ(deploy("new", other.token), 200);
  EXPECT_EQ(status({.method = "GET", .target = "/v1/apps/new/secrets", .token = acme.token}), 403);
  EXPECT_EQ(deploy("extra", acme.token), 200);
  EXPECT_EQ(deploy("Bad_Name", acme.token), 403);
  AppOwners owners(world_.apps());
  ASSERT_TRUE(owners.claim("new", "acme").has_value());
  world_.deploy("new", app::testing::cgi_program("x"));
  ASSERT_TRUE(owners.confirm("new", "acme").has_value());
  EXPECT_EQ(deploy("new", acme.token), 200);
  EXPECT_EQ(deploy("new", other.token), 403);
  EXPECT_EQ(status({.target = "/v1/apps/new", .token = acme.token}), 200);
  EXPECT_EQ(status({.target = "/v1/apps/new", .token = other.token}), 403);
  EXPECT_EQ(status({.target = "/v1/apps/old", .token = acme.token}), 403);
  EXPECT_EQ(json::parse(answer({.token = acme.token}))["apps"].size(), 1U);
  EXPECT_EQ(json::parse(answer({.token = other.token}))["apps"].size(), 0U);
  // Once it is gone, the name is free.
  EXPECT_EQ(status({.method = "DELETE", .target = "/v1/apps/new", .door = Door::kLocal}), 204);
  EXPECT_EQ(deploy("new", other.token), 200);
}

TEST_F(AdminGateTest, ARevokedToken_EndsWithinASecond) {
  const auto made = create({});
  EXPECT_EQ(status({.token = made.token}), 200);
  // Another node of the store does it.
  ASSERT_TRUE(tokens_.revoke(made.record.id).has_value());
  simulation_.run_for(900ms);
  EXPECT_EQ(status({.token = made.token}), 401);
}

TEST_F(AdminGateTest, ARevokedTokenOfThisNode_EndsAtOnce) {
  const auto admin = create({.scope = TokenScope::kAdmin});
  const auto made = create({});
  EXPECT_EQ(status({.token = made.token}), 200);
  EXPECT_EQ(
      status({.method = "DELETE", .target = "/v1/tokens/" + made.record.id, .token = admin.token}),
      204);
  EXPECT_EQ(status({.token = made.token}), 401);
}

TEST_F(AdminGateTest, Failures_AreLimitedPerAddress_ButNotForWhoIsKnown) {
  const auto known = create({});
  EXPECT_EQ(status({.token = known.token}), 200);
  int refused = 0;
  while (status({.token = "slv_x"}) == 401) {
    ++refused;
  }
  EXPECT_EQ(refused, 10);
  const auto limited = send({.token = "slv_x"});
  EXPECT_EQ(limited->status, 429);
  EXPECT_EQ(limited->headers.find("retry-after"), "5");
  // Nobody is asked about the token any more.
  EXPECT_EQ(status({.token = create({}).token}), 429);
  EXPECT_EQ(status({.token = known.token}), 200);
  EXPECT_EQ(status({.address = "192.0.2.2"}), 401);
  simulation_.run_for(6s);
  EXPECT_EQ(status({}), 401);
}

TEST_F(AdminGateTest, ATokensRate_IsLimited) {
  const auto made = create({});
  int passed = 0;
  while (status({.token = made.token}) == 200) {
    ++passed;
  }
  EXPECT_GE(passed, 500);
  EXPECT_LT(passed, 800);
  EXPECT_EQ(status({.token = create({}).token, .address = "192.0.2.7"}), 200);
}

TEST_F(AdminGateTest, DeploysAtOnce_AreBounded) {
  access_.deploys = access_.deploys_max;
  const auto later = send({.method = "POST",
                           .target = "/v1/apps/site/versions",
                           .content = "{}",
                           .door = Door::kLocal});
  EXPECT_EQ(later->status, 429);
  EXPECT_THAT(later->received, HasSubstr("deploys are at work"));
  access_.deploys = 0;
  EXPECT_EQ(status({.method = "POST",
                    .target = "/v1/apps/site/versions",
                    .content = "{}",
                    .door = Door::kLocal}),
            200);
  EXPECT_EQ(access_.deploys, 0U);
}

TEST_F(AdminGateTest, TheAuditLog_HasWhoWhatAndResult_AndNoSecret) {
  const auto deploy = create({.name = "ci", .scope = TokenScope::kDeploy});
  send({.method = "PUT",
        .target = "/v1/apps/site/secrets",
        .token = deploy.token,
        .content = R"({"set":[["KEY","swordfish"]]})"});
  send({.token = deploy.token});  // looking is not kept
  send({.method = "DELETE", .target = "/v1/apps/site", .token = deploy.token});
  send({.method = "POST",
        .target = "/v1/tokens",
        .content = R"({"scope":"read"})",
        .door = Door::kLocal});
  send({.target = "/v1/node?x=swordfish", .token = "slv_wrong"});
  const auto entries = audit();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0]["token"], deploy.record.id);
  EXPECT_EQ(entries[0]["token_name"], "ci");
  EXPECT_EQ(entries[0]["from"], "192.0.2.1");
  EXPECT_EQ(entries[0]["app"], "site");
  EXPECT_EQ(entries[1]["status"], 403);
  EXPECT_EQ(entries[1]["result"], "failed");
  EXPECT_EQ(entries[2]["path"], "/v1/tokens");
  EXPECT_EQ(entries[2]["result"], "done");
  EXPECT_EQ(entries[3]["status"], 401);
  for (const json& entry : entries) {
    EXPECT_THAT(entry.dump(), Not(HasSubstr("slv_")));
    EXPECT_THAT(entry.dump(), Not(HasSubstr("swordfish")));
  }
  const auto shown = json::parse(answer({.target = "/v1/audit?limit=2", .door = Door::kLocal}));
  EXPECT_EQ(shown["entries"].size(), 2U);
  EXPECT_EQ(status({.target = "/v1/audit?limit=0", .door = Door::kLocal}), 400);
}

TEST(AdminGatePeer, OneNameForWhatOnePeerHas) {
  EXPECT_EQ(peer_name("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(peer_name("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(peer_name("2001:db8:1:2:3:4:5:6"), peer_name("2001:db8:1:2::1"));
  EXPECT_NE(peer_name("2001:db8:1:2::1"), peer_name("2001:db8:1:3::1"));
}

}  // namespace
}  // namespace selvedge::node
