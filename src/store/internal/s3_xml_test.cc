#include "store/internal/s3_xml.h"

#include <gtest/gtest.h>

#include <string>

// Goal: whatever a server answers, nothing is made up from it.

namespace selvedge::store::internal {
namespace {

using base::as_bytes;

constexpr std::string_view kList =
    R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
<Prefix>apps%2F</Prefix>
<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated>
<Contents><Key>apps/a%2Bb</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>&quot;70ee&quot;</ETag><Size>5</Size></Contents>
<Contents><Key>apps/x</Key><ETag>"9b-2"</ETag><Size>0</Size></Contents></ListBucketResult>)";

TEST(S3XmlTest, ListAnswer_GivesKeysAndTags) {
  const auto answer = parse_list_answer(as_bytes(kList));
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_TRUE(answer->truncated);
  ASSERT_EQ(answer->entries.size(), 2U);
  EXPECT_EQ(answer->entries[0].key, "apps/a+b");
  EXPECT_EQ(answer->entries[0].etag, "\"70ee\"");
  EXPECT_EQ(answer->entries[1].key, "apps/x");
  EXPECT_EQ(answer->entries[1].etag, "\"9b-2\"");
  EXPECT_EQ(answer->entries[0].bytes, 5U);
  EXPECT_EQ(answer->entries[0].written, 1'767'225'600);
  EXPECT_EQ(answer->entries[1].written, std::nullopt);
}

TEST(S3XmlTest, Times_AreReadInOneFormOnly) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time("2024-02-29T12:34:56.789Z"), 1'709'210'096);
  for (const std::string_view text :
       {"", "Z", "2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:60:00Z",
        "2024-02-29 00:00:00Z", "2024-02-29T00:00:00", "2024-2-29T00:00:00.00Z",
        "Thu, 29 Feb 2024 12:34:56 GMT"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(S3XmlTest, UnfinishedUploads_AreReadWhole) {
  const auto uploads = parse_uploads_answer(as_bytes(
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><Upload><Key>blobs/a%2Bb</Key>"
      "<UploadId>u1</UploadId><Initiated>1970-01-01T00:01:00.000Z</Initiated></Upload>"
      "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"));
  ASSERT_TRUE(uploads.has_value()) << uploads.error().message();
  ASSERT_EQ(uploads->size(), 1U);
  EXPECT_EQ(uploads->front().key, "blobs/a+b");
  EXPECT_EQ(uploads->front().id, "u1");
  EXPECT_EQ(uploads->front().begun, 60);
  for (const std::string_view xml :
       {"", "<ListBucketResult/>",
        "<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>",
        "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId></Upload>"
        "</ListMultipartUploadsResult>"}) {
    EXPECT_FALSE(parse_uploads_answer(as_bytes(xml)).has_value()) << xml;
  }
}

TEST(S3XmlTest, ListAnswerWithoutEncoding_IsTakenAsItIs) {
  const auto answer = parse_list_answer(
      as_bytes("<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a%2Bb+c</Key>"
               "<ETag>x</ETag></Contents></ListBucketResult>"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->entries[0].key, "a%2Bb+c");
}

TEST(S3XmlTest, TruncatedListAnswer_IsNeverAShorterList) {
  for (std::size_t size = 0; size < kList.size(); ++size) {
    EXPECT_FALSE(parse_list_answer(as_bytes(kList.substr(0, size))).has_value()) << size;
  }
}

TEST(S3XmlTest, MalformedListAnswers_AreErrors) {
  for (const std::string_view xml :
       {"", "{}", "<html/>", "<Error><Code>x</Code></Error>", "<ListBucketResult/>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><ETag>e</ETag></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
        "<Contents><Key>k%2</Key><ETag>e</ETag></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><ETag>a b</ETag>"
        "</Contents></ListBucketResult>"}) {
    EXPECT_FALSE(parse_list_answer(as_bytes(xml)).has_value()) << xml;
  }
}

TEST(S3XmlTest, EntitiesOfADocumentType_AreNotExpanded) {
  const auto error = parse_error_answer(
      as_bytes(R"(<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>)"
               "<Error><Code>&a;&f;</Code></Error>"));
  EXPECT_EQ(error.code, "&a;&f;");
}

TEST(S3XmlTest, UploadId_IsNeeded) {
  EXPECT_EQ(*parse_upload_id(as_bytes("<InitiateMultipartUploadResult><UploadId>id-1</UploadId>"
                                      "</InitiateMultipartUploadResult>")),
            "id-1");
  EXPECT_FALSE(parse_upload_id(as_bytes("<InitiateMultipartUploadResult/>")).has_value());
  EXPECT_FALSE(parse_upload_id(as_bytes("<UploadId>id-1</UploadId>")).has_value());
}

TEST(S3XmlTest, ErrorAnswer_IsPrintableAndShort) {
  const auto error = parse_error_answer(as_bytes("<Error><Code>Access\nDenied</Code><Message>" +
                                                 std::string(1000, 'm') + "</Message></Error>"));
  EXPECT_EQ(error.code, "Access\\nDenied");
  EXPECT_LE(error.message.size(), 300U);
  EXPECT_EQ(parse_error_answer(as_bytes("Service Unavailable")).code, "");
}

}  // namespace
}  // namespace selvedge::store::internal
