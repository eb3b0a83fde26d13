#include "engine/guest_memory.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <thread>

namespace selvedge::engine {
namespace {

class GuestMemoryTest : public ::testing::Test {
 protected:
  GuestMemory memory() noexcept {
    const auto bytes = std::as_writable_bytes(std::span(words_));
    return {bytes.data(), bytes.size()};
  }

  std::array<std::uint64_t, 8> words_{};
};

TEST_F(GuestMemoryTest, Load_TakesAlignedWordsInsideOnly) {
  ASSERT_TRUE(memory().write(GuestPtr<std::uint32_t>{60}, 0x01020304U));
  EXPECT_EQ(memory().load(GuestPtr<std::uint32_t>{60}), 0x01020304U);
  EXPECT_EQ(memory().load(GuestPtr<std::uint64_t>{56}), 0x0102030400000000U);
  EXPECT_EQ(memory().load(GuestPtr<std::uint32_t>{64}), std::nullopt);
  EXPECT_EQ(memory().load(GuestPtr<std::uint32_t>{0xFFFF'FFFC}), std::nullopt);
  for (const std::uint32_t address : {1U, 2U, 58U, 59U}) {
    EXPECT_EQ(memory().load(GuestPtr<std::uint32_t>{address}), std::nullopt) << address;
  }
  EXPECT_EQ(memory().load(GuestPtr<std::uint64_t>{4}), std::nullopt);
}

TEST_F(GuestMemoryTest, Load_SeesOneValueOfAWordThatAnotherThreadWrites) {
  const std::atomic_ref word(words_[0]);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t value = 0; !done.load(std::memory_order::relaxed); value = ~value) {
      word.store(value);
    }
  });
  for (int count = 0; count < 100'000; ++count) {
    const std::uint64_t value = memory().load(GuestPtr<std::uint64_t>{0}).value();
    if (value != 0 && value != ~std::uint64_t{0}) {
      ADD_FAILURE() << value;
      break;
    }
  }
  done = true;
  writer.join();
}

TEST_F(GuestMemoryTest, ReadString_Copies) {
  ASSERT_TRUE(memory().write(GuestPtr<std::uint8_t>{3}, 'a'));
  const auto text = memory().read_string(3, 2);
  ASSERT_TRUE(memory().write(GuestPtr<std::uint8_t>{3}, 'b'));
  EXPECT_EQ(text, std::string("a\0", 2));
  EXPECT_EQ(memory().read_string(64, 0), "");
  EXPECT_EQ(memory().read_string(63, 2), std::nullopt);
}

}  // namespace
}  // namespace selvedge::engine
