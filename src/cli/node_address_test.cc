#include "cli/node_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace selvedge::cli {
namespace {

using ::testing::HasSubstr;

std::string url(std::string_view text) {
  const auto parsed = parse_node_address(text);
  return parsed.has_value() ? parsed->url : parsed.error().message();
}

TEST(NodeAddress, APath_IsASocket) {
  EXPECT_EQ(parse_node_address(".selvedge/admin.sock")->socket, ".selvedge/admin.sock");
  EXPECT_EQ(parse_node_address("/n")->url, "");
}

TEST(NodeAddress, Https_HasAPort) {
  EXPECT_EQ(url("https://host"), "https://host:7443");
  EXPECT_EQ(url("https://host/"), "https://host:7443");
  EXPECT_EQ(url("https://host:1"), "https://host:1");
  EXPECT_EQ(url("https://[::1]"), "https://[::1]:7443");
  EXPECT_EQ(url("https://[::1]:8"), "https://[::1]:8");
}

TEST(NodeAddress, AFingerprint_IsPinned) {
  // echo -n | openssl dgst -sha256 -binary | base64
  const auto parsed = parse_node_address(
      "https://h:1#sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->url, "https://h:1");
  EXPECT_EQ(parsed->pinned_key, "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

TEST(NodeAddress, Mistakes_AreOneSentence) {
  EXPECT_THAT(url("http://host"), HasSubstr("TLS only"));
  for (const char* const text :
       {"https://", "https://:1", "https://host:x", "https://host:123456", "https://a/b",
        "https://user@host", "https://[::1", "https://::1"}) {
    EXPECT_THAT(url(text), HasSubstr("write https://HOST:PORT")) << text;
  }
  for (const char* const text : {"https://h#", "https://h#sha256:12", "https://h#md5:00"}) {
    EXPECT_THAT(url(text), HasSubstr("is not a fingerprint")) << text;
  }
}

}  // namespace
}  // namespace selvedge::cli
