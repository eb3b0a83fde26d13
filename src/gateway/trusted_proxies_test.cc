// Goal: who is believed about a request's client and scheme, and that nobody else can say it.
// Method: request heads with the fields as proxies and attackers send them.

#include "gateway/trusted_proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "gateway/internal/forwarded_hops.h"

namespace selvedge::gateway {
namespace {

using ::testing::HasSubstr;
using Fields = TrustedProxies::Fields;
using Texts = std::vector<std::pair<std::string, std::string>>;

TrustedProxies trusted(std::vector<std::string> entries, Fields fields = Fields::kXForwarded) {
  auto parsed = TrustedProxies::parse(entries, fields);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message());
  return parsed ? *std::move(parsed) : TrustedProxies();
}

std::string error_of(std::string entry) {
  const std::vector<std::string> entries{std::move(entry)};
  const auto parsed = TrustedProxies::parse(entries);
  return parsed ? "no error" : parsed.error().message();
}

bool has(const TrustedProxies& proxies, std::string_view address) {
  return proxies.contains(*io::IpAddress::parse(address));
}

app::HttpPeer peer_at(std::string address) {
  return {.remote_address = std::move(address),
          .remote_port = 50'000,
          .local_address = "192.0.2.80",
          .local_port = 8080};
}

app::HttpPeer told(const TrustedProxies& proxies, std::string sender, const Texts& fields,
                   std::string_view host = "shop.example.com") {
  wire::HeaderList headers;
  headers.add("host", *wire::HeaderValue::parse(host));
  for (const auto& [name, value] : fields) {
    headers.add(*wire::HeaderName::parse(name), *wire::HeaderValue::parse(value));
  }
  const auto request = wire::RequestHead::create(wire::Method(), "/", std::move(headers));
  return proxies.peer_of(*request, peer_at(std::move(sender)));
}

TEST(TrustedProxies_Parse, AddressesAndNetworks) {
  const auto proxies =
      trusted({"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "172.16.0.0/12", "fe80::/10"});
  for (const auto* inside : {"10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "::1",
                             "172.31.255.255", "::ffff:10.1.2.3", "febf::1"}) {
    EXPECT_TRUE(has(proxies, inside)) << inside;
  }
  for (const auto* outside : {"9.255.255.255", "11.0.0.0", "192.0.2.8", "2001:db9::", "::2",
                              "172.32.0.0", "::ffff:11.1.2.3", "::10.1.2.3", "fec0::1"}) {
    EXPECT_FALSE(has(proxies, outside)) << outside;
  }
}

TEST(TrustedProxies_Parse, EveryoneOfAFamily) {
  EXPECT_TRUE(has(trusted({"0.0.0.0/0"}), "203.0.113.9"));
  EXPECT_FALSE(has(trusted({"0.0.0.0/0"}), "2001:db8::1"));
  EXPECT_FALSE(has(trusted({"::/0"}), "203.0.113.9"));
}

TEST(TrustedProxies_Parse, MappedNetworks_AreIpV4) {
  const auto proxies = trusted({"::ffff:10.0.0.0/104"});
  EXPECT_TRUE(has(proxies, "10.9.9.9"));
  EXPECT_FALSE(has(proxies, "11.9.9.9"));
}

TEST(TrustedProxies_Parse, BadEntries_AreOneSentence) {
  for (const auto* text : {"", "/", "/8", "10.0.0", "10.0.0.0.0", "10.0.0.256", "[::1]", "::1%2",
                           "proxy.example.com", "10.0.0.1:80", "010.0.0.1", " 10.0.0.1", "*"}) {
    EXPECT_THAT(error_of(text), HasSubstr("is not an address or a network")) << text;
  }
  for (const auto* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
                           "10.0.0.0/256", "10.0.0.0/8/8", "10.0.0.0/99999999999999999999"}) {
    EXPECT_THAT(error_of(text), HasSubstr("must have a number from 0 to 32")) << text;
  }
  EXPECT_THAT(error_of("::/129"), HasSubstr("from 0 to 128"));
  EXPECT_EQ(error_of("10.1.2.3/8"), "\"10.1.2.3/8\" has bits behind its prefix: write 10.0.0.0/8");
  EXPECT_EQ(error_of("2001:db8::1/33"),
            "\"2001:db8::1/33\" has bits behind its prefix: write 2001:db8::/33");
  const std::vector<std::string> many(TrustedProxies::kEntriesMax + 1, "::1");
  EXPECT_FALSE(TrustedProxies::parse(many).has_value());
}

TEST(TrustedProxies_Peer, OfAnybodyElse_NothingIsBelieved) {
  const app::HttpPeer peer = told(trusted({"10.0.0.0/8"}), "203.0.113.9",
                                  {{"X-Forwarded-For", "6.6.6.6"},
                                   {"X-Forwarded-Proto", "https"},
                                   {"Forwarded", "for=6.6.6.6;proto=https"}});
  EXPECT_EQ(peer.remote_address, "203.0.113.9");
  EXPECT_EQ(peer.remote_port, 50'000);
  EXPECT_FALSE(peer.secure);
  EXPECT_FALSE(peer.scheme_told);
  EXPECT_EQ(peer.local_port, 8080);
}

TEST(TrustedProxies_Peer, OneProxy_TellsClientAndScheme) {
  const auto proxies = trusted({"10.0.0.0/8"});
  app::HttpPeer peer = told(proxies, "10.0.0.1",
                            {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Proto", "HTTPS"}});
  EXPECT_EQ(peer.remote_address, "203.0.113.9");
  EXPECT_EQ(peer.remote_port, 0);
  EXPECT_TRUE(peer.secure);
  EXPECT_TRUE(peer.scheme_told);
  EXPECT_EQ(peer.local_port, 443);
  peer = told(proxies, "::ffff:10.0.0.1",
              {{"x-forwarded-for", "2001:DB8::9"}, {"x-forwarded-proto", "http"}},
              "shop.example.com:8000");
  EXPECT_EQ(peer.remote_address, "2001:db8::9");
  EXPECT_FALSE(peer.secure);
  EXPECT_TRUE(peer.scheme_told);
  EXPECT_EQ(peer.local_port, 8000);
}

TEST(TrustedProxies_Peer, WhatTheClientWroteBefore_IsNotBelieved) {
  const auto proxies = trusted({"10.0.0.0/8"});
  for (const auto* list :
       {"6.6.6.6, 203.0.113.9", "10.0.0.9, 203.0.113.9", ",,,203.0.113.9", "\", 203.0.113.9"}) {
    EXPECT_EQ(told(proxies, "10.0.0.1", {{"X-Forwarded-For", list}}).remote_address, "203.0.113.9")
        << list;
  }
  // A proxy that adds a field of its own, behind the client's.
  const app::HttpPeer peer = told(proxies, "10.0.0.1",
                                  {{"X-Forwarded-For", "6.6.6.6"},
                                   {"X-Forwarded-Proto", "https"},
                                   {"X-Forwarded-For", "203.0.113.9"},
                                   {"X-Forwarded-Proto", "http"}});
  EXPECT_EQ(peer.remote_address, "203.0.113.9");
  EXPECT_TRUE(peer.scheme_told);
  EXPECT_FALSE(peer.secure);
}

TEST(TrustedProxies_Peer, ChainOfProxies_EndsAtTheFirstThatIsNone) {
  const auto proxies = trusted({"10.0.0.0/8", "198.51.100.0/24"});
  const auto at = [&](std::string list, std::string schemes) {
    const app::HttpPeer peer =
        told(proxies, "10.0.0.1",
             {{"X-Forwarded-For", std::move(list)}, {"X-Forwarded-Proto", std::move(schemes)}});
    return peer.remote_address + (!peer.scheme_told ? "" : peer.secure ? " https" : " http");
  };
  EXPECT_EQ(at("203.0.113.9, 198.51.100.7", "https, http"), "203.0.113.9 https");
  EXPECT_EQ(at("6.6.6.6, 203.0.113.9, 198.51.100.7", "http, https, http"), "203.0.113.9 https");
  EXPECT_EQ(at("203.0.113.9, 198.51.100.7", "https"), "203.0.113.9 https");
  EXPECT_EQ(at("203.0.113.9, 192.0.2.1", "https, http"), "192.0.2.1 http");
  // Only proxies: the one that is farthest away.
  EXPECT_EQ(at("10.0.0.3, 10.0.0.2", "http"), "10.0.0.3 http");
  // Behind what cannot be read, anybody could have written.
  EXPECT_EQ(at("203.0.113.9, unknown, 198.51.100.7", "https"), "198.51.100.7 https");
  EXPECT_EQ(at("203.0.113.9, unknown", "https"), "10.0.0.1 https");
  EXPECT_EQ(at("203.0.113.9", "ftp"), "203.0.113.9");
  EXPECT_EQ(at("203.0.113.9", "https, gopher"), "203.0.113.9");
}

TEST(TrustedProxies_Peer, WithoutFields_IsTheProxyAndNoScheme) {
  const app::HttpPeer peer = told(trusted({"10.0.0.1"}), "10.0.0.1", {});
  EXPECT_EQ(peer.remote_address, "10.0.0.1");
  EXPECT_FALSE(peer.scheme_told);
  EXPECT_EQ(peer.local_port, 8080);
}

TEST(TrustedProxies_Peer, VeryLongChains_AreReadToABound) {
  std::string list = "203.0.113.9";
  for (std::size_t i = 0; i < 10 * TrustedProxies::kHopsMax; ++i) {
    list += ", 10.0.0.2";
  }
  EXPECT_EQ(told(trusted({"10.0.0.0/8"}), "10.0.0.1", {{"X-Forwarded-For", list}}).remote_address,
            "10.0.0.2");
}

TEST(TrustedProxies_Peer, OneFamilyOfFieldsIsBelieved) {
  const Texts both{{"X-Forwarded-For", "203.0.113.9"},
                   {"X-Forwarded-Proto", "http"},
                   {"Forwarded", "for=198.51.100.7;proto=https"}};
  app::HttpPeer peer = told(trusted({"10.0.0.1"}), "10.0.0.1", both);
  EXPECT_EQ(peer.remote_address, "203.0.113.9");
  EXPECT_FALSE(peer.secure);
  peer = told(trusted({"10.0.0.1"}, Fields::kForwarded), "10.0.0.1", both);
  EXPECT_EQ(peer.remote_address, "198.51.100.7");
  EXPECT_TRUE(peer.secure);
  EXPECT_FALSE(
      told(trusted({"10.0.0.1"}, Fields::kForwarded), "10.0.0.1", {both[0], both[1]}).scheme_told);
}

TEST(TrustedProxies_Forwarded, IsReadAsRfc7239Section4Says) {
  const auto proxies = trusted({"10.0.0.0/8", "2001:db8::/32"}, Fields::kForwarded);
  const auto at = [&](std::string value) {
    const app::HttpPeer peer = told(proxies, "10.0.0.1", {{"Forwarded", std::move(value)}});
    return peer.remote_address + ":" + std::to_string(peer.remote_port) +
           (!peer.scheme_told ? ""
            : peer.secure     ? " https"
                              : " http");
  };
  EXPECT_EQ(at("For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17:4711");
  EXPECT_EQ(at("for=192.0.2.60;proto=http;by=203.0.113.43"), "192.0.2.60:0 http");
  EXPECT_EQ(at("for=192.0.2.43, for=10.0.0.17 ; PROTO=https"), "192.0.2.43:0");
  EXPECT_EQ(at("for=192.0.2.43;proto=https, for=10.0.0.17;proto=http"), "192.0.2.43:0 https");
  EXPECT_EQ(at("for=6.6.6.6, for=\"192.0.2.43:47011\";host=\"a,b;c\\\"\""), "192.0.2.43:47011");
  EXPECT_EQ(at("for=192.0.2.43:_hidden"), "192.0.2.43:0");
  EXPECT_EQ(at(";for=192.0.2.43;"), "192.0.2.43:0");
  EXPECT_EQ(at("for=_gazonk;proto=https"), "10.0.0.1:50000 https");
  EXPECT_EQ(at("for=unknown"), "10.0.0.1:50000");
}

TEST(TrustedProxies_Forwarded, QuotesThatAClientLeavesOpen_HideNothing) {
  const auto proxies = trusted({"10.0.0.0/8"}, Fields::kForwarded);
  for (const auto* value :
       {"for=\"6.6.6.6, for=203.0.113.9", "x=\", for=\"[2001:db8::9]\"", "for=6.6.6.6;x=\"\\",
        "for, for=203.0.113.9", "for==6.6.6.6", "for=6.6.6.6 for=203.0.113.9",
        "for=6.6.6.6;for=203.0.113.9", "=6.6.6.6", "for=\"6.6.6.6\"x"}) {
    const app::HttpPeer peer = told(proxies, "10.0.0.1", {{"Forwarded", value}});
    EXPECT_EQ(peer.remote_address, "10.0.0.1") << value;
    EXPECT_FALSE(peer.scheme_told) << value;
  }
  // The proxy's own field is whole, whatever the one before it is.
  EXPECT_EQ(told(proxies, "10.0.0.1", {{"Forwarded", "for=\"6"}, {"Forwarded", "for=203.0.113.9"}})
                .remote_address,
            "203.0.113.9");
}

TEST(ForwardedHop, Table) {
  const auto text = [](std::string_view hop) {
    const auto parsed = internal::parse_forwarded_hop(hop);
    return parsed ? parsed->address.to_string() + " " + std::to_string(parsed->port) : "none";
  };
  EXPECT_EQ(text("192.0.2.1"), "192.0.2.1 0");
  EXPECT_EQ(text("192.0.2.1:80"), "192.0.2.1 80");
  EXPECT_EQ(text("2001:db8::1"), "2001:db8::1 0");
  EXPECT_EQ(text("[2001:db8::1]"), "2001:db8::1 0");
  EXPECT_EQ(text("[2001:db8::1]:65535"), "2001:db8::1 65535");
  EXPECT_EQ(text("::ffff:192.0.2.1"), "192.0.2.1 0");
  for (const auto* bad :
       {"", ":", ":80", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:8 ", "[::1",
        "[192.0.2.1]", "[::1]80", "[::1]:", "[]", "localhost", "unknown", "_x", "fe80::1%1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555:6666"}) {
    EXPECT_EQ(text(bad), "none") << bad;
  }
}

}  // namespace
}  // namespace selvedge::gateway
