#include "node/admin_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "node/testing/admin_world.h"

// Goal: what clients of the admin API get for each path and each mistake, and that a deploy that
// fails anywhere leaves nothing that is served. Method: a real store and engine in simulated time;
// requests without a network.

namespace selvedge::node {
namespace {

using app::testing::cgi_program;
using app::testing::RecordingExchange;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kConfig = "kind: wasmer.io/App.v0\n";

class AdminApiTest : public testing::AdminWorld {
 protected:
  std::unique_ptr<RecordingExchange> send(const char* method, const std::string& target,
                                          std::string content = "") {
    auto exchange = std::make_unique<RecordingExchange>(method, "node", target, std::move(content));
    const auto handled = host_.reactor().run(api_.handle(*exchange));
    EXPECT_TRUE(handled.has_value()) << handled.error().message();
    EXPECT_TRUE(exchange->finished);
    return exchange;
  }
  json get(const std::string& target) { return json::parse(send("GET", target)->received); }
  // "status kind: sentence" of a request that fails.
  std::string fault(const char* method, const std::string& target, std::string content = "") {
    const auto exchange = send(method, target, std::move(content));
    const auto answer = json::parse(exchange->received, nullptr, false);
    EXPECT_TRUE(answer.is_object()) << exchange->received;
    return std::to_string(exchange->status) + " " + answer.value("kind", "") + ": " +
           answer.value("error", "");
  }
  static std::string request(const app::PackageImage& image, std::string_view config = kConfig,
                             bool activate = true) {
    return json{
        {"package", json::parse(app::to_json(image))}, {"config", config}, {"activate", activate}}
        .dump();
  }
  // The last line of a deploy's answer.
  json deploy(const std::string& app, std::string content) {
    const auto exchange = send("POST", "/v1/apps/" + app + "/versions", std::move(content));
    EXPECT_EQ(exchange->status, 200);
    std::string_view text(exchange->received);
    EXPECT_TRUE(text.ends_with('\n'));
    text.remove_suffix(1);
    return json::parse(text.substr(text.rfind('\n') + 1));
  }
  json deploy(const std::string& app, const char* content = "x") {
    return deploy(app, request(world_.image_of(cgi_program(content))));
  }

