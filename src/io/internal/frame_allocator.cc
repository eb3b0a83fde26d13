#include "io/internal/frame_allocator.h"

#include <array>
#include <cstdlib>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SELVEDGE_PLAIN_FRAMES 1
#endif
#endif

namespace selvedge::io::internal {
namespace {

void* allocate_from_heap(std::size_t bytes) noexcept {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}

#ifndef SELVEDGE_PLAIN_FRAMES

constexpr std::size_t kClassBytes = 64;
constexpr std::size_t kClasses = kPooledFrameBytesMax / kClassBytes;

struct FreeFrame {
  FreeFrame* next;
};

// Freed frames of one thread, by size class; given back to the heap when the thread ends.
class FramePool {
 public:
  FramePool() noexcept = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool() {
    for (SizeClass& size_class : classes_) {
      while (size_class.head != nullptr) {
        std::free(std::exchange(size_class.head, size_class.head->next));
      }
      // Frames that are freed even later in the thread's end go to the heap.
      size_class.count = kFramesKeptMax;
    }
  }

  void* allocate(std::size_t index) noexcept {
    SizeClass& size_class = classes_[index];
    if (size_class.head == nullptr) {
      return allocate_from_heap((index + 1) * kClassBytes);
    }
    --size_class.count;
    return std::exchange(size_class.head, size_class.head->next);
  }
  void free(void* frame, std::size_t index) noexcept {
    SizeClass& size_class = classes_[index];
    if (size_class.count >= kFramesKeptMax) {
      std::free(frame);
      return;
    }
    ++size_class.count;
    auto* free_frame = static_cast<FreeFrame*>(frame);
    free_frame->next = size_class.head;
    size_class.head = free_frame;
  }

 private:
  struct SizeClass {
    FreeFrame* head = nullptr;
    std::size_t count = 0;
  };
  std::array<SizeClass, kClasses> classes_{};
};

// The one thread-local of the module: a cache, on which nothing but speed depends.
FramePool& frame_pool() noexcept {
  thread_local FramePool pool;
  return pool;
}

#endif

}  // namespace

void* allocate_frame(std::size_t bytes) noexcept {
#ifndef SELVEDGE_PLAIN_FRAMES
  if (bytes <= kPooledFrameBytesMax) {
    return frame_pool().allocate((bytes - 1) / kClassBytes);
  }
#endif
  return allocate_from_heap(bytes);
}

void free_frame(void* frame, std::size_t bytes) noexcept {
#ifndef SELVEDGE_PLAIN_FRAMES
  if (bytes <= kPooledFrameBytesMax) {
    frame_pool().free(frame, (bytes - 1) / kClassBytes);
    return;
  }
#else
  static_cast<void>(bytes);
#endif
  std::free(frame);
}

}  // namespace selvedge::io::internal
