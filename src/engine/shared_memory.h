#pragma once

// The linear memory that all threads of one guest process share. A module with threads imports it
// instead of defining its own; the process makes one before its first instance, binds the module to
// it, and makes the instance of each thread from the bound module.
//
//   if (module->needs_memory()) {
//     SELVEDGE_TRY(memory, SharedMemory::create(*module, bytes_max));
//     SELVEDGE_TRY(module, memory->bind(module));
//   }

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <native.h>

#include "base/result.h"
#include "engine/memory_image.h"
#include "engine/module.h"

namespace selvedge::engine {

// Any thread. Modules that are bound to it keep the memory itself alive.
class SharedMemory {
  // Only create() can name it.
  struct Private {};

 public:
  SharedMemory(Private, native::SharedMemory* native) noexcept : native_(native) {}
  // Zeroed, of the type that `module` imports, able to grow to `bytes_max` (rounded down to 64 KiB)
  // or to the module's own maximum, whichever is lower: growth beyond fails in the guest. Invalid
  // when the module imports none or begins with more.
  static Result<std::unique_ptr<SharedMemory>> create(const LinkedModule& module,
                                                      std::uint64_t bytes_max);
  static constexpr std::uint64_t kPageBytes = 65'536;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // The module with its memory import resolved to this one. Tens of microseconds: once for each
  // process.
  Result<std::shared_ptr<const LinkedModule>> bind(const LinkedModule& module) const;
  // Grows it by `pages` of 64 KiB: its size in pages before; nullopt: that passes its maximum.
  std::optional<std::uint32_t> grow(std::uint32_t pages) const noexcept;
  // Bytes now; it never shrinks.
  std::size_t size() const noexcept;
  // Makes `child` a copy of this memory as it is now, while no thread of the guest runs. It was
  // created for the same module, nothing runs on it yet, and what it holds goes. Only of modules
  // that fork. Invalid: this memory is larger than `child` may become; Internal: the system
  // refuses.
  Result<> copy_to(SharedMemory& child);

 private:
  MemoryRegion region() const noexcept;

  native::SharedMemory* native_;
  // nullptr: the module does not fork.
  std::unique_ptr<MemoryImage> image_;
};

}  // namespace selvedge::engine