  AdminApi api_{options()};
};

TEST_F(AdminApiTest, TheNode_SaysWhereAppsAre) {
  EXPECT_EQ(get("/v1/node"), json({{"domain", "apps.example.com"}, {"port", 80}}));
}

TEST_F(AdminApiTest, WhatIsNotThere_IsNotFound) {
  for (const auto& [method, target] : std::vector<std::pair<const char*, std::string>>{
           {"GET", "/"},
           {"GET", "/v2/node"},
           {"GET", "/v1"},
           {"POST", "/v1/node"},
           {"DELETE", "/v1/apps"},
           {"GET", "/v1/apps/"},
           {"GET", "/v1/apps/site"},
           {"DELETE", "/v1/apps/site"},
           {"GET", "/v1/apps/site/active"},
           {"GET", "/v1/apps/site/active/x"},
           {"GET", "/v1/blobs/missing"},
       }) {
    EXPECT_THAT(fault(method, target), HasSubstr("404 ")) << method << " " << target;
  }
}

TEST_F(AdminApiTest, ANameThatNoAppCanHave_IsInvalid) {
  EXPECT_THAT(fault("GET", "/v1/apps/No_Name"), HasSubstr("400 "));
  EXPECT_THAT(fault("GET", "/v1/apps/a--b"), HasSubstr("400 "));
}

TEST_F(AdminApiTest, Blobs_AreMissingUntilTheyAreSent) {
  const std::string hash = crypto::blake3(base::as_bytes("blob")).hex();
  const std::string question = json{{"hashes", {hash}}}.dump();
  EXPECT_EQ(json::parse(send("POST", "/v1/blobs/missing", question)->received)["missing"],
            json::array({hash}));
  EXPECT_EQ(send("PUT", "/v1/blobs/" + hash, "blob")->status, 204);
  EXPECT_EQ(json::parse(send("POST", "/v1/blobs/missing", question)->received)["missing"],
            json::array());
  EXPECT_EQ(send("PUT", "/v1/blobs/" + hash, "blob")->status, 204);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(AdminApiTest, ABlobOfAnotherHash_IsRefusedAndNotKept) {
  const auto hash = crypto::blake3(base::as_bytes("blob"));
  EXPECT_THAT(fault("PUT", "/v1/blobs/" + hash.hex(), "other"), HasSubstr("400 "));
  EXPECT_FALSE(world_.blobs().has_blob(hash).value());
  EXPECT_FALSE(world_.blobs().has_blob(crypto::blake3(base::as_bytes("other"))).value());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  EXPECT_THAT(fault("PUT", "/v1/blobs/abc", "x"), HasSubstr("400 "));
  EXPECT_THAT(fault("POST", "/v1/blobs/missing", R"({"hashes":["abc"]})"), HasSubstr("400 "));
}

TEST_F(AdminApiTest, AClientThatLeavesWhileItSends_LeavesNothing) {
  RecordingExchange exchange("PUT", "node",
                             "/v1/blobs/" + crypto::blake3(base::as_bytes("x")).hex(), "x");
  exchange.disconnected = true;
  EXPECT_FALSE(host_.reactor().run(api_.handle(exchange)).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(AdminApiTest, ADeploy_IsServedAndListed) {
  const json first = deploy("site", "one");
  EXPECT_EQ(first["version"], 1);
  EXPECT_EQ(first["url"], "http://site.apps.example.com/");
  EXPECT_EQ(first["version_url"], "http://site--v1.apps.example.com/");
  address_.port = 8080;
  EXPECT_EQ(deploy("site", "two")["url"], "http://site.apps.example.com:8080/");
  const json list = get("/v1/apps");
  ASSERT_EQ(list["apps"].size(), 1U);
  EXPECT_EQ(list["apps"][0]["name"], "site");
  EXPECT_EQ(list["apps"][0]["active"][0]["version"], 2);
  const json details = get("/v1/apps/site");
  EXPECT_EQ(details["versions"].size(), 2U);
  EXPECT_EQ(host_.reactor().run(catalog_.find_app("site")).value()->versions[0].version, 2U);
}

TEST_F(AdminApiTest, ADeployWithoutActivation_ChangesNothingThatIsServed) {
  deploy("site", "one");
  EXPECT_EQ(deploy("site", request(world_.image_of(cgi_program("two")), kConfig, false))["version"],
            2);
  EXPECT_EQ(get("/v1/apps/site")["active"][0]["version"], 1);
}

TEST_F(AdminApiTest, ADeployThatCannotRun_LeavesNoVersion) {
  const auto bad =
      world_.image_of("(module (import \"env\" \"x\" (func)) (func (export \"_start\")))");
  EXPECT_THAT(deploy("site", request(bad)).value("error", ""), HasSubstr("module \"m\""));
  auto missing = world_.image_of(cgi_program("x"));
  missing.modules[0].blob.hash = crypto::blake3(base::as_bytes("never sent"));
  EXPECT_EQ(deploy("site", request(missing)).value("kind", ""), to_string(ErrorKind::kNotFound));
  EXPECT_THAT(get("/v1/apps")["apps"], IsEmpty());
}

TEST_F(AdminApiTest, AMalformedDeploy_SaysWhy) {
  const auto image = world_.image_of(cgi_program("x"));
  for (const auto& [content, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "not valid JSON"},
           {"[]", "must be an object"},
           {"{}", "request.package is missing"},
           {R"({"package":1,"config":""})", "must be an object"},
           {request(image, "kind: other"), "app.yaml:1:7"},
           {std::string(100'000, '['), "levels"},
           {R"({"package":)" + std::string(100'000, '['), "levels"},
       }) {
    const json answer = deploy("site", content);
    EXPECT_EQ(answer.value("kind", ""), to_string(ErrorKind::kInvalid));
    EXPECT_THAT(answer.value("error", ""), HasSubstr(expected));
  }
  EXPECT_THAT(fault("POST", "/v1/apps/site/versions", std::string(5U << 20, ' ')),
              HasSubstr("400 "));
}

TEST_F(AdminApiTest, ADomainOfAnotherApp_IsAConflict) {
  const auto image = world_.image_of(cgi_program("x"));
  const std::string config = std::string(kConfig) + "domains: [www.example.org]\n";
  EXPECT_EQ(deploy("site", request(image, config)).value("version", 0), 1);
  EXPECT_EQ(deploy("other", request(image, config)).value("kind", ""),
            to_string(ErrorKind::kConflict));
  EXPECT_EQ(get("/v1/apps")["apps"].size(), 1U);
}

TEST_F(AdminApiTest, AClientThatLeavesBeforeTheDeploy_DeploysNothing) {
  RecordingExchange exchange("POST", "node", "/v1/apps/site/versions",
                             request(world_.image_of(cgi_program("x"))));
  exchange.disconnected = true;
  EXPECT_FALSE(host_.reactor().run(api_.handle(exchange)).has_value());
  EXPECT_THAT(get("/v1/apps")["apps"], IsEmpty());
}

TEST_F(AdminApiTest, Activation_ChoosesVersions) {
  deploy("site", "one");
  deploy("site", "two");
  const auto put = [this](const char* content) {
    return send("PUT", "/v1/apps/site/active", content)->status;
  };
  EXPECT_EQ(put(R"({"versions":[{"version":1,"weight":3},{"version":2}]})"), 200);
  EXPECT_EQ(get("/v1/apps/site")["active"].size(), 2U);
  EXPECT_EQ(put(R"({"versions":[{"version":1}],"seen":[{"version":2}]})"), 409);
  EXPECT_EQ(put(R"({"versions":[{"version":1}],"seen":[{"version":1,"weight":3},{"version":2}]})"),
            200);
  EXPECT_EQ(put(R"({"versions":[{"version":3}]})"), 404);
  EXPECT_EQ(put(R"({"versions":[]})"), 400);
  EXPECT_EQ(put(R"([])"), 400);
  EXPECT_EQ(put(R"({"versions":[{"version":1}],"seen":7})"), 400);
  EXPECT_EQ(put(R"({"versions":[{"version":2}],"seen":null})"), 200) << "null is as good as absent";
  EXPECT_EQ(get("/v1/apps/site")["active"][0]["version"], 2);
}

TEST_F(AdminApiTest, ARemovedApp_IsGone) {
  deploy("site");
  EXPECT_EQ(send("DELETE", "/v1/apps/site")->status, 204);
  EXPECT_THAT(get("/v1/apps")["apps"], IsEmpty());
  EXPECT_EQ(host_.reactor().run(catalog_.find_app("site")).value(), std::nullopt);
  EXPECT_THAT(fault("DELETE", "/v1/apps/site"), HasSubstr("404 "));
}

}  // namespace
}  // namespace selvedge::node
