#include "store/internal/s3_signature.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

// Goal: signatures are those of the specification. Method: the examples of the S3 API reference,
// "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".

namespace selvedge::store::internal {
namespace {

S3Credentials example_credentials() {
  return {.access_key = "AKIAIOSFODNN7EXAMPLE",
          .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
          .session_token = ""};
}

struct Example {
  std::string_view method = "GET";
  std::string_view path = "/";
  NameValues query = {};
  NameValues headers = {};
  std::string_view content = "";
};

std::string header_of(const NameValues& headers, std::string_view wanted) {
  for (const auto& [name, value] : headers) {
    if (name == wanted) {
      return value;
    }
  }
  return "none";
}

std::string sign(const Example& example) {
  const std::string query = canonical_query(example.query);
  const std::string path = percent_encode(example.path, true);
  const NameValues headers =
      sign_request({.method = example.method,
                    .host = "examplebucket.s3.amazonaws.com",
                    .path = path,
                    .query = query,
                    .headers = example.headers,
                    .content_hash = sha256_hex(example.content),
                    .region = "us-east-1",
                    .now = std::chrono::sys_days(std::chrono::year(2013) / 5 / 24)},
                   example_credentials());
  EXPECT_EQ(header_of(headers, "x-amz-date"), "20130524T000000Z");
  return header_of(headers, "authorization");
}

std::string expected(std::string_view names, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
         "SignedHeaders=" +
         std::string(names) + ",Signature=" + std::string(signature);
}

TEST(S3SignatureTest, GetObjectExample_Matches) {
  EXPECT_EQ(sign({.path = "/test.txt", .headers = {{"range", "bytes=0-9"}}}),
            expected("host;range;x-amz-content-sha256;x-amz-date",
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
}

TEST(S3SignatureTest, PutObjectExample_Matches) {
  EXPECT_EQ(sign({.method = "PUT",
                  .path = "/test$file.text",
                  .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                  .content = "Welcome to Amazon S3."}),
            expected("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(S3SignatureTest, GetBucketLifecycleExample_Matches) {
  EXPECT_EQ(sign({.query = {{"lifecycle", ""}}}),
            expected("host;x-amz-content-sha256;x-amz-date",
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST(S3SignatureTest, ListObjectsExample_MatchesInAnyOrderOfTheQuery) {
  const std::string wanted =
      expected("host;x-amz-content-sha256;x-amz-date",
               "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  EXPECT_EQ(sign({.query = {{"max-keys", "2"}, {"prefix", "J"}}}), wanted);
  EXPECT_EQ(sign({.query = {{"prefix", "J"}, {"max-keys", "2"}}}), wanted);
}

TEST(S3SignatureTest, PercentEncode_KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("aZ0-._~", false), "aZ0-._~");
  EXPECT_EQ(percent_encode("a+b@c/d e\xc3\xa4", true), "a%2Bb%40c/d%20e%C3%A4");
  EXPECT_EQ(percent_encode("a/b=&", false), "a%2Fb%3D%26");
}

TEST(S3SignatureTest, SessionToken_IsSentAndSigned) {
  S3Credentials credentials = example_credentials();
  credentials.session_token = "token";
  const NameValues headers = sign_request({.method = "GET",
                                           .host = "h",
                                           .path = "/",
                                           .query = "",
                                           .headers = {},
                                           .content_hash = "",
                                           .region = "r",
                                           .now = {}},
                                          credentials);
  EXPECT_EQ(header_of(headers, "x-amz-security-token"), "token");
  EXPECT_NE(header_of(headers, "authorization").find("x-amz-security-token,"), std::string::npos);
}

}  // namespace
}  // namespace selvedge::store::internal
