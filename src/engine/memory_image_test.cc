#include "engine/memory_image.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>

namespace selvedge::engine {
namespace {

constexpr std::size_t kSize = std::size_t{1} << 20;
constexpr std::size_t kReserved = 2 * kSize;

// Reserved address space, as of a memory.
class Reservation {
 public:
  Reservation() : data_(::mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    EXPECT_NE(data_, MAP_FAILED);
    EXPECT_EQ(::mprotect(data_, kSize, PROT_READ | PROT_WRITE), 0);
  }
  ~Reservation() { ::munmap(data_, kReserved); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  MemoryRegion region() const {
    return {.data = static_cast<std::byte*>(data_), .size = size, .reserved = kReserved};
  }
  std::byte& at(std::size_t offset) const { return static_cast<std::byte*>(data_)[offset]; }
  void grow() {
    EXPECT_EQ(::mprotect(data_, kReserved, PROT_READ | PROT_WRITE), 0);
    size = kReserved;
  }

  std::size_t size = kSize;

 private:
  void* data_;
};

constexpr std::byte kOne{1};
constexpr std::byte kTwo{2};
constexpr std::byte kThree{3};

TEST(MemoryImage, Fork_CopiesTheContent_AndNeitherSeesTheOther) {
  Reservation parent;
  Reservation child;
  const auto image = *MemoryImage::create(parent.region());
  parent.at(5000) = kOne;
  child.at(9000) = kThree;
  const auto forked = *image->fork(parent.region(), child.region());
  EXPECT_EQ(child.at(5000), kOne);
  EXPECT_EQ(child.at(9000), std::byte{0});
  child.at(5000) = kTwo;
  parent.at(6000) = kThree;
  EXPECT_EQ(parent.at(5000), kOne);
  EXPECT_EQ(child.at(6000), std::byte{0});
}

TEST(MemoryImage, Fork_Again_CopiesWhatTheParentChanged_WhetherChildrenLiveOrNot) {
  Reservation parent;
  const auto image = *MemoryImage::create(parent.region());
  parent.at(0) = kOne;
  Reservation first;
  auto first_image = *image->fork(parent.region(), first.region());
  parent.at(0) = kTwo;
  parent.at(70'000) = kTwo;
  Reservation second;
  auto second_image = *image->fork(parent.region(), second.region());
  EXPECT_EQ(first.at(0), kOne);
  EXPECT_EQ(first.at(70'000), std::byte{0});
  EXPECT_EQ(second.at(0), kTwo);
  EXPECT_EQ(second.at(70'000), kTwo);
  // Nobody else uses the file: it takes the changes up.
  first_image.reset();
  second_image.reset();
  parent.at(100) = kThree;
  Reservation third;
  const auto third_image = *image->fork(parent.region(), third.region());
  EXPECT_EQ(parent.at(0), kTwo);
  EXPECT_EQ(parent.at(100), kThree);
  EXPECT_EQ(third.at(100), kThree);
  EXPECT_EQ(third.at(70'000), kTwo);
  third.at(100) = kOne;
  EXPECT_EQ(parent.at(100), kThree);
}

TEST(MemoryImage, Fork_OfACopy_AndOfAGrownMemory_CopiesAll) {
  Reservation parent;
  const auto image = *MemoryImage::create(parent.region());
  parent.at(1) = kOne;
  Reservation child;
  const auto child_image = *image->fork(parent.region(), child.region());
  child.grow();
  child.at(kReserved - 1) = kTwo;
  child.at(2) = kThree;
  Reservation grandchild;
  grandchild.grow();
  const auto grandchild_image = *child_image->fork(child.region(), grandchild.region());
  EXPECT_EQ(grandchild.at(1), kOne);
  EXPECT_EQ(grandchild.at(2), kThree);
  EXPECT_EQ(grandchild.at(kReserved - 1), kTwo);
  EXPECT_EQ(parent.at(2), std::byte{0});
}

}  // namespace
}  // namespace selvedge::engine
