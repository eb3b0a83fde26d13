#include "store/internal/document_frame.h"

#include <gtest/gtest.h>

#include <string>

#include "crypto/blake3.h"

// Goal: documents come back as they were written, or not at all.

namespace selvedge::store::internal {
namespace {

using base::as_bytes;
using base::as_text;

TEST(DocumentFrameTest, Frame_GivesBackWhatItHolds) {
  base::SeededRandom random(1);
  const std::string write_id = make_write_id(random);
  for (const std::string_view text : {"", "x", "line\nline\n"}) {
    const auto frame = frame_document(write_id, as_bytes(text));
    EXPECT_EQ(frame.size(), kFrameHeadBytes + text.size());
    const auto document = parse_document(frame);
    ASSERT_TRUE(document.has_value());
    EXPECT_EQ(document->write_id, write_id);
    EXPECT_EQ(as_text(document->bytes), text);
    EXPECT_EQ(*parse_write_id(base::ByteSpan(frame).first(kFrameHeadBytes)), write_id);
  }
}

TEST(DocumentFrameTest, WriteIds_Differ) {
  base::SeededRandom random(1);
  const std::string first = make_write_id(random);
  EXPECT_EQ(first.size(), kWriteIdBytes);
  EXPECT_NE(first, make_write_id(random));
}

// The bytes on disk and in buckets outlive this program.
TEST(DocumentFrameTest, Frame_HasTheWrittenFormat) {
  const auto frame = frame_document("000102030405060708090a0b0c0d0e0f", as_bytes("{}\n"));
  const std::string head = "selvedge-document-1 000102030405060708090a0b0c0d0e0f ";
  const std::string text(as_text(frame));
  EXPECT_TRUE(text.starts_with(head)) << text;
  EXPECT_EQ(text.substr(head.size(), 64),
            crypto::blake3(as_bytes("000102030405060708090a0b0c0d0e0f{}\n")).hex());
  EXPECT_EQ(text.substr(head.size() + 64), "\n{}\n");
}

TEST(DocumentFrameTest, ForeignOrDamagedBytes_AreRefused) {
  const auto frame = frame_document("000102030405060708090a0b0c0d0e0f", as_bytes("content"));
  for (std::size_t i = 0; i < frame.size(); ++i) {
    auto changed = frame;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(parse_document(changed).has_value()) << i;
    EXPECT_FALSE(parse_document(base::ByteSpan(frame).first(i)).has_value()) << i;
  }
  EXPECT_FALSE(parse_document(as_bytes("hello")).has_value());
}

}  // namespace
}  // namespace selvedge::store::internal
