#include "io/socket_address.h"

#include <gtest/gtest.h>

#include "io/internal/kernel_address.h"

namespace selvedge::io {
namespace {

TEST(SocketAddress, Parse_Valid_RoundTrips) {
  for (const char* text :
       {"192.0.2.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[2001:db8::1]:8080",
        "[fe80::1%2]:53", "unix:/run/selvedge.sock", "unix:@abstract", "unix:"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << address.error().message();
    EXPECT_EQ(address->to_string(), text);
    EXPECT_EQ(internal::KernelAddress::from(*address).to_socket_address(), *address) << text;
  }
}

TEST(SocketAddress, Parse_ShortForms_MeanAllIpV4Addresses) {
  EXPECT_EQ(SocketAddress::parse(":80").value(), SocketAddress(IpAddress::any_v4(), 80));
  EXPECT_EQ(SocketAddress::parse("8080").value(), SocketAddress(IpAddress::any_v4(), 8080));
}

TEST(SocketAddress, Parse_Canonical_WritesRfc5952) {
  EXPECT_EQ(SocketAddress::parse("[2001:0DB8:0:0:0:0:0:0001]:1").value().to_string(),
            "[2001:db8::1]:1");
}

TEST(SocketAddress, Parse_Invalid_IsRefusedWithASentence) {
  const std::string long_path = "unix:/" + std::string(SocketAddress::kUnixPathBytesMax, 'x');
  for (const std::string& text :
       {std::string(), std::string("localhost:80"), std::string("1.2.3.4"), std::string("1.2.3.4:"),
        std::string("1.2.3.4:65536"), std::string("1.2.3.4:-1"), std::string("1.2.3.4:+1"),
        std::string("1.2.3:80"), std::string("::1:80"), std::string("[::1]"),
        std::string("[::1]80"), std::string("[::1:80"), std::string("[1.2.3.4]:80"),
        std::string("[::1%eth0]:80"), std::string("1.2.3.4:80 "), std::string("1.2.3.4\0:80", 11),
        std::string("unix:a\0b", 8), long_path}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().kind(), ErrorKind::kInvalid);
    EXPECT_FALSE(address.error().message().empty());
  }
}

TEST(IpAddress, Kinds_AreTold) {
  EXPECT_TRUE(IpAddress::parse("127.8.9.1").value().is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1").value().is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2").value().is_loopback());
  EXPECT_FALSE(IpAddress::parse("128.0.0.1").value().is_loopback());
  EXPECT_TRUE(IpAddress::parse("::").value().is_any());
  EXPECT_TRUE(IpAddress().is_any());
  EXPECT_NE(IpAddress::any_v4(), IpAddress::any_v6());
}

}  // namespace
}  // namespace selvedge::io
