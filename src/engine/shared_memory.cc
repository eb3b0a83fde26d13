#include "engine/shared_memory.h"

#include "base/assert.h"
#include "engine/internal/native_error.h"

namespace selvedge::engine {

Result<std::unique_ptr<SharedMemory>> SharedMemory::create(const LinkedModule& module,
                                                           std::uint64_t bytes_max) {
  native::SharedMemory* memory = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(
      native::selvedge_shared_memory_new(module.native(), bytes_max / kPageBytes, &memory)));
  auto made = std::make_unique<SharedMemory>(Private(), memory);
  if (module.forks()) {
    SELVEDGE_TRY(made->image_, MemoryImage::create(made->region()));
  }
  return made;
}

Result<> SharedMemory::copy_to(SharedMemory& child) {
  SELVEDGE_ASSERT(image_ != nullptr);
  if (!child.grow(static_cast<std::uint32_t>((size() - child.size()) / kPageBytes))) {
    return fail(ErrorKind::kInvalid, "the memory is larger than its copy may be");
  }
  SELVEDGE_TRY(child.image_, image_->fork(region(), child.region()));
  return {};
}

MemoryRegion SharedMemory::region() const noexcept {
  return {.data = static_cast<std::byte*>(native::selvedge_shared_memory_data(native_)),
          .size = size(),
          .reserved = native::selvedge_shared_memory_maximum(native_)};
}

SharedMemory::~SharedMemory() { native::selvedge_shared_memory_free(native_); }

Result<std::shared_ptr<const LinkedModule>> SharedMemory::bind(const LinkedModule& module) const {
  native::LinkedModule* bound = nullptr;
  SELVEDGE_TRY_VOID(
      take_native_error(native::selvedge_linked_module_bind(module.native(), native_, &bound)));
  return std::make_shared<const LinkedModule>(bound, module.shared_module());
}

std::optional<std::uint32_t> SharedMemory::grow(std::uint32_t pages) const noexcept {
  const std::int64_t before = native::selvedge_shared_memory_grow(native_, pages);
  return before < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(before));
}

std::size_t SharedMemory::size() const noexcept {
  return native::selvedge_shared_memory_size(native_);
}

}  // namespace selvedge::engine
