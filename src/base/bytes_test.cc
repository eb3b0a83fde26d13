#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace selvedge::base {
namespace {

TEST(ByteReader, Overrun_IsStickyAndYieldsZero) {
  const std::array<std::byte, 3> data{std::byte{1}, std::byte{2}, std::byte{3}};
  ByteReader reader(data);
  EXPECT_EQ(reader.read_be<std::uint16_t>(), 0x0102);
  EXPECT_EQ(reader.read_le<std::uint16_t>(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.read_le<std::uint8_t>(), 0);
  EXPECT_TRUE(reader.read_bytes(1).empty());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(ByteWriter, RoundTrip_EveryPrefixOfTheSpaceFailsCleanly) {
  for (std::size_t size = 0; size <= 15; ++size) {
    std::array<std::byte, 15> space{};
    ByteWriter writer(MutableByteSpan(space).first(size));
    writer.write_le<std::uint64_t>(0x0102030405060708U);
    writer.write_be<std::uint32_t>(0x0a0b0c0dU);
    writer.write_bytes(as_bytes("xyz"));
    ASSERT_EQ(writer.ok(), size == 15) << size;
    if (writer.ok()) {
      ByteReader reader(writer.written());
      EXPECT_EQ(reader.read_le<std::uint64_t>(), 0x0102030405060708U);
      EXPECT_EQ(reader.read_be<std::uint32_t>(), 0x0a0b0c0dU);
      EXPECT_EQ(as_text(reader.read_bytes(3)), "xyz");
      EXPECT_TRUE(reader.ok());
    }
  }
}

}  // namespace
}  // namespace selvedge::base
