// Goal: redirects to HTTPS go to the same page of the same host, and only where HTTPS is known to
// be. Method: requests as a gateway hands them over.

#include "app/internal/https_redirect.h"

#include <gtest/gtest.h>

#include "app/testing/app_world.h"
#include "io/testing/simulation.h"

namespace selvedge::app {
namespace {

using internal::redirect_to_https;
using internal::wants_https;

HttpPeer peer(bool secure, bool told) {
  HttpPeer made;
  made.remote_address = "192.0.2.1";
  made.secure = secure;
  made.scheme_told = told;
  return made;
}

bool wants(std::string_view target, const HttpPeer& from) {
  testing::RecordingExchange exchange("GET", "site.example", target);
  exchange.change_peer(from);
  return wants_https(exchange);
}

std::string location(std::string_view host, std::string_view target) {
  io::testing::Simulation simulation(1);
  auto& node = simulation.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  testing::RecordingExchange exchange("POST", host, target);
  EXPECT_TRUE(node.reactor().run(redirect_to_https(exchange)).has_value());
  EXPECT_TRUE(exchange.finished);
  EXPECT_EQ(exchange.status, 308);
  return std::string(exchange.headers.find("location").value_or("none"));
}

TEST(HttpsRedirect, IsForRequestsThatAProxySaysCameWithoutTls) {
  EXPECT_TRUE(wants("/", peer(false, true)));
  EXPECT_FALSE(wants("/", peer(true, true)));
  EXPECT_FALSE(wants("/", peer(false, false)));
}

TEST(HttpsRedirect, LeavesChallengesOfAcmeAlone) {
  EXPECT_FALSE(wants("/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZ-_", peer(false, true)));
  EXPECT_TRUE(wants("/.well-known/acme-challenge/", peer(false, true)));
  EXPECT_TRUE(wants("/.well-known/acme-challenge/a/b", peer(false, true)));
  EXPECT_TRUE(wants("/.well-known/acme-challenge/a%2Fb", peer(false, true)));
  EXPECT_TRUE(wants("/.well-known/acme-challenge/../admin", peer(false, true)));
}

TEST(HttpsRedirect, LeadsToTheSamePageAtThePortOfHttps) {
  EXPECT_EQ(location("site.example", "/"), "https://site.example/");
  EXPECT_EQ(location("site.example:8080", "/a/../b%20c?d=e&f=%2F"),
            "https://site.example/b%20c?d=e&f=%2F");
  EXPECT_EQ(location("site.example", "//evil.example/?"), "https://site.example//evil.example/?");
  EXPECT_EQ(location("site.example", "http://site.example/x?y"), "https://site.example/x?y");
}

}  // namespace
}  // namespace selvedge::app
