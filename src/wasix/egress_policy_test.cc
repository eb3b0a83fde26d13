// Where --net lets a guest connect to.

#include "wasix/egress_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace selvedge::wasix {
namespace {

using ::testing::HasSubstr;

io::IpAddress ip(std::string_view text) { return *io::IpAddress::parse(text); }

EgressPolicy policy(const std::vector<std::string>& values) {
  auto parsed = EgressPolicy::parse(values);
  EXPECT_TRUE(parsed) << parsed.error().message();
  return *std::move(parsed);
}
bool allows(const std::string& rules, std::string_view address, std::uint16_t port = 443) {
  return policy({rules}).allows(ip(address), port);
}
std::string message(const std::string& rules) {
  const auto parsed = EgressPolicy::parse(std::vector{rules});
  return parsed ? "no error" : parsed.error().message();
}

constexpr std::string_view kPublic[] = {
    "1.1.1.1",    "8.8.8.8",          "100.63.255.255",  "100.128.0.1",     "172.15.0.1",
    "172.32.0.1", "192.167.1.1",      "223.255.0.1",     "2606:4700::1111", "2001:4860::1",
    "2a00::1",    "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"};

// Everything that leads back to the machine, its neighbours or its cloud, in every writing.
constexpr std::string_view kRestricted[] = {"0.0.0.0",
                                            "0.1.2.3",
                                            "127.0.0.1",
                                            "127.255.255.254",
                                            "10.0.0.1",
                                            "10.255.255.255",
                                            "172.16.0.1",
                                            "172.31.255.255",
                                            "192.168.0.1",
                                            "100.64.0.1",
                                            "100.127.255.255",
                                            "169.254.0.1",
                                            "169.254.169.254",
                                            "169.254.170.2",
                                            "100.100.100.200",
                                            "168.63.129.16",
                                            "192.0.0.192",
                                            "192.0.2.1",
                                            "198.18.0.1",
                                            "198.19.255.255",
                                            "198.51.100.1",
                                            "203.0.113.9",
                                            "192.88.99.1",
                                            "224.0.0.1",
                                            "239.255.255.250",
                                            "240.0.0.1",
                                            "255.255.255.255",
                                            "::",
                                            "::1",
                                            "fc00::1",
                                            "fd00::1",
                                            "fd00:ec2::254",
                                            "fe80::1",
                                            "fec0::1",
                                            "ff02::1",
                                            "2001:db8::1",
                                            "2001::1",
                                            "3fff::1",
                                            "4000::1",
                                            "100::1",
                                            "5f00::1",
                                            "::ffff:127.0.0.1",
                                            "::ffff:10.0.0.1",
                                            "::ffff:169.254.169.254",
                                            "::ffff:0.0.0.0",
                                            "::127.0.0.1",
                                            "::10.0.0.1",
                                            "::ffff:0:127.0.0.1",
                                            "64:ff9b::127.0.0.1",
                                            "64:ff9b::10.1.2.3",
                                            "64:ff9b::169.254.169.254",
                                            "64:ff9b::192.168.1.1",
                                            "64:ff9b:1::8.8.8.8",
                                            "2002:7f00:1::",
                                            "2002:a9fe:a9fe::1",
                                            "2002:c0a8:101::1",
                                            "2002:a00:1::",
                                            "2001:0:a00:1::",
                                            "2a00::5efe:10.0.0.1",
                                            "2a00::200:5efe:127.0.0.1"};

TEST(EgressPolicy, WithoutRules_AllowsNothing) {
  const EgressPolicy none;
  EXPECT_TRUE(none.allows_nothing());
  for (const std::string_view address : kPublic) {
    EXPECT_FALSE(none.allows(ip(address), 443)) << address;
  }
  EXPECT_FALSE(none.allows_name("example.com"));
}

TEST(EgressPolicy, Public_IsThePublicInternetAndNothingElse) {
  for (const std::string_view address : kPublic) {
    EXPECT_TRUE(allows("public", address)) << address;
  }
  for (const std::string_view address : kRestricted) {
    EXPECT_FALSE(allows("public", address)) << address;
    EXPECT_FALSE(policy({"*"}).is_public(ip(address))) << address;
  }
  EXPECT_TRUE(policy({"public"}).allows_name("anything.example"));
}

TEST(EgressPolicy, BlocksOfEverything_LeaveOutWhatIsNotPublic) {
  for (const std::string_view address : kRestricted) {
    EXPECT_FALSE(
        allows("0.0.0.0/0,::/0,0.0.0.0/1,128.0.0.0/1,ipv4:allow=*:*,ipv6:allow=*:*", address))
        << address;
  }
  EXPECT_TRUE(allows("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(allows("0.0.0.0/0", "2a00::1"));
  EXPECT_TRUE(allows("::/0", "2a00::1"));
}

TEST(EgressPolicy, AddressRules_OpenWhatTheyName) {
  EXPECT_TRUE(allows("10.0.0.0/8", "10.1.2.3"));
  EXPECT_TRUE(allows("10.1.0.0/16", "::ffff:10.1.2.3"));
  EXPECT_FALSE(allows("10.0.0.0/7", "10.1.2.3"));
  EXPECT_TRUE(allows("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(allows("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(allows("[fd00::/8]:443", "fd12::1"));
  EXPECT_TRUE(allows("fd00::/8", "fd12::1"));
  EXPECT_TRUE(allows("::1", "::1"));
  EXPECT_TRUE(allows("192.0.2.0/24", "192.0.2.7"));
  // Of another family or form: not named.
  EXPECT_FALSE(allows("10.0.0.0/8", "64:ff9b::10.0.0.1"));
  EXPECT_FALSE(allows("64:ff9b::/96", "64:ff9b::10.0.0.1"));
  EXPECT_TRUE(allows("64:ff9b::a00:0/104", "64:ff9b::10.0.0.1"));
}

TEST(EgressPolicy, Metadata_TakesARuleOfItsOwn) {
  EXPECT_TRUE(allows("169.254.0.0/16", "169.254.1.1"));
  EXPECT_FALSE(allows("169.254.0.0/16", "169.254.169.254"));
  EXPECT_TRUE(allows("169.254.169.254", "169.254.169.254"));
  EXPECT_FALSE(allows("fd00::/8", "fd00:ec2::254"));
  EXPECT_FALSE(allows("100.64.0.0/10", "100.100.100.200"));
}

TEST(EgressPolicy, OwnAddresses_TakeARuleOfTheirOwn) {
  EgressPolicy some = policy({"public,10.0.0.0/8,127.0.0.0/8,192.0.2.9"});
  some.set_own_addresses({ip("8.8.8.8"), ip("10.0.0.5"), ip("127.0.0.1"), ip("192.0.2.9")});
  EXPECT_FALSE(some.allows(ip("8.8.8.8"), 80));
  EXPECT_FALSE(some.allows(ip("::ffff:10.0.0.5"), 80));
  EXPECT_TRUE(some.allows(ip("10.0.0.6"), 80));
  EXPECT_TRUE(some.allows(ip("192.0.2.9"), 80));
  EXPECT_TRUE(some.allows(ip("127.0.0.1"), 80));
}

TEST(EgressPolicy, Ports_AreKept) {
  EXPECT_TRUE(allows("public:443", "8.8.8.8", 443));
  EXPECT_FALSE(allows("public:443", "8.8.8.8", 80));
  EXPECT_TRUE(allows("10.0.0.5:8000-8999", "10.0.0.5", 8999));
  EXPECT_FALSE(allows("10.0.0.5:8000-8999", "10.0.0.5", 9000));
  EXPECT_TRUE(allows("10.0.0.5:*", "10.0.0.5", 1));
  EXPECT_TRUE(allows("[2a00::1]:80", "2a00::1", 80));
  EXPECT_FALSE(allows("[2a00::1]:80", "2a00::1", 81));
  EXPECT_TRUE(allows("[2a00::1]", "2a00::1", 81));
}

TEST(EgressPolicy, Names_MatchInAnyCaseAndByLabels) {
  const EgressPolicy some = policy({"api.Example.com:443, *.example.org", "*:8080"});
  EXPECT_EQ(some.ports_of_name("API.example.COM.").size(), 2U);
  EXPECT_EQ(some.ports_of_name("a.b.example.org").size(), 2U);
  EXPECT_EQ(some.ports_of_name("example.org").size(), 1U);
  EXPECT_EQ(some.ports_of_name("evilexample.org").size(), 1U);
  EXPECT_TRUE(some.allows_name("other.example"));
  EXPECT_FALSE(policy({"example.com"}).allows_name("example.com.evil.org"));
  EXPECT_FALSE(policy({"10.0.0.0/8"}).allows_name("example.com"));
  // A name is no address: what it leads to is granted when it is looked up.
  EXPECT_FALSE(some.allows(ip("8.8.8.8"), 8080));
}

TEST(EgressPolicy, RulesOfOtherRuntimes_AreTheSame) {
  EXPECT_TRUE(policy({"dns:allow=example.com:80"}).allows_name("example.com"));
  EXPECT_TRUE(allows("ipv4:allow=127.0.0.1:80/out", "127.0.0.1", 80));
  EXPECT_TRUE(allows("ipv4:allow=10.0.0.0/8:80", "10.0.0.1", 80));
  EXPECT_TRUE(allows("ipv6:allow=[fd00::1]:*/out", "fd00::1", 80));
  EXPECT_THAT(message("ipv4:allow=127.0.0.1:80/in"), HasSubstr("leave /in out"));
  EXPECT_THAT(message("ipv4:deny=10.0.0.0/8:*"), HasSubstr("leave deny rules out"));
  EXPECT_THAT(message("ipv4:allow={10.0.0.1}:80"), HasSubstr("braces"));
}

TEST(EgressPolicy, WhatIsNoRule_IsNamedWithWhatToWrite) {
  for (const auto& [rule, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "api.example.com:443"},
           {"public,", "api.example.com:443"},
           {"public:0", "443"},
           {"public:80-70", "8000-8999"},
           {"public:http", "8000-8999"},
           {"public:65536", "8000-8999"},
           {"10.0.0.5/8", "write 10.0.0.0/8"},
           {"10.0.0.0/33", "0 to 32"},
           {"10.0.0", "is not an IP address"},
           {"1.2.3.4.5", "is not an IP address"},
           {"fd00::1::2", "is not an IP address"},
           {"[fd00::1", "a ] is missing"},
           {"[fd00::1]443", "after a colon"},
           {"224.0.0.1", "multicast"},
           {"ff02::1", "multicast"},
           {"0.0.0.0", "no destination"},
           {"::", "no destination"},
           {"::ffff:10.0.0.1", "10.0.0.5:5432"},
           {"localhost:8080", "127.0.0.1:8080"},
           {"exa mple.com", "neither an address nor a name"},
           {"ex*mple.com", "neither an address nor a name"},
           {"*.", "neither an address nor a name"},
           {"http://example.com", "api.example.com:443"},
           {std::string(300, 'a'), "neither an address nor a name"},
           {std::string(600, 'a'), "at most"}}) {
    EXPECT_THAT(message(rule), HasSubstr(part)) << rule;
    EXPECT_EQ(message(rule).find('\n'), std::string::npos);
  }
  EXPECT_THAT(message("10.0.0.5/8"), ::testing::StartsWith("\"10.0.0.5/8\""));
}

TEST(EgressPolicy, Rules_AreBounded) {
  std::vector<std::string> many(EgressPolicy::kRulesMax, "public");
  EXPECT_TRUE(EgressPolicy::parse(many));
  many.emplace_back("public");
  EXPECT_FALSE(EgressPolicy::parse(many));
}

}  // namespace
}  // namespace selvedge::wasix
